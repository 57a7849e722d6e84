import { DecodeError, rethrowWithin } from '../codec/errors.js';
import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { type StructInput, type StructOutput, struct, structs } from '../codec/layout.js';
import { type AttributeType, be16, binary, string, u8, u16, u32, u64 } from '../codec/scalars.js';
import { type AttributeTable, nested, numbered, selected } from '../codec/table.js';

/** Handles and parents (linux/pkt_sched.h). A handle is `major << 16 | minor`. */
export const TC_H = { UNSPEC: 0, ROOT: 0xffffffff, INGRESS: 0xfffffff1, CLSACT: 0xfffffff1 } as const;
/** Parents of filters on a clsact qdisc. */
export const TC_CLSACT = { INGRESS: 0xfffffff2, EGRESS: 0xfffffff3 } as const;
/** `eaction` of mirred (linux/tc_act/tc_mirred.h) and the verdict that a redirect returns. */
export const TCA_EGRESS_REDIR = 1;
export const TC_ACT_STOLEN = 4;
/** Bits of a u32 selector's flags: TERMINAL ends classification here. */
export const TC_U32_TERMINAL = 1;
/** `flags` of a bpf filter (linux/pkt_cls.h). */
export const TCA_BPF_FLAG_ACT_DIRECT = 1;
const SOCK_FILTER_BYTES = 8;
/** `flags` of a filter: IN_HW tells that the hardware has it. */
export const TCA_CLS_FLAGS = { SKIP_HW: 1, SKIP_SW: 2, IN_HW: 4, NOT_IN_HW: 8 } as const;

const tcmsg = {
  family: 'u8',
  pad: 'pad24',
  ifindex: 's32',
  handle: 'u32',
  parent: 'u32',
  info: 'u32',
} as const;

/** struct tc_ratespec: bytes per second; `overhead` and `mpu` in bytes. */
const ratespec = {
  cellLog: 'u8',
  linklayer: 'u8',
  overhead: 'u16',
  cellAlign: 'u16',
  mpu: 'u16',
  rate: 'u32',
} as const;

/** struct tc_tbf_qopt: the rate's structure twice (rate, peak), then limit in bytes, buffer and mtu in ticks. */
const tbfParms = struct({
  ...ratespec,
  peakCellLog: 'u8',
  peakLinklayer: 'u8',
  peakOverhead: 'u16',
  peakCellAlign: 'u16',
  peakMpu: 'u16',
  peakRate: 'u32',
  limit: 'u32',
  buffer: 'u32',
  mtu: 'u32',
});

const tbf = nested({
  parms: [1, tbfParms],
  rtab: [2, binary],
  rate64: [4, u64],
  /** Bucket sizes in bytes: with these the kernel needs neither tick values nor rate tables. */
  burst: [6, u32],
  pburst: [7, u32],
});

const mirredParms = struct({
  index: 'u32',
  capab: 'u32',
  action: 's32',
  refcnt: 's32',
  bindcnt: 's32',
  eaction: 's32',
  ifindex: 'u32',
});

/** struct gnet_stats_basic: bytes, then packets. */
const basicStatistics = struct({ bytes: 'u64', packets: 'u32' });

const action = nested({
  kind: [1, string],
  options: [2, selected('kind', { mirred: nested({ parms: [2, mirredParms] }) })],
  index: [3, u32],
  stats: [4, nested({ basic: [1, basicStatistics], packets: [8, u64] })],
  /** Whatever its maker wants to find with it, 16 bytes at most. */
  cookie: [6, binary],
});

const selectorHead = {
  flags: 'u8',
  offshift: 'u8',
  nkeys: 'u8',
  pad: 'pad8',
  offmask: 'be16',
  off: 'u16',
  offoff: 'u16',
  hoff: 'u16',
  hmask: 'be32',
} as const;
const selectorKey = { mask: 'be32', val: 'be32', off: 's32', offmask: 's32' } as const;
const HEAD_LENGTH = 16;
const headType = struct(selectorHead);
const keysType = structs(selectorKey);
type SelectorInput = StructInput<typeof selectorHead> & {
  readonly keys: readonly StructInput<typeof selectorKey>[];
};
type Selector = StructOutput<typeof selectorHead> & { keys: StructOutput<typeof selectorKey>[] };

