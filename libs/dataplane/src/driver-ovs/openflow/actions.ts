import { formatIp, ipBytes } from '@outboard/netlink';
import {
  type FieldName,
  type FieldValue,
  fieldAt,
  fieldBits,
  fieldHeader,
  type PortNames,
  portName,
  portNumber,
  readField,
  writeField,
} from './fields.js';
import type { Writer } from './writer.js';

/** What a flow or a bucket does with a packet, in order; the names are those of ovs-actions(7). */
export type Action =
  /** A port's name, or `IN_PORT`. */
  | { readonly output: string }
  | { readonly group: number }
  | { readonly set: FieldName; readonly to: FieldValue }
  /** The last bits of a field into the last ones of another: as many as the smaller of them has. */
  | { readonly move: FieldName; readonly into: FieldName }
  /** The last bit of a field into this bit of another, counted from its last. */
  | { readonly copyBit: FieldName; readonly into: FieldName; readonly bit: number }
  /** Does nothing; says what the flow is there for. */
  | { readonly note: string }
  /** Goes through a table, and comes back. */
  | { readonly resubmit: number }
  | { readonly pushVlan: true }
  | { readonly popVlan: true }
  | { readonly decrementTtl: true }
  | { readonly ct: ConnectionTracking }
  /** What is more than the meter lets through ends here. */
  | { readonly meter: number }
  /** The instruction that ends a flow. */
  | { readonly goto: number };

/** Looks at a packet as part of its connection, as ct of ovs-actions(7) does. */
export interface ConnectionTracking {
  /** Connections of one zone know nothing of those of others. */
  readonly zone: number;
  /** Remembers a connection that is new. */
  readonly commit?: true;
  /** Whichever side remembered it, from now on this packet's is the one that opened it. */
  readonly force?: true;
  /** The table that the packet goes on with when more is known of it; the flow goes on with it as it was. */
  readonly table?: number;
  /** `{}`: as its connection is translated. `source`: the address that a new connection comes from. */
  readonly nat?: { readonly source?: string };
  /** What is set of the connection when it is remembered. */
  readonly set?: { readonly ct_mark: number };
}

const ACTION = {
  OUTPUT: 0,
  PUSH_VLAN: 17,
  POP_VLAN: 18,
  GROUP: 22,
  DEC_TTL: 24,
  SET_FIELD: 25,
  COPY_FIELD: 28,
  METER: 29,
};
const EXPERIMENTER = 0xffff;
const NICIRA = 0x2320;
const NOTE = 8;
const RESUBMIT_TABLE = 14;
const RESUBMIT_IN_PORT = 0xfff8;
const CT = 35;
const CT_HEADER_LENGTH = 24;
const CT_FLAG = { COMMIT: 1, FORCE: 2 } as const;
const NO_TABLE = 0xff;
const NAT = 36;
const NAT_SOURCE = 1;
const NAT_RANGE = { IPV4_MIN: 1, IPV6_MIN: 4 } as const;
const ETHERTYPE_VLAN = 0x8100;
const INSTRUCTION = { GOTO_TABLE: 1, APPLY_ACTIONS: 4 };

/** Throws UnknownPort. */
export function writeActions(writer: Writer, actions: readonly Action[], ports: PortNames): void {
  for (const action of actions) writeAction(writer, action, ports);
}

