import { type Action, readActions, readInstructions, writeActions, writeInstructions } from './actions.js';
import { type FieldName, type Match, type PortNames, readField, writeField } from './fields.js';
import { Writer } from './writer.js';

/** OpenFlow 1.5 (ONF TS-020), as Open vSwitch 2.8 and later speak it. */
export const VERSION = 6;
export const HEADER_LENGTH = 8;

export const TYPE = {
  HELLO: 0,
  ERROR: 1,
  ECHO_REQUEST: 2,
  ECHO_REPLY: 3,
  FLOW_MOD: 14,
  GROUP_MOD: 15,
  MULTIPART_REQUEST: 18,
  MULTIPART_REPLY: 19,
  BARRIER_REQUEST: 20,
  BARRIER_REPLY: 21,
  SET_ASYNC: 28,
  METER_MOD: 29,
  REQUESTFORWARD: 32,
  BUNDLE_CONTROL: 33,
  BUNDLE_ADD: 34,
} as const;

export const MULTIPART = {
  FLOW_DESC: 1,
  GROUP_DESC: 7,
  METER_DESC: 10,
  METER_FEATURES: 11,
  FLOW_MONITOR: 16,
} as const;

export const ANY = 0xffffffff;
const NO_BUFFER = 0xffffffff;
export const ALL_TABLES = 0xff;
const ALL_GROUPS = 0xfffffffc;

/** A message without its transaction id, which the connection gives it. */
export interface Message {
  readonly type: number;
  readonly body: Buffer;
}

/** A flow in the terms of the switch; ports by name. */
export interface Flow {
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
}

export interface CookedFlow extends Flow {
  readonly cookie: bigint;
}

const FLOW = { ADD: 0, DELETE: 3, DELETE_STRICT: 4 } as const;

/** Puts a flow, whatever of the same table, priority and match was there. Throws UnknownPort. */
export const addFlow = (flow: CookedFlow, ports: PortNames): Message =>
  flowMod(FLOW.ADD, flow, flow.cookie, 0n, ports);

/** Removes this flow if its cookie has these bits. Throws UnknownPort. */
export const removeFlow = (flow: Flow, cookie: bigint, mask: bigint, ports: PortNames): Message =>
  flowMod(FLOW.DELETE_STRICT, { ...flow, actions: [] }, cookie, mask, ports);

/** Removes all flows whose cookies have these bits, of all tables, if they match at least this. */
export const removeFlows = (cookie: bigint, mask: bigint, match: Match = {}): Message =>
  flowMod(FLOW.DELETE, { table: ALL_TABLES, priority: 0, match, actions: [] }, cookie, mask, NO_PORTS);

const NO_PORTS: PortNames = { numberOf: () => undefined, nameOf: () => undefined };

function flowMod(command: number, flow: Flow, cookie: bigint, mask: bigint, ports: PortNames): Message {
  const writer = new Writer();
  writer.u64(cookie).u64(mask).u8(flow.table).u8(command).u16(0).u16(0).u16(flow.priority);
  writer.u32(NO_BUFFER).u32(ANY).u32(ANY).u16(0).u16(0);
  writeMatch(writer, flow.match, ports);
  writeInstructions(writer, flow.actions, ports);
  return { type: TYPE.FLOW_MOD, body: writer.done() };
}

/** What a field is read as depends on those of lower layers, which stand first (7.2.3.8). */
const LOWER_LAYERS = ['eth_type', 'ip_proto', 'icmpv6_type', 'ct_state', 'ct_nw_proto'] as const;

export function writeMatch(writer: Writer, match: Match, ports: PortNames): void {
  const start = writer.length;
  writer.u16(1).u16(0);
  for (const name of LOWER_LAYERS) {
    const value = match[name];
    if (value !== undefined) writeField(writer, name, value, ports);
  }
  for (const name in match) {
    const value = match[name as FieldName];
    if (value === undefined || LOWER_LAYERS.some((lower) => lower === name)) continue;
    writeField(writer, name as FieldName, value, ports);
  }
  writer.u16At(start + 2, writer.length - start).pad(start);
}

export function readMatch(source: Buffer, start: number, ports: PortNames): { match: Match; next: number } {
  const length = source.readUInt16BE(start + 2);
  const match: { [name: string]: string | number } = {};
  for (let at = start + 4; at + 4 <= start + length; ) {
    const { field, value, length: own } = readField(source, at, ports);
    match[field ?? `unknown field ${value}`] = value;
    at += own;
  }
  return { match, next: start + ((length + 7) & ~7) };
}

const GROUP = { ADD: 0, MODIFY: 1, DELETE: 2, INSERT_BUCKET: 3, REMOVE_BUCKET: 5 } as const;
const GROUP_TYPES = ['all', 'select'] as const;
const BUCKET = { ALL: 0xffffffff, LAST: 0xfffffffe } as const;
const BUCKET_WEIGHT = 0;

