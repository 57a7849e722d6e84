import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { be32, be64, binary, sbe32, string, u8 } from '../codec/scalars.js';
import { list, nested, selected } from '../codec/table.js';

/** `nfgenFamily` of tables (linux/netfilter.h). */
export const NFPROTO = { UNSPEC: 0, INET: 1, IPV4: 2, NETDEV: 5, BRIDGE: 7, IPV6: 10 } as const;
/** Bits of a set's `flags` (linux/netfilter/nf_tables.h). */
export const NFT_SET = {
  ANONYMOUS: 0x1,
  CONSTANT: 0x2,
  INTERVAL: 0x4,
  MAP: 0x8,
  TIMEOUT: 0x10,
  EVAL: 0x20,
  OBJECT: 0x40,
  CONCAT: 0x80,
  EXPR: 0x100,
} as const;
/** Bits of an element's `flags`. */
export const NFT_SET_ELEM = { INTERVAL_END: 1, CATCHALL: 2 } as const;
/** `dataType` of a verdict map, and verdict codes (two's complement in 32 bits). */
export const NFT_DATA_VERDICT = 0xffffff00;
export const NFT_VERDICT = {
  DROP: 0,
  ACCEPT: 1,
  JUMP: 0xfffffffd,
  GOTO: 0xfffffffc,
  RETURN: 0xfffffffb,
} as const;

/** Registers: the verdict, four of 16 bytes, and the same room as 16 of 4 bytes, from `R32` on. */
export const NFT_REG = { VERDICT: 0, R1: 1, R32: 8 } as const;
export const NFT_CMP = { EQ: 0, NEQ: 1, LT: 2, LTE: 3, GT: 4, GTE: 5 } as const;
/** What `meta` and `ct` load (`key`). */
export const NFT_META = { MARK: 3, L4PROTO: 16 } as const;
export const NFT_CT = {
  L3PROTOCOL: 7,
  PROTOCOL: 10,
  PROTO_SRC: 11,
  PROTO_DST: 12,
  SRC_IP: 19,
  DST_IP: 20,
  SRC_IP6: 21,
  DST_IP6: 22,
} as const;
/** `direction` of `ct`. */
export const IP_CT_DIR = { ORIGINAL: 0, REPLY: 1 } as const;
/** `type` of an object. */
export const NFT_OBJECT = { COUNTER: 1 } as const;

const SUBSYSTEM = 10 << 8;
const nfgenmsg = { nfgenFamily: 'u8', version: 'u8', resId: 'be16' } as const;

const data = nested({
  value: [1, binary],
  verdict: [2, nested({ code: [1, be32], chain: [2, string], chainId: [3, be32] })],
});

const counter = nested({ bytes: [1, be64], packets: [2, be64] });
/** Expressions of rules and elements; those that are not listed keep their name and lose their data. */
const expression = nested({
  name: [1, string],
  data: [
    2,
    selected('name', {
      counter,
      immediate: nested({ dreg: [1, be32], data: [2, data] }),
      bitwise: nested({
        sreg: [1, be32],
        dreg: [2, be32],
        len: [3, be32],
        mask: [4, data],
        xor: [5, data],
        op: [6, be32],
      }),
      lookup: nested({
        set: [1, string],
        sreg: [2, be32],
        dreg: [3, be32],
        setId: [4, be32],
        flags: [5, be32],
      }),
      cmp: nested({ sreg: [1, be32], op: [2, be32], data: [3, data] }),
      meta: nested({ dreg: [1, be32], key: [2, be32], sreg: [3, be32] }),
      ct: nested({ dreg: [1, be32], key: [2, be32], direction: [3, u8], sreg: [4, be32] }),
      objref: nested({ immType: [1, be32], immName: [2, string] }),
    }),
  ],
});

export const nftTable = defineFamily({
  name: 'nftTable',
  protocol: 'netfilter',
  header: nfgenmsg,
  attributes: {
    name: [1, string],
    flags: [2, be32],
    use: [3, be32],
    handle: [4, be64],
    userdata: [6, binary],
    owner: [7, be32],
  },
  operations: { new: SUBSYSTEM | 0, get: SUBSYSTEM | 1, delete: SUBSYSTEM | 2 },
});

export const nftChain = defineFamily({
  name: 'nftChain',
  protocol: 'netfilter',
  header: nfgenmsg,
  attributes: {
    table: [1, string],
    handle: [2, be64],
    name: [3, string],
    hook: [4, nested({ num: [1, be32], priority: [2, sbe32], dev: [3, string], devs: [4, list(1, string)] })],
    policy: [5, be32],
    use: [6, be32],
    type: [7, string],
    counters: [8, counter],
    flags: [10, be32],
    id: [11, be32],
    userdata: [12, binary],
  },
  operations: { new: SUBSYSTEM | 3, get: SUBSYSTEM | 4, delete: SUBSYSTEM | 5 },
});

/**
 * Rules; without a handle, a removal takes all rules of the chain. Of expressions that the table does not have, reading
 * tells the name.
 */