function writeAction(writer: Writer, action: Action, ports: PortNames): void {
  if ('output' in action) {
    writer.u16(ACTION.OUTPUT).u16(16).u32(portNumber(action.output, ports)).u16(0).zeros(6);
  } else if ('group' in action) {
    writer.u16(ACTION.GROUP).u16(8).u32(action.group);
  } else if ('set' in action) {
    const start = writer.length;
    writer.u16(ACTION.SET_FIELD).u16(0);
    writeField(writer, action.set, action.to, ports);
    writer.pad(start).u16At(start + 2, writer.length - start);
  } else if ('move' in action) {
    const { move, into } = action;
    const bits = Math.min(fieldBits(move), fieldBits(into));
    writer.u16(ACTION.COPY_FIELD).u16(24).u16(bits).u16(0).u16(0).zeros(2);
    writer.u32(fieldHeader(move)).u32(fieldHeader(into)).zeros(4);
  } else if ('copyBit' in action) {
    writer.u16(ACTION.COPY_FIELD).u16(24).u16(1).u16(0).u16(action.bit).zeros(2);
    writer.u32(fieldHeader(action.copyBit)).u32(fieldHeader(action.into)).zeros(4);
  } else if ('note' in action) {
    const start = writer.length;
    writer.u16(EXPERIMENTER).u16(0).u32(NICIRA).u16(NOTE).bytes(Buffer.from(action.note));
    writer.pad(start).u16At(start + 2, writer.length - start);
  } else if ('resubmit' in action) {
    writer.u16(EXPERIMENTER).u16(16).u32(NICIRA).u16(RESUBMIT_TABLE).u16(RESUBMIT_IN_PORT);
    writer.u8(action.resubmit).zeros(3);
  } else if ('pushVlan' in action) {
    writer.u16(ACTION.PUSH_VLAN).u16(8).u16(ETHERTYPE_VLAN).zeros(2);
  } else if ('popVlan' in action) {
    writer.u16(ACTION.POP_VLAN).u16(8).zeros(4);
  } else if ('decrementTtl' in action) {
    writer.u16(ACTION.DEC_TTL).u16(8).zeros(4);
  } else if ('meter' in action) {
    writer.u16(ACTION.METER).u16(8).u32(action.meter);
  } else if ('ct' in action) {
    writeTracking(writer, action.ct, ports);
  } else throw new Error('goto_table is an instruction');
}

function writeTracking(
  writer: Writer,
  { zone, commit, force, table = NO_TABLE, nat, set }: ConnectionTracking,
  ports: PortNames,
): void {
  const start = writer.length;
  writer.u16(EXPERIMENTER).u16(0).u32(NICIRA).u16(CT);
  writer.u16((commit ? CT_FLAG.COMMIT : 0) | (force ? CT_FLAG.FORCE : 0));
  writer.u32(0).u16(zone).u8(table).zeros(3).u16(0);
  if (nat !== undefined) {
    const { source } = nat;
    const range = source?.includes(':') ? NAT_RANGE.IPV6_MIN : NAT_RANGE.IPV4_MIN;
    const own = writer.length;
    writer.u16(EXPERIMENTER).u16(0).u32(NICIRA).u16(NAT).zeros(2);
    writer.u16(source === undefined ? 0 : NAT_SOURCE).u16(source === undefined ? 0 : range);
    if (source !== undefined) writer.bytes(ipBytes(source));
    writer.pad(own).u16At(own + 2, writer.length - own);
  }
  if (set !== undefined) writeAction(writer, { set: 'ct_mark', to: set.ct_mark }, ports);
  writer.u16At(start + 2, writer.length - start);
}

/** Undefined for one that we never write. */
function readTracking(source: Buffer, at: number, length: number, ports: PortNames): Action | undefined {
  const flags = source.readUInt16BE(at + 10);
  const table = source.readUInt8(at + 18);
  // Neither a zone from a field nor a protocol that opens further connections.
  if (source.readUInt32BE(at + 12) !== 0 || source.readUInt16BE(at + 22) !== 0) return undefined;
  let nat: ConnectionTracking['nat'];
  let set: ConnectionTracking['set'];
  for (let own = at + CT_HEADER_LENGTH; own + 8 <= at + length; ) {
    const size = Math.max(8, source.readUInt16BE(own + 2));
    if (source.readUInt16BE(own) === EXPERIMENTER) nat = readNat(source, own);
    else {
      const [inner] = readActions(source, own, own + size, ports);
      if (inner === undefined || !('set' in inner) || inner.set !== 'ct_mark') return undefined;
      set = { ct_mark: Number(inner.to) };
    }
    own += size;
  }
  return {
    ct: {
      zone: source.readUInt16BE(at + 16),
      ...(flags & CT_FLAG.COMMIT ? { commit: true } : {}),
      ...(flags & CT_FLAG.FORCE ? { force: true } : {}),
      ...(table === NO_TABLE ? {} : { table }),
      ...(nat && { nat }),
      ...(set && { set }),
    },
  };
}