export type GroupType = (typeof GROUP_TYPES)[number];

export interface Bucket {
  readonly id: number;
  /** Only of groups that select; otherwise 0. */
  readonly weight: number;
  readonly actions: readonly Action[];
}

export interface Group {
  readonly id: number;
  readonly type: GroupType;
  readonly buckets: readonly Bucket[];
}

export const addGroup = (group: Group, ports: PortNames): Message =>
  groupMod(GROUP.ADD, group, BUCKET.ALL, ports);
export const changeGroup = (group: Group, ports: PortNames): Message =>
  groupMod(GROUP.MODIFY, group, BUCKET.ALL, ports);
export const removeGroup = (id: number): Message =>
  groupMod(GROUP.DELETE, { id, type: 'all', buckets: [] }, BUCKET.ALL, NO_PORTS);
export const addBucket = (group: number, bucket: Bucket, ports: PortNames): Message =>
  groupMod(GROUP.INSERT_BUCKET, { id: group, type: 'all', buckets: [bucket] }, BUCKET.LAST, ports);
export const removeBucket = (group: number, bucket: number): Message =>
  groupMod(GROUP.REMOVE_BUCKET, { id: group, type: 'all', buckets: [] }, bucket, NO_PORTS);

function groupMod(command: number, group: Group, bucket: number, ports: PortNames): Message {
  const writer = new Writer();
  writer.u16(command).u8(GROUP_TYPES.indexOf(group.type)).zeros(1).u32(group.id);
  const lengthAt = writer.length;
  writer.u16(0).zeros(2).u32(bucket);
  const start = writer.length;
  for (const each of group.buckets) writeBucket(writer, each, ports);
  writer.u16At(lengthAt, writer.length - start);
  return { type: TYPE.GROUP_MOD, body: writer.done() };
}

function writeBucket(writer: Writer, { id, weight, actions }: Bucket, ports: PortNames): void {
  const start = writer.length;
  writer.u16(0).u16(0).u32(id);
  writeActions(writer, actions, ports);
  writer.u16At(start + 2, writer.length - start - 8);
  if (weight > 0) writer.u16(BUCKET_WEIGHT).u16(8).u16(weight).zeros(2);
  writer.u16At(start, writer.length - start);
}

/** Which group a request of another connection was about. */
export const groupOfRequest = (body: Buffer): number | undefined =>
  body.length >= HEADER_LENGTH + 8 && body.readUInt8(1) === TYPE.GROUP_MOD
    ? body.readUInt32BE(HEADER_LENGTH + 4)
    : undefined;

/** Asks for one group, or for all. */
export const describeGroups = (id = ALL_GROUPS): Message =>
  multipart(MULTIPART.GROUP_DESC, new Writer().u32(id).zeros(4));

export function readGroups(body: Buffer, ports: PortNames): Group[] {
  const groups: Group[] = [];
  for (let at = 0; at + 16 <= body.length; ) {
    const length = Math.max(16, body.readUInt16BE(at));
    const type = GROUP_TYPES[body.readUInt8(at + 2)] ?? 'select';
    const id = body.readUInt32BE(at + 4);
    const end = at + 16 + body.readUInt16BE(at + 8);
    const buckets: Bucket[] = [];
    for (let own = at + 16; own + 8 <= end; ) {
      buckets.push(readBucket(body, own, ports));
      own += Math.max(8, body.readUInt16BE(own));
    }
    groups.push({ id, type, buckets });
    at += length;
  }
  return groups;
}

function readBucket(source: Buffer, at: number, ports: PortNames): Bucket {
  const actionsEnd = at + 8 + source.readUInt16BE(at + 2);
  const end = at + source.readUInt16BE(at);
  let weight = 0;
  for (let own = actionsEnd; own + 8 <= end; own += Math.max(8, (source.readUInt16BE(own + 2) + 7) & ~7))
    if (source.readUInt16BE(own) === BUCKET_WEIGHT) weight = source.readUInt16BE(own + 4);
  return { id: source.readUInt32BE(at + 4), weight, actions: readActions(source, at + 8, actionsEnd, ports) };
}

/** Open vSwitch 3.1 tells our own changes in full with the bit that the standard calls OFPFMF_ONLY_OWN. */
const MONITOR = { INITIAL: 1, ADD: 2, REMOVED: 4, MODIFY: 8, INSTRUCTIONS: 16, OWN: 64 } as const;
const MONITOR_COMMAND = { ADD: 0, DELETE: 2 } as const;
const EVENT = { INITIAL: 0, ADDED: 1, REMOVED: 2, MODIFIED: 3, PAUSED: 5, RESUMED: 6 } as const;
/** So that what is behind an update that has none of it is not read: of abbreviations and pauses. */
const FLOW_UPDATE_LENGTH = 24;

