import { AppError } from '@outboard/core';
import { formatIp, ipBytes } from '@outboard/netlink';
import type { Writer } from './writer.js';

/** Numbers that stand for no port of the switch (OpenFlow 1.5, 7.2.1). */
const RESERVED_PORTS: Readonly<Record<string, number>> = { IN_PORT: 0xfffffff8, LOCAL: 0xfffffffe };
const RESERVED_NAMES = new Map(Object.entries(RESERVED_PORTS).map(([name, number]) => [number, name]));

/** Which number a port of the switch has, and the reverse. */
export interface PortNames {
  numberOf(name: string): number | undefined;
  nameOf(number: number): string | undefined;
}

/** A flow names a port that the switch does not have. */
export class UnknownPort extends Error {
  constructor(readonly port: string) {
    super(`the switch has no port ${port}`);
  }
}

export function portNumber(name: string, ports: PortNames): number {
  const number =
    RESERVED_PORTS[name] ?? (name.startsWith('#') ? Number(name.slice(1)) : ports.numberOf(name));
  if (number === undefined) throw new UnknownPort(name);
  return number;
}

/** A number without a port, left by one that is gone, is `#7`: no device has such a name. */
export const portName = (number: number, ports: PortNames): string =>
  RESERVED_NAMES.get(number) ?? ports.nameOf(number) ?? `#${number}`;

type Kind = 'port' | 'number' | 'hex' | 'mac' | 'ip' | 'state';

/** Classes of fields (OpenFlow 1.5, 7.2.3.2; Open vSwitch's extensions). */
const BASIC = 0x8000;
const REGISTERS = 0x8001;
const NXM = 0x0000;
const NICIRA = 0x0001;
const ERICSSON = 0x1000;

/**
 * The fields that flows match and set, by their names in ovs-fields(7): class, number, bytes, how a value is written.
 * `hex` is for identifiers of 64 bits, `state` for what is known of a packet's connection. The order is that in which keys name them.
 * Whatever registers a match names, the switch tells it by those of 64 bits: only these are matched.
 */
const FIELDS = {
  in_port: [BASIC, 0, 4, 'port'],
  /** The same, of 16 bits: what can be set of it. */
  nxm_in_port: [NXM, 0, 2, 'port'],
  metadata: [BASIC, 2, 8, 'hex'],
  tun_id: [BASIC, 38, 8, 'number'],
  tun_src: [NICIRA, 31, 4, 'ip'],
  tun_dst: [NICIRA, 32, 4, 'ip'],
  tun_ipv6_src: [NICIRA, 109, 16, 'ip'],
  tun_ipv6_dst: [NICIRA, 110, 16, 'ip'],
  reg4: [NICIRA, 4, 4, 'ip'],
  xreg0: [REGISTERS, 0, 8, 'hex'],
  xreg1: [REGISTERS, 1, 8, 'hex'],
  xreg2: [REGISTERS, 2, 8, 'hex'],
  xreg3: [REGISTERS, 3, 8, 'mac'],
  xreg4: [REGISTERS, 4, 8, 'hex'],
  xreg5: [REGISTERS, 5, 8, 'hex'],
  xreg6: [REGISTERS, 6, 8, 'hex'],
  xreg7: [REGISTERS, 7, 8, 'hex'],
  xxreg2: [NICIRA, 113, 16, 'ip'],
  ct_state: [NICIRA, 105, 4, 'state'],
  ct_zone: [NICIRA, 106, 2, 'number'],
  ct_mark: [NICIRA, 107, 4, 'number'],
  eth_type: [BASIC, 5, 2, 'number'],
  vlan_vid: [BASIC, 6, 2, 'number'],
  eth_src: [BASIC, 4, 6, 'mac'],
  eth_dst: [BASIC, 3, 6, 'mac'],
  ip_proto: [BASIC, 10, 1, 'number'],
  ipv4_src: [BASIC, 11, 4, 'ip'],
  ipv4_dst: [BASIC, 12, 4, 'ip'],
  ip_ttl: [NICIRA, 29, 1, 'number'],
  tcp_src: [BASIC, 13, 2, 'number'],
  tcp_dst: [BASIC, 14, 2, 'number'],
  udp_src: [BASIC, 15, 2, 'number'],
  udp_dst: [BASIC, 16, 2, 'number'],
  icmpv4_type: [BASIC, 19, 1, 'number'],
  icmpv4_code: [BASIC, 20, 1, 'number'],
  arp_op: [BASIC, 21, 2, 'number'],
  arp_sha: [BASIC, 24, 6, 'mac'],
  arp_spa: [BASIC, 22, 4, 'ip'],
  arp_tha: [BASIC, 25, 6, 'mac'],
  arp_tpa: [BASIC, 23, 4, 'ip'],
  ipv6_src: [BASIC, 26, 16, 'ip'],
  ipv6_dst: [BASIC, 27, 16, 'ip'],
  icmpv6_type: [BASIC, 29, 1, 'number'],
  icmpv6_code: [BASIC, 30, 1, 'number'],
  ct_nw_proto: [NICIRA, 119, 1, 'number'],
  ct_nw_src: [NICIRA, 120, 4, 'ip'],
  ct_nw_dst: [NICIRA, 121, 4, 'ip'],
  ct_ipv6_src: [NICIRA, 122, 16, 'ip'],
  ct_ipv6_dst: [NICIRA, 123, 16, 'ip'],
  ct_tp_src: [NICIRA, 124, 2, 'number'],
  ct_tp_dst: [NICIRA, 125, 2, 'number'],
  nd_target: [BASIC, 31, 16, 'ip'],
  nd_tll: [BASIC, 33, 6, 'mac'],
  nd_reserved: [ERICSSON, 1, 4, 'number'],
  nd_options_type: [ERICSSON, 2, 1, 'number'],
} as const satisfies Record<string, readonly [number, number, number, Kind]>;

