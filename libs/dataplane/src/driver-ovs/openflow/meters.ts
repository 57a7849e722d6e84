import { type Message, MULTIPART, multipart, TYPE } from './messages.js';
import { Writer } from './writer.js';

/** Lets so much through, and drops the rest (OpenFlow 1.5, 7.3.4.5). */
export interface Meter {
  readonly id: number;
  /** 1000 bits a second. */
  readonly rate: number;
  /** 1000 bits. */
  readonly burst: number;
}

const COMMAND = { ADD: 0, MODIFY: 1, DELETE: 2 } as const;
const FLAGS = { KBPS: 1, BURST: 4 } as const;
const BAND_DROP = 1;
const BAND_LENGTH = 16;
const ALL_METERS = 0xffffffff;

export const addMeter = (meter: Meter): Message => meterMod(COMMAND.ADD, meter);
export const changeMeter = (meter: Meter): Message => meterMod(COMMAND.MODIFY, meter);
/** Takes the flows that use it along. */
export const removeMeter = (id: number): Message => ({
  type: TYPE.METER_MOD,
  body: new Writer().u16(COMMAND.DELETE).u16(0).u32(id).done(),
});

function meterMod(command: number, { id, rate, burst }: Meter): Message {
  const writer = new Writer()
    .u16(command)
    .u16(FLAGS.KBPS | FLAGS.BURST)
    .u32(id);
  writer.u16(BAND_DROP).u16(BAND_LENGTH).u32(rate).u32(burst).zeros(4);
  return { type: TYPE.METER_MOD, body: writer.done() };
}

/** Asks for one meter, or for all. */
export const describeMeters = (id = ALL_METERS): Message =>
  multipart(MULTIPART.METER_DESC, new Writer().u32(id).zeros(4));

/** A meter of another kind has no rate. */
export function readMeters(body: Buffer): Meter[] {
  const meters: Meter[] = [];
  for (let at = 0; at + 8 <= body.length; ) {
    const length = Math.max(8, body.readUInt16BE(at));
    const isDrop = length >= 8 + BAND_LENGTH && body.readUInt16BE(at + 8) === BAND_DROP;
    meters.push({
      id: body.readUInt32BE(at + 4),
      rate: isDrop ? body.readUInt32BE(at + 12) : 0,
      burst: isDrop ? body.readUInt32BE(at + 16) : 0,
    });
    at += length;
  }
  return meters;
}

/** Asks how many there can be. */
export const askMeterFeatures = (): Message => multipart(MULTIPART.METER_FEATURES, new Writer());
export const readMaximumMeters = (body: Buffer): number => (body.length >= 4 ? body.readUInt32BE(0) : 0);