/** Asks to be told of all flows that are there, then of every change, our own too. */
export function monitorFlows(id: number): Message {
  const { INITIAL, ADD, REMOVED, MODIFY, INSTRUCTIONS, OWN } = MONITOR;
  const flags = INITIAL | ADD | REMOVED | MODIFY | INSTRUCTIONS | OWN;
  return flowMonitor(id, flags, MONITOR_COMMAND.ADD);
}

export const stopMonitoringFlows = (id: number): Message => flowMonitor(id, 0, MONITOR_COMMAND.DELETE);

function flowMonitor(id: number, flags: number, command: number): Message {
  const writer = new Writer();
  writer.u32(id).u32(ANY).u32(ANY).u16(flags).u8(ALL_TABLES).u8(command);
  writeMatch(writer, {}, NO_PORTS);
  return multipart(MULTIPART.FLOW_MONITOR, writer);
}

export type FlowUpdate =
  | { readonly kind: 'put'; readonly flow: CookedFlow }
  | { readonly kind: 'removed'; readonly flow: CookedFlow }
  /** Updates were held back; all that is there now has to be asked for. */
  | { readonly kind: 'resumed' };

/** Ports stay numbers (`#7`) here if `ports` knows no names. */
export function readFlowUpdates(body: Buffer, ports: PortNames): FlowUpdate[] {
  const updates: FlowUpdate[] = [];
  for (let at = 0; at + 4 <= body.length; ) {
    const length = Math.max(4, body.readUInt16BE(at));
    const event = body.readUInt16BE(at + 2);
    if (event === EVENT.RESUMED) updates.push({ kind: 'resumed' });
    else if (event <= EVENT.MODIFIED && length >= FLOW_UPDATE_LENGTH) {
      const { match, next } = readMatch(body, at + FLOW_UPDATE_LENGTH, ports);
      const flow: CookedFlow = {
        table: body.readUInt8(at + 4),
        priority: body.readUInt16BE(at + 10),
        cookie: body.readBigUInt64BE(at + 16),
        match,
        actions: readInstructions(body, next, at + length, ports),
      };
      updates.push({ kind: event === EVENT.REMOVED ? 'removed' : 'put', flow });
    }
    at += length;
  }
  return updates;
}

export const multipart = (type: number, body: Writer): Message => ({
  type: TYPE.MULTIPART_REQUEST,
  body: new Writer().u16(type).u16(0).zeros(4).bytes(body.done()).done(),
});

/** Kind of a multipart message, whether more of it follows, and what is in it. */
export const multipartOf = (body: Buffer): { type: number; more: boolean; content: Buffer } => ({
  type: body.readUInt16BE(0),
  more: (body.readUInt16BE(2) & 1) !== 0,
  content: body.subarray(8),
});

const REQUESTFORWARD_PROPERTIES = [10, 11];
const GROUP_AND_METER_MODS = 3;

/** Asks to be told what other connections do with groups and meters. */
export function forwardRequests(): Message {
  const writer = new Writer();
  for (const property of REQUESTFORWARD_PROPERTIES) writer.u16(property).u16(8).u32(GROUP_AND_METER_MODS);
  return { type: TYPE.SET_ASYNC, body: writer.done() };
}

const BUNDLE = { OPEN: 0, CLOSE: 2, COMMIT: 4, DISCARD: 6 } as const;
/** All or nothing, in order. */
const BUNDLE_FLAGS = 3;

const bundleControl = (id: number, type: number): Message => ({
  type: TYPE.BUNDLE_CONTROL,
  body: new Writer().u32(id).u16(type).u16(BUNDLE_FLAGS).done(),
});
export const openBundle = (id: number): Message => bundleControl(id, BUNDLE.OPEN);
export const commitBundle = (id: number): Message => bundleControl(id, BUNDLE.COMMIT);
export const discardBundle = (id: number): Message => bundleControl(id, BUNDLE.DISCARD);

/** The whole message, with the transaction id that the bundle's message has too. */
export const addToBundle = (id: number, message: Message, xid: number): Message => ({
  type: TYPE.BUNDLE_ADD,
  body: new Writer().u32(id).u16(0).u16(BUNDLE_FLAGS).bytes(encodeMessage(message, xid)).done(),
});

export function encodeMessage({ type, body }: Message, xid: number): Buffer {
  const length = HEADER_LENGTH + body.length;
  return new Writer().u8(VERSION).u8(type).u16(length).u32(xid).bytes(body).done();
}

/** Longest message that its length field can tell, less what a bundle puts around it. */
export const MAX_MESSAGE = 0xffff - 64;