export type FieldName = keyof typeof FIELDS;
export const isFieldName = (name: string): name is FieldName => Object.hasOwn(FIELDS, name);
/**
 * Names of ports; numbers; `0x` and 16 digits; MAC and IP addresses; `+est-inv`. Masked: `value/mask`, of IP addresses
 * `/length`; of `+est-inv`, what is not named.
 */
export type FieldValue = string | number;
export type Match = { readonly [Name in FieldName]?: FieldValue };

interface Field {
  readonly name: FieldName;
  readonly header: number;
  readonly bytes: number;
  readonly kind: Kind;
}

/** What is known of a packet's connection, as bits (ovs-fields(7)). */
const STATES = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'] as const;

const HAS_MASK = 0x100;
const BY_NAME = new Map<string, Field>();
const BY_HEADER = new Map<number, Field>();
for (const [name, [oxmClass, number, bytes, kind]] of Object.entries(FIELDS)) {
  const header = oxmClass * 0x10000 + number * 0x200 + bytes;
  const field: Field = { name: name as FieldName, header, bytes, kind };
  BY_NAME.set(name, field);
  BY_HEADER.set(oxmClass * 0x10000 + number * 0x200, field);
}

function fieldOf(name: string): Field {
  const field = BY_NAME.get(name);
  if (field === undefined) throw new AppError('INTERNAL', `flows have no field ${name}`);
  return field;
}

/** A value as a number, and which of its bits count. Of what is not the name of a port. */
export function fieldNumber(name: FieldName, value: FieldValue): { value: bigint; mask: bigint } {
  const { bytes, kind } = fieldOf(name);
  if (kind === 'state') {
    const [set, mask] = stateBits(String(value));
    return { value: BigInt(set), mask: BigInt(mask) };
  }
  const number = (each: Uint8Array): bigint => BigInt(`0x${Buffer.from(each).toString('hex')}`);
  const [own = '', mask] = String(value).split('/');
  const bits =
    mask === undefined
      ? (1n << BigInt(8 * bytes)) - 1n
      : number(kind === 'ip' ? prefixMask(Number(mask), bytes) : bytesOf(mask, bytes, kind, NO_PORTS));
  return { value: number(bytesOf(own, bytes, kind, NO_PORTS)) & bits, mask: bits };
}

const NO_PORTS: PortNames = { numberOf: () => undefined, nameOf: () => undefined };

/** The header that stands for a field where its value is only referred to. */
export const fieldHeader = (name: FieldName): number => fieldOf(name).header;
export const fieldBits = (name: FieldName): number => 8 * fieldOf(name).bytes;

/** The field of a header, and how many bytes the header and its value take. Undefined for what we never write. */
export function fieldAt(bytes: Buffer, offset: number): { field: FieldName | undefined; length: number } {
  const header = bytes.readUInt32BE(offset);
  return { field: BY_HEADER.get(identityOf(header))?.name, length: 4 + (header & 0xff) };
}

/** Without the mask bit and the length. */
const identityOf = (header: number): number => Math.floor(header / 0x200) * 0x200;