function readNat(source: Buffer, at: number): ConnectionTracking['nat'] {
  const range = source.readUInt16BE(at + 14);
  if (range === NAT_RANGE.IPV4_MIN) return { source: formatIp(source, at + 16, 4) };
  return range === NAT_RANGE.IPV6_MIN ? { source: formatIp(source, at + 16, 16) } : {};
}

/** Actions as they were written; what we never write becomes text that equals nothing of ours. */
export function readActions(source: Buffer, start: number, end: number, ports: PortNames): Action[] {
  const actions: Action[] = [];
  for (let at = start; at + 8 <= end; ) {
    const length = Math.max(8, source.readUInt16BE(at + 2));
    actions.push(readAction(source, at, length, ports));
    at += length;
  }
  return actions;
}

function readAction(source: Buffer, at: number, length: number, ports: PortNames): Action {
  switch (source.readUInt16BE(at)) {
    case ACTION.OUTPUT:
      return { output: portName(source.readUInt32BE(at + 4), ports) };
    case ACTION.GROUP:
      return { group: source.readUInt32BE(at + 4) };
    case ACTION.SET_FIELD: {
      const { field, value } = readField(source, at + 4, ports);
      return field === undefined ? unknown(source, at, length) : { set: field, to: value };
    }
    case ACTION.COPY_FIELD: {
      const from = fieldAt(source, at + 12);
      const into = fieldAt(source, at + 16);
      if (from.field === undefined || into.field === undefined) return unknown(source, at, length);
      const bits = source.readUInt16BE(at + 4);
      const whole = bits === Math.min(fieldBits(from.field), fieldBits(into.field));
      const first = source.readUInt32BE(at + 6) === 0;
      if (bits === 1 && source.readUInt16BE(at + 6) === 0)
        return { copyBit: from.field, into: into.field, bit: source.readUInt16BE(at + 8) };
      return whole && first ? { move: from.field, into: into.field } : unknown(source, at, length);
    }
    case EXPERIMENTER:
      return (
        (source.readUInt32BE(at + 4) === NICIRA ? readExtension(source, at, length, ports) : undefined) ??
        unknown(source, at, length)
      );
    case ACTION.METER:
      return { meter: source.readUInt32BE(at + 4) };
    case ACTION.PUSH_VLAN:
      return { pushVlan: true };
    case ACTION.POP_VLAN:
      return { popVlan: true };
    case ACTION.DEC_TTL:
      return { decrementTtl: true };
    default:
      return unknown(source, at, length);
  }
}

function readExtension(source: Buffer, at: number, length: number, ports: PortNames): Action | undefined {
  switch (source.readUInt16BE(at + 8)) {
    case RESUBMIT_TABLE:
      return { resubmit: source.readUInt8(at + 12) };
    case NOTE:
      return { note: source.toString('utf8', at + 10, at + length).replace(/\0+$/, '') };
    case CT:
      return readTracking(source, at, length, ports);
    default:
      return undefined;
  }
}

const unknown = (source: Buffer, at: number, length: number): Action => ({
  output: `unknown action ${source.toString('hex', at, at + length)}`,
});

/** A flow's instructions: its actions, and where it goes then. */
export function writeInstructions(writer: Writer, actions: readonly Action[], ports: PortNames): void {
  const applied = actions.filter((action) => !('goto' in action));
  if (applied.length > 0) {
    const start = writer.length;
    writer.u16(INSTRUCTION.APPLY_ACTIONS).u16(0).zeros(4);
    writeActions(writer, applied, ports);
    writer.u16At(start + 2, writer.length - start);
  }
  for (const action of actions)
    if ('goto' in action) writer.u16(INSTRUCTION.GOTO_TABLE).u16(8).u8(action.goto).zeros(3);
}

export function readInstructions(source: Buffer, start: number, end: number, ports: PortNames): Action[] {
  const actions: Action[] = [];
  for (let at = start; at + 8 <= end; ) {
    const length = Math.max(8, source.readUInt16BE(at + 2));
    const type = source.readUInt16BE(at);
    if (type === INSTRUCTION.APPLY_ACTIONS) actions.push(...readActions(source, at + 8, at + length, ports));
    else if (type === INSTRUCTION.GOTO_TABLE) actions.push({ goto: source.readUInt8(at + 4) });
    else actions.push(unknown(source, at, length));
    at += length;
  }
  return actions;
}