/** TCA_U32_SEL: a head and `nkeys` keys behind it. A key with mask 0 matches everything. */
const selector: AttributeType<SelectorInput, Selector> = {
  write(writer, id, { keys, ...head }, parent) {
    const start = writer.length;
    headType.write(writer, id, { ...head, nkeys: keys.length }, parent);
    const keysStart = writer.length;
    try {
      keysType.write(writer, id, keys, parent);
    } catch (failure) {
      rethrowWithin('keys', failure);
    }
    // The keys were written as an attribute of their own: its header goes, they follow the head directly.
    writer.bytes.copyWithin(keysStart, keysStart + 4, writer.length);
    writer.length -= 4;
    writer.view.setUint16(start, writer.length - start, true);
  },
  read(source, offset, length, parent) {
    if (length < HEAD_LENGTH) throw new DecodeError(`needs ${HEAD_LENGTH} bytes, has ${length}`);
    const head = headType.read(source, offset, HEAD_LENGTH, parent);
    return { ...head, keys: keysType.read(source, offset + HEAD_LENGTH, length - HEAD_LENGTH, parent) };
  },
};

const u32Filter = nested({
  classid: [1, u32],
  hash: [2, u32],
  link: [3, u32],
  divisor: [4, u32],
  sel: [5, selector],
  act: [7, numbered(action)],
  indev: [8, string],
  flags: [11, u32],
});

const flower = nested({ act: [3, numbered(action)], keyEthType: [8, be16], flags: [22, u32] });
/** Classic BPF: `ops` are `opsLen` times struct sock_filter. `flags`: DIRECT_ACTION takes what the program returns for the verdict. */
const bpf = nested({
  act: [1, numbered(action)],
  classid: [3, u32],
  opsLen: [4, u16],
  ops: [5, binary],
  flags: [8, u32],
});

const matchall = nested({ classid: [1, u32], act: [2, numbered(action)], flags: [3, u32] });

const common = { kind: [1, string], chain: [11, u32], hwOffload: [12, u8] } satisfies AttributeTable;

/** Queueing disciplines (RTM_NEWQDISC and its kin): clsact, ingress, tbf; others are seen by `kind` only. */
export const qdisc = defineFamily({
  name: 'qdisc',
  protocol: 'route',
  header: tcmsg,
  attributes: {
    ...common,
    options: [2, selected('kind', { tbf, clsact: nested({}), ingress: nested({}) })],
    ingressBlock: [13, u32],
    egressBlock: [14, u32],
  },
  operations: { new: 36, delete: 37, get: 38 },
});

/** Filters (RTM_NEWTFILTER and its kin). `info` is `priority << 16 | protocol`, the protocol in network order. */
export const filter = defineFamily({
  name: 'filter',
  protocol: 'route',
  header: tcmsg,
  attributes: { ...common, options: [2, selected('kind', { u32: u32Filter, bpf, flower, matchall })] },
  operations: { new: 44, delete: 45, get: 46 },
});

/** `info` of a filter from its priority (preference) and EtherType; ETH_P_ALL is 3. */
export const filterInfo = (priority: number, etherType: number): number =>
  ((priority << 16) | ((etherType & 0xff) << 8) | (etherType >> 8)) >>> 0;

/** u32's options for everything, without an action: it passes. */
export const matchAll = (): FilterInput['options'] => ({
  sel: { flags: TC_U32_TERMINAL, keys: [{ mask: 0, val: 0, off: 0, offmask: 0 }] },
});

/** A u32 filter's options that send every packet out of another device: what attaches a representor. */
/** @param flags of TCA_CLS_FLAGS. */
export const redirectAll = (ifindex: number, flags = 0): FilterInput['options'] => ({
  ...matchAll(),
  ...(flags > 0 && { flags }),
  act: [
    { kind: 'mirred', options: { parms: { action: TC_ACT_STOLEN, eaction: TCA_EGRESS_REDIR, ifindex } } },
  ],
});

/** A bpf filter's options: what the program matches goes out of another device. `cookie` stays with the redirect. */
export const redirectMatching = (
  ops: Uint8Array,
  ifindex: number,
  cookie: Uint8Array,
): FilterInput['options'] => ({
  opsLen: ops.length / SOCK_FILTER_BYTES,
  ops,
  act: [
    {
      kind: 'mirred',
      options: { parms: { action: TC_ACT_STOLEN, eaction: TCA_EGRESS_REDIR, ifindex } },
      cookie,
    },
  ],
});

/** A bpf filter's options: the program returns what becomes of a packet. */
export const directAction = (ops: Uint8Array): FilterInput['options'] => ({
  opsLen: ops.length / SOCK_FILTER_BYTES,
  ops,
  flags: TCA_BPF_FLAG_ACT_DIRECT,
});

/** tbf's options: rate in bytes per second, bucket and queue in bytes. */
export const tokenBucket = (bytesPerSecond: number, burst: number, limit: number): QdiscInput['options'] => ({
  parms: { rate: Math.min(bytesPerSecond, 0xffffffff), linklayer: 1, limit },
  rate64: bytesPerSecond,
  burst,
});

export type QdiscInput = InputOf<typeof qdisc>;
export type Qdisc = OutputOf<typeof qdisc>;
export type FilterInput = InputOf<typeof filter>;
export type Filter = OutputOf<typeof filter>;