/** Writes a field with its value. Throws UnknownPort. */
export function writeField(writer: Writer, name: FieldName, value: FieldValue, ports: PortNames): void {
  const { header, bytes, kind } = fieldOf(name);
  if (kind === 'state') {
    const [set, mask] = stateBits(String(value));
    writer
      .u32(header + HAS_MASK + bytes)
      .u32(set)
      .u32(mask);
    return;
  }
  const [own = '', mask] = kind === 'port' ? [String(value)] : String(value).split('/');
  if (mask === undefined) {
    writer.u32(header).bytes(bytesOf(own, bytes, kind, ports));
    return;
  }
  writer.u32(header + HAS_MASK + bytes).bytes(bytesOf(own, bytes, kind, ports));
  writer.bytes(kind === 'ip' ? prefixMask(Number(mask), bytes) : bytesOf(mask, bytes, kind, ports));
}

/** Reads the field at `offset`. `field` is undefined for one that we never write. */
export function readField(
  source: Buffer,
  offset: number,
  ports: PortNames,
): { field: FieldName | undefined; value: FieldValue; length: number } {
  const header = source.readUInt32BE(offset);
  const field = BY_HEADER.get(identityOf(header));
  const length = 4 + (header & 0xff);
  if (field === undefined) return { field, value: source.toString('hex', offset, offset + length), length };
  const at = offset + 4;
  if (field.kind === 'state') {
    const mask = (header & HAS_MASK) === 0 ? ALL_STATES : source.readUInt32BE(at + field.bytes);
    return { field: field.name, value: stateText(source.readUInt32BE(at), mask), length };
  }
  const value = readValue(source.subarray(at, at + field.bytes), field.kind, ports);
  if ((header & HAS_MASK) === 0) return { field: field.name, value, length };
  const mask = source.subarray(at + field.bytes, at + 2 * field.bytes);
  const text = field.kind === 'ip' ? prefixLength(mask) : readValue(mask, field.kind, ports);
  return { field: field.name, value: `${value}/${text}`, length };
}

function bytesOf(text: string, length: number, kind: Kind, ports: PortNames): Uint8Array {
  const bytes = Buffer.alloc(length);
  switch (kind) {
    case 'port':
      bytes.writeUIntBE(portNumber(text, ports), 0, length);
      return bytes;
    case 'number':
      bytes.writeUIntBE(Number(text), Math.max(0, length - 6), Math.min(6, length));
      return bytes;
    case 'hex':
      return Buffer.from(text.slice(2), 'hex');
    case 'mac':
      bytes.set(Buffer.from(text.replaceAll(':', ''), 'hex'), length - 6);
      return bytes;
    case 'ip':
      return ipBytes(text);
    case 'state':
      bytes.writeUInt32BE(stateBits(text)[0]);
      return bytes;
  }
}

function readValue(bytes: Buffer, kind: Kind, ports: PortNames): FieldValue {
  switch (kind) {
    case 'port':
      return portName(bytes.readUIntBE(0, bytes.length), ports);
    case 'number':
      return bytes.readUIntBE(Math.max(0, bytes.length - 6), Math.min(6, bytes.length));
    case 'hex':
      return `0x${bytes.toString('hex')}`;
    case 'mac':
      return (bytes.toString('hex', bytes.length - 6).match(/../g) ?? []).join(':');
    case 'ip':
      return formatIp(bytes, 0, bytes.length);
    case 'state':
      return stateText(bytes.readUInt32BE(0), ALL_STATES);
  }
}

const ALL_STATES = (1 << STATES.length) - 1;

/** `+trk-inv` as the bits that are set and those that are looked at. */
function stateBits(text: string): [set: number, mask: number] {
  let [set, mask] = [0, 0];
  for (const [, sign, name] of text.matchAll(/([+-])([a-z]+)/g)) {
    const bit = 1 << STATES.indexOf(name as (typeof STATES)[number]);
    mask |= bit;
    if (sign === '+') set |= bit;
  }
  return [set, mask];
}

/** In the order of the bits: the same bits are the same text. */
const stateText = (set: number, mask: number): string =>
  STATES.map((name, index) => ((mask >> index) & 1 ? `${(set >> index) & 1 ? '+' : '-'}${name}` : '')).join(
    '',
  );

function prefixMask(length: number, bytes: number): Uint8Array {
  return Uint8Array.from(
    { length: bytes },
    (_, index) => 0xff00 >> Math.min(8, Math.max(0, length - 8 * index)),
  );
}

/** The length of a mask's prefix; the mask itself where it is none. */
function prefixLength(mask: Buffer): string {
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? String(bits.replaceAll('0', '').length) : mask.toString('hex');
}

/** `in_port=pf0vf0,eth_src=…`, in the order of the table: the same match is the same text. */
export function matchText(match: Match): string {
  const parts: string[] = [];
  for (const name of BY_NAME.keys()) {
    const value = match[name as FieldName];
    if (value !== undefined) parts.push(`${name}=${value}`);
  }
  return parts.join(',');
}