export const nftRule = defineFamily({
  name: 'nftRule',
  protocol: 'netfilter',
  header: nfgenmsg,
  attributes: {
    table: [1, string],
    chain: [2, string],
    handle: [3, be64],
    expressions: [4, list(1, expression)],
    position: [6, be64],
    userdata: [7, binary],
    id: [9, be32],
    positionId: [10, be32],
    chainId: [11, be32],
  },
  operations: { new: SUBSYSTEM | 6, get: SUBSYSTEM | 7, delete: SUBSYSTEM | 8 },
});

export const nftSet = defineFamily({
  name: 'nftSet',
  protocol: 'netfilter',
  header: nfgenmsg,
  attributes: {
    table: [1, string],
    name: [2, string],
    flags: [3, be32],
    keyType: [4, be32],
    keyLen: [5, be32],
    dataType: [6, be32],
    dataLen: [7, be32],
    policy: [8, be32],
    desc: [9, nested({ size: [1, be32], concat: [2, list(1, nested({ len: [1, be32] }))] })],
    id: [10, be32],
    timeout: [11, be64],
    gcInterval: [12, be32],
    userdata: [13, binary],
    objType: [15, be32],
    handle: [16, be64],
    expr: [17, expression],
    expressions: [18, list(1, expression)],
  },
  operations: { new: SUBSYSTEM | 9, get: SUBSYSTEM | 10, delete: SUBSYSTEM | 11 },
});

/**
 * Elements of sets and maps; one message carries many (up to 64 KiB of them). `create` is refused with EEXIST for a
 * key that is there, `replace` adds what is missing but does not change a key's data: remove it first.
 */
export const nftSetElement = defineFamily({
  name: 'nftSetElement',
  protocol: 'netfilter',
  header: nfgenmsg,
  attributes: {
    table: [1, string],
    set: [2, string],
    elements: [
      3,
      list(
        1,
        nested({
          key: [1, data],
          data: [2, data],
          flags: [3, be32],
          timeout: [4, be64],
          expiration: [5, be64],
          userdata: [6, binary],
          expr: [7, expression],
          objref: [9, string],
          keyEnd: [10, data],
          expressions: [11, list(1, expression)],
        }),
      ),
    ],
    setId: [4, be32],
  },
  operations: { new: SUBSYSTEM | 12, get: SUBSYSTEM | 13, delete: SUBSYSTEM | 14 },
});

/** Named objects that rules refer to. */
export const nftObject = defineFamily({
  name: 'nftObject',
  protocol: 'netfilter',
  header: nfgenmsg,
  attributes: {
    table: [1, string],
    name: [2, string],
    type: [3, be32],
    data: [4, counter],
    use: [5, be32],
    handle: [6, be64],
    userdata: [8, binary],
  },
  operations: { new: SUBSYSTEM | 18, get: SUBSYSTEM | 19, delete: SUBSYSTEM | 20 },
});

/** The ruleset's generation, which every committed transaction announces. */
export const nftGeneration = defineFamily({
  name: 'nftGeneration',
  protocol: 'netfilter',
  header: nfgenmsg,
  attributes: { id: [1, be32], procPid: [2, be32], procName: [3, string] },
  operations: { new: SUBSYSTEM | 15, get: SUBSYSTEM | 16, delete: -1 },
});

/** nlmsg_type of removals that do not mind absence (NFT_MSG_DESTROY*, since Linux 6.3), by their `deleteType`. */
const DESTROY = new Map([
  [nftTable.deleteType, SUBSYSTEM | 26],
  [nftChain.deleteType, SUBSYSTEM | 27],
  [nftRule.deleteType, SUBSYSTEM | 28],
  [nftSet.deleteType, SUBSYSTEM | 29],
  [nftSetElement.deleteType, SUBSYSTEM | 30],
  [nftObject.deleteType, SUBSYSTEM | 31],
]);

/** Whether a message removes an object of nftables, and minds when it is not there. */
export const isRemoval = ({ type }: { readonly type: number }): boolean => DESTROY.has(type);

/** Turns a removal into one that succeeds where there is nothing to remove: idempotent within a transaction. */
export function destroy<M extends { readonly type: number }>(removal: M): M {
  const type = DESTROY.get(removal.type);
  if (type === undefined) throw new Error('only removals of nftables objects can become destroys');
  return { ...removal, type };
}

export type NftTableInput = InputOf<typeof nftTable>;
export type NftTable = OutputOf<typeof nftTable>;
export type NftChainInput = InputOf<typeof nftChain>;
export type NftChain = OutputOf<typeof nftChain>;
export type NftRuleInput = InputOf<typeof nftRule>;
export type NftRule = OutputOf<typeof nftRule>;
export type NftSetInput = InputOf<typeof nftSet>;
export type NftSet = OutputOf<typeof nftSet>;
export type NftSetElementInput = InputOf<typeof nftSetElement>;
export type NftSetElement = OutputOf<typeof nftSetElement>;
export type NftObjectInput = InputOf<typeof nftObject>;
export type NftObject = OutputOf<typeof nftObject>;
/** An expression as rules have it. */
export type NftExpression = NonNullable<NftRuleInput['expressions']>[number];
export type NftExpressionOutput = NonNullable<NftRule['expressions']>[number];
export type NftGeneration = OutputOf<typeof nftGeneration>;
