import { expect, it } from '@jest/globals';
import { Problems } from '@outboard/core';
import fc from 'fast-check';
import { EngineSet } from '../engine/engine-set.js';
import { ThreadKey, ThreadKeyVersion } from '../keys/thread-keys.js';
import { program, slotWith, step } from '../testing/lane-world.js';
import { type Metadata, readMetadata } from '../wire/metadata.js';
import { STATUS, statusName } from '../wire/status.js';
import { Pipeline } from './pipeline.js';
import {
  checkProgram,
  laneOfProgram,
  type Program,
  reverseOf,
  type Step,
  type UncheckedStep,
} from './program.js';
import { Scratch } from './scratch.js';

function problemsOf(...steps: UncheckedStep[]): string[] {
  const problems = new Problems();
  checkProgram({ id: 1, steps }, 'p', problems);
  return problems.violations.map(({ field, description }) => `${field}: ${description}`);
}

const COMPRESS = step('COMPRESS', 'ZSTD');
const ENCRYPT = step('ENCRYPT', 'AES_256_GCM', 'k');
const CHECKSUM = step('GENERATE', 'CRC32C');

it('what a step breaks is told with its path, everything at once', () => {
  const wrong: UncheckedStep = {
    operation: 'ENCRYPT',
    algorithm: 'ZSTD',
    keyUid: 'k',
    level: 99,
    callerNonce: true,
  };
  expect(problemsOf(wrong)).toEqual([
    'p.steps[0].operation: must be COMPRESS or DECOMPRESS for ZSTD, not ENCRYPT',
    'p.steps[0].keyUid: must not be set for ZSTD',
    'p.steps[0].level: must be 0 to 19 for ZSTD',
  ]);
  expect(problemsOf({ ...wrong, algorithm: 'ROT_13' })).toEqual([
    'p.steps[0].algorithm: "ROT_13" is no algorithm',
  ]);
  expect(problemsOf({ ...CHECKSUM, callerNonce: true })).toEqual([
    'p.steps[0].callerNonce: must not be set for anything but ENCRYPT',
  ]);
  expect(problemsOf(step('ENCRYPT', 'AES_256_GCM'))).toEqual([
    'p.steps[0].keyUid: must be set for AES_256_GCM',
  ]);
});

it('a chain compresses before it encrypts, and has one of each at most', () => {
  expect(problemsOf(COMPRESS, ENCRYPT, CHECKSUM)).toEqual([]);
  expect(problemsOf(ENCRYPT, COMPRESS)).toHaveLength(1);
  expect(problemsOf(COMPRESS, COMPRESS)).toHaveLength(1);
  expect(problemsOf(ENCRYPT, ENCRYPT)).toHaveLength(1);
  expect(problemsOf(step('DECOMPRESS', 'ZSTD'), ENCRYPT)).toHaveLength(1);
  expect(problemsOf(...Array<Step>(5).fill(CHECKSUM))).toEqual(['p.steps: must have 1 to 4 of them']);
  expect(problemsOf()).toEqual(['p.steps: must have 1 to 4 of them']);
});

it('the lane of a program is that of its dearest step', () => {
  expect(laneOfProgram(program(1, ENCRYPT, CHECKSUM))).toBe('LIGHT');
  expect(laneOfProgram(program(1, CHECKSUM, COMPRESS))).toBe('HEAVY');
});

const engines = EngineSet.open();
const key = new ThreadKey();
key.update([new ThreadKeyVersion(1, slotWith(Buffer.alloc(32, 3)))]);

function run(
  each: Program,
  input: Uint8Array,
  metadata: Metadata,
  shared: boolean,
): { output: Buffer; metadata: Metadata } {
  const pipeline = Pipeline.compile(each, engines, () => key, new Scratch());
  if (pipeline === undefined) throw new Error('there is no engine');
  const output = new Uint8Array(20_000);
  const status = pipeline.run(input, shared, output, shared, metadata);
  expect(statusName(status)).toBe('OK');
  return {
    output: Buffer.from(output.subarray(0, pipeline.produced)),
    metadata: readMetadata(Uint8Array.from(pipeline.results)) ?? [],
  };
}

const inspection = fc.constantFrom(
  step('GENERATE', 'SHA_256'),
  step('GENERATE', 'CRC32C'),
  step('GENERATE', 'HMAC_SHA_256', 'k'),
);
const compression = fc.constantFrom(
  step('COMPRESS', 'ZSTD'),
  step('COMPRESS', 'GZIP'),
  step('COMPRESS', 'DEFLATE'),
);
const encryption = fc.constantFrom(
  { ...step('ENCRYPT', 'AES_256_GCM', 'k'), callerNonce: true },
  { ...step('ENCRYPT', 'CHACHA20_POLY1305', 'k'), callerNonce: true },
);
const parts = [compression, encryption, inspection, inspection];
const chain = fc
  .subarray(parts, { minLength: 1 })
  .chain((chosen) => fc.tuple(...chosen))
  .map((steps) => steps as Step[]);

const NONCE = new Uint8Array(12).fill(9);
const needs = ({ callerNonce }: Step): Metadata => (callerNonce ? [{ nonce: NONCE }] : []);

it('a chain in one pass is its steps one after the other, and its reverse undoes it, in shared memory or not', () => {
  fc.assert(
    fc.property(chain, fc.uint8Array({ maxLength: 4000 }), fc.boolean(), (steps, unit, shared) => {
      const input = Buffer.concat([unit, unit]);
      const whole = program(1, ...steps);
      const jobMetadata = steps.map((each) => needs(each)[0]);
      const once = run(whole, input, jobMetadata, shared);
      let data: Uint8Array = input;
      steps.forEach((each, index) => {
        const single = run(program(1, each), data, needs(each), shared);
        expect(single.metadata[0]?.digest).toEqual(once.metadata[index]?.digest);
        expect(single.metadata[0]?.tag).toEqual(once.metadata[index]?.tag);
        if (each.operation !== 'GENERATE') data = single.output;
      });
      const changes = steps.some(({ operation }) => operation !== 'GENERATE');
      expect(once.output.equals(changes ? data : Buffer.alloc(0))).toBe(true);
      const back = run(
        reverseOf(whole, 2),
        changes ? once.output : input,
        [...once.metadata, ...Array(steps.length - once.metadata.length).fill(undefined)].reverse(),
        shared,
      );
      if (changes) expect(back.output.equals(input)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

it('any bit that changes on the way back is noticed, and nothing comes out', () => {
  const input = Buffer.from('check me '.repeat(100));
  const whole = program(1, COMPRESS, { ...ENCRYPT, callerNonce: true });
  const { output, metadata } = run(whole, input, [undefined, { nonce: NONCE }], false);
  const pipeline = Pipeline.compile(reverseOf(whole, 2), engines, () => key, new Scratch());
  fc.assert(
    fc.property(fc.nat(output.length * 8 - 1), (bit) => {
      const tampered = Uint8Array.from(output);
      tampered[bit >> 3] = (tampered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const room = new Uint8Array(input.length);
      const status = pipeline?.run(tampered, false, room, false, [metadata[1]]);
      expect([status, pipeline?.produced, pipeline?.failedStep]).toEqual([STATUS.VERIFICATION_FAILED, 0, 1]);
      expect(room.every((byte) => byte === 0)).toBe(true);
    }),
    { numRuns: 60 },
  );
});
