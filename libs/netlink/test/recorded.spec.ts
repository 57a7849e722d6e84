import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { appendMessage } from '../src/channel.js';
import { sourceOf, Writer } from '../src/codec/bytes.js';
import type { MessageFamily } from '../src/codec/family.js';
import { FAMILIES } from '../src/index.js';

/**
 * Messages as iproute2 6.1.0 sends them and as Linux 6.18 dumps them (sequence set to 1, portid to 0). `exact` ones
 * come out of our encoder byte for byte; the others carry attributes that we skip, or nests without NLA_F_NESTED.
 */
interface Recorded {
  readonly from: string;
  readonly family: string;
  readonly exact: boolean;
  readonly hex: string;
  readonly value: object;
}

// JSON has neither bytes nor 64-bit integers: `0x...` and `...n` stand for them.
const revive = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'string') return value;
  if (/^0x([0-9a-f]{2})*$/.test(value)) return Uint8Array.from(Buffer.from(value.slice(2), 'hex'));
  return /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
};

const recorded: Recorded[] = JSON.parse(
  readFileSync(new URL('recorded.json', import.meta.url), 'utf8'),
  revive,
);
const families = new Map<string, MessageFamily>(Object.entries(FAMILIES));

describe('recorded messages', () => {
  it.each(recorded)('$family: $from', ({ family: name, exact, hex, value }) => {
    const family = families.get(name);
    if (family === undefined) throw new Error(`no family ${name}`);
    const bytes = Buffer.from(hex, 'hex');
    expect(family.read(sourceOf(bytes), 16, bytes.length)).toEqual(value);
    if (!exact) return;
    const writer = new Writer(16);
    const message = { family, type: bytes.readUInt16LE(4), flags: bytes.readUInt16LE(6), body: value };
    appendMessage(writer, message, 1);
    expect(writer.bytes.toString('hex', 0, writer.length)).toBe(hex);
  });

  it('cover requests and dumps of every family but the generation, which is only announced', () => {
    const seen = new Set(recorded.map(({ family }) => family));
    expect([...families.keys()].filter((name) => !seen.has(name))).toEqual(['nftGeneration']);
    expect(recorded.filter(({ exact }) => exact).length).toBeGreaterThan(35);
  });
});
