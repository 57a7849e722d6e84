import { type Action, readInstructions } from './actions.js';
import type { PortNames } from './fields.js';
import { ALL_TABLES, ANY, type Message, MULTIPART, multipart, readMatch, writeMatch } from './messages.js';
import { Writer } from './writer.js';

/** What a flow has seen since it was put. */
export interface FlowStatistics {
  readonly table: number;
  readonly cookie: bigint;
  readonly actions: readonly Action[];
  readonly packets: bigint;
  readonly bytes: bigint;
}

const NO_PORTS: PortNames = { numberOf: () => undefined, nameOf: () => undefined };
/** Headers of the fields of statistics (OpenFlow 1.5, 7.2.4.4): class, field, bytes. */
const PACKETS = 0x8002_0808;
const BYTES = 0x8002_0a08;
/** What stands before the match of a flow's description, which has its statistics (7.3.5.3). */
const DESCRIPTION_LENGTH = 24;

/** Asks for the flows of a table whose cookies have these bits. */
export function describeFlows(cookie: bigint, mask: bigint, table = ALL_TABLES): Message {
  const writer = new Writer().u8(table).zeros(3).u32(ANY).u32(ANY).zeros(4).u64(cookie).u64(mask);
  writeMatch(writer, {}, NO_PORTS);
  return multipart(MULTIPART.FLOW_DESC, writer);
}

export function readFlowStatistics(body: Buffer): FlowStatistics[] {
  const found: FlowStatistics[] = [];
  for (let at = 0; at + DESCRIPTION_LENGTH <= body.length; ) {
    const length = Math.max(DESCRIPTION_LENGTH, body.readUInt16BE(at));
    const statisticsAt = readMatch(body, at + DESCRIPTION_LENGTH, NO_PORTS).next;
    const statisticsEnd = statisticsAt + body.readUInt16BE(statisticsAt + 2);
    let [packets, bytes] = [0n, 0n];
    for (let own = statisticsAt + 4; own + 4 <= statisticsEnd; own += 4 + body.readUInt8(own + 3)) {
      const header = body.readUInt32BE(own);
      if (header === PACKETS) packets = body.readBigUInt64BE(own + 4);
      if (header === BYTES) bytes = body.readBigUInt64BE(own + 4);
    }
    found.push({
      table: body.readUInt8(at + 4),
      cookie: body.readBigUInt64BE(at + 16),
      actions: readInstructions(body, (statisticsEnd + 7) & ~7, at + length, NO_PORTS),
      packets,
      bytes,
    });
    at += length;
  }
  return found;
}
