import { ipBytes } from '@outboard/netlink';
import { type Prefix, prefixBounds } from './addresses.js';
import type { HopDirection } from './hop-counters.js';

/** Opcodes of classic BPF (linux/filter.h, linux/bpf_common.h). */
const OP = {
  LOAD_WORD: 0x20,
  LOAD_HALF: 0x28,
  LOAD_BYTE: 0x30,
  LOAD_LENGTH: 0x80,
  AND: 0x54,
  JUMP: 0x05,
  IF_EQUAL: 0x15,
  IF_AT_LEAST: 0x35,
  IF_SET: 0x45,
  RETURN: 0x06,
} as const;
/** Whether the frame bears a VLAN tag beside it: SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT. */
const VLAN_TAG_PRESENT = 0xfffff030;
/** BPF_MAXINSNS. */
const MAX_INSTRUCTIONS = 4096;
const INSTRUCTION_BYTES = 8;

/** What a filter returns: with an action, that its packet matches or not; without one, what becomes of the packet. */
const RESULTS = {
  redirect: { match: 0xffffffff, other: 0 },
  /** TC_ACT_SHOT and TC_ACT_UNSPEC. */
  drop: { match: 2, other: 0xffffffff },
} as const;

const ETHERTYPE = { 4: 0x0800, 6: 0x86dd } as const;
/** Where headers begin and end in an Ethernet frame, and where addresses are. */
const LAYOUT = {
  4: { source: 26, destination: 30, end: 34 },
  6: { source: 22, destination: 38, end: 54 },
} as const;
const IPV6_NEXT_HEADER = 20;
const ICMPV6_TYPE = 54;
const ICMPV6 = 58;
/** From router solicitation to redirect (RFC 4861). */
const DISCOVERY = { first: 133, beyond: 138 } as const;

/** Instructions with jumps to labels. Conditions skip one instruction, which is a jump of any length. */
class Assembler {
  readonly #code: { op: number; jt: number; jf: number; k: number; label?: string }[] = [];
  readonly #labels = new Map<string, number>();

  emit(op: number, k: number): void {
    this.#code.push({ op, jt: 0, jf: 0, k });
  }

  /** Goes to the label if the condition holds (or, `unless`, if it does not). */
  jump(label: string, condition?: { readonly op: number; readonly k: number; readonly unless?: true }): void {
    if (condition !== undefined) {
      const [jt, jf] = condition.unless ? [1, 0] : [0, 1];
      this.#code.push({ op: condition.op, jt, jf, k: condition.k });
    }
    this.#code.push({ op: OP.JUMP, jt: 0, jf: 0, k: 0, label });
  }

  label(name: string): void {
    this.#labels.set(name, this.#code.length);
  }

  /** As struct sock_filter of a little-endian machine. Throws RangeError if it is too long. */
  bytes(): Buffer {
    if (this.#code.length > MAX_INSTRUCTIONS) throw new RangeError('has too many prefixes');
    const bytes = Buffer.alloc(this.#code.length * INSTRUCTION_BYTES);
    for (const [index, { op, jt, jf, k, label }] of this.#code.entries()) {
      const at = index * INSTRUCTION_BYTES;
      const distance = label === undefined ? k : (this.#labels.get(label) ?? 0) - index - 1;
      bytes.writeUInt16LE(op, at);
      bytes.writeUInt8(jt, at + 2);
      bytes.writeUInt8(jf, at + 3);
      bytes.writeUInt32LE(distance, at + 4);
    }
    return bytes;
  }
}

/** Which packets go through a chain: between these addresses of the port and these of others. */
export interface SteeredPackets {
  readonly own: readonly Prefix[];
  readonly others: readonly Prefix[];
  readonly exceptions: readonly Prefix[];
}

/**
 * A classifier of frames, as classic BPF in hexadecimal: untagged unicast IPv4 and IPv6 from the port's own addresses to
 * others (`reverse`: from others to its own), but for neighbour discovery. Frames too short for what they say do not match.
 */
export function steeringProgram(
  { own, others, exceptions }: SteeredPackets,
  direction: HopDirection,
  outcome: keyof typeof RESULTS,
): string {
  const code = new Assembler();
  const { match, other } = RESULTS[outcome];
  code.emit(OP.LOAD_WORD, VLAN_TAG_PRESENT);
  code.jump('other', { op: OP.IF_EQUAL, k: 0, unless: true });
  code.emit(OP.LOAD_BYTE, 0);
  code.jump('other', { op: OP.IF_SET, k: 1 });
  code.emit(OP.LOAD_HALF, 12);
  code.jump('IPv4', { op: OP.IF_EQUAL, k: ETHERTYPE[4] });
  code.jump('IPv6', { op: OP.IF_EQUAL, k: ETHERTYPE[6] });
  code.jump('other');
  for (const family of [4, 6] as const) {
    const ofFamily = (all: readonly Prefix[]): Prefix[] =>
      all.filter(({ bits }) => bits === (family === 4 ? 32 : 128));
    const { source, destination, end } = LAYOUT[family];
    const [near, far] = direction === 'forward' ? [source, destination] : [destination, source];
    code.label(`IPv${family}`);
    code.emit(OP.LOAD_LENGTH, 0);
    code.jump('other', { op: OP.IF_AT_LEAST, k: end, unless: true });
    if (family === 6) leaveDiscovery(code);
    among(code, ofFamily(exceptions), far, 'other', `${family} excepted`);
    among(code, ofFamily(others), far, `${family} own`, `${family} others`);
    code.jump('other');
    code.label(`${family} own`);
    among(code, ofFamily(own), near, 'match', `${family} near`);
    code.jump('other');
  }
  code.label('match');
  code.emit(OP.RETURN, match);
  code.label('other');
  code.emit(OP.RETURN, other);
  return code.bytes().toString('hex');
}

function leaveDiscovery(code: Assembler): void {
  code.emit(OP.LOAD_LENGTH, 0);
  code.jump('steered', { op: OP.IF_AT_LEAST, k: ICMPV6_TYPE + 1, unless: true });
  code.emit(OP.LOAD_BYTE, IPV6_NEXT_HEADER);
  code.jump('steered', { op: OP.IF_EQUAL, k: ICMPV6, unless: true });
  code.emit(OP.LOAD_BYTE, ICMPV6_TYPE);
  code.jump('steered', { op: OP.IF_AT_LEAST, k: DISCOVERY.beyond });
  code.jump('other', { op: OP.IF_AT_LEAST, k: DISCOVERY.first });
  code.label('steered');
}

/** Goes to `found` if the address at an offset is in one of the prefixes, else on. */
function among(
  code: Assembler,
  prefixes: readonly Prefix[],
  offset: number,
  found: string,
  name: string,
): void {
  for (const [index, prefix] of prefixes.entries()) {
    const next = `${name} ${index}`;
    const first = Buffer.from(ipBytes(prefix.address));
    const last = Buffer.from(prefixBounds(prefix).last);
    for (let at = 0; at * 8 < prefix.length; at += 4) {
      const mask = ~(first.readUInt32BE(at) ^ last.readUInt32BE(at)) >>> 0;
      code.emit(OP.LOAD_WORD, offset + at);
      if (mask !== 0xffffffff) code.emit(OP.AND, mask);
      code.jump(next, { op: OP.IF_EQUAL, k: first.readUInt32BE(at), unless: true });
    }
    code.jump(found);
    code.label(next);
  }
}
