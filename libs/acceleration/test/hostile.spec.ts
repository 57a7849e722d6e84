import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LaneWorld, program, runInline, slotWith, step, submission } from '../src/testing/lane-world.js';
import { FLAG, HEADER_BYTES, writeHeader } from '../src/wire/frame.js';
import { REGION } from '../src/wire/ring.js';
import { statusName } from '../src/wire/status.js';

/** Of each property: few in the usual tests, many in the slow target. */
const RUNS = Number(process.env.OUTBOARD_FUZZ_RUNS ?? 60);

/** Whatever was found to break something is kept here, and tried again. */
const CORPUS: Record<string, string> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'corpus.json'), 'utf8'),
);

const CHAIN = [step('COMPRESS', 'ZSTD'), step('ENCRYPT', 'AES_256_GCM', 'k'), step('GENERATE', 'CRC32C')];
const BACK = [step('VERIFY', 'CRC32C'), step('DECRYPT', 'AES_256_GCM', 'k'), step('DECOMPRESS', 'ZSTD')];
const SHARED = FLAG.INPUT_SHARED | FLAG.OUTPUT_SHARED;

let light: LaneWorld;
let heavy: LaneWorld;
beforeEach(() => {
  light = new LaneWorld('LIGHT');
  heavy = new LaneWorld('HEAVY');
  for (const world of [light, heavy]) world.offer('k', slotWith(Buffer.alloc(32, 3)));
  light.grant({ programs: [program(1, step('ENCRYPT', 'AES_256_GCM', 'k'))] });
  heavy.grant({ programs: [program(4, ...CHAIN), program(5, ...BACK)] });
});
afterEach(() => {
  light[Symbol.dispose]();
  heavy[Symbol.dispose]();
});

/** Sends bytes that nobody should, on a connection that was granted; then others must be served as ever. */
function survives(bytes: Uint8Array): void {
  try {
    isRude(bytes);
  } catch (failure) {
    throw new Error(`to be kept in corpus.json: ${Buffer.from(bytes).toString('hex')}`, { cause: failure });
  }
}

function isRude(bytes: Uint8Array): void {
  const rude = light.connect();
  try {
    rude.sendBytes(bytes);
  } catch {
    // It was sent away before it had said everything.
  }
  for (let turns = 0; turns < 20; turns++) light.pump();
  rude[Symbol.dispose]();
  const polite = light.connect();
  expect(statusName(runInline(polite, 1, Buffer.alloc(64), 64).header.code)).toBe('OK');
  polite[Symbol.dispose]();
}

it.each(Object.keys(CORPUS))('others are served after: %s', (name) => {
  survives(Buffer.from((CORPUS[name] ?? '').replaceAll(' ', ''), 'hex'));
});

const job = fc.record({
  type: fc.integer({ min: 0, max: 12 }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  epoch: fc.integer({ min: 0, max: 2 }),
  code: fc.integer({ min: 0, max: 3 }),
  inputLength: fc.oneof(fc.integer({ min: 0, max: 128 }), fc.integer({ min: 0, max: 0xffffffff })),
  outputLength: fc.oneof(fc.integer({ min: 0, max: 128 }), fc.integer({ min: 0, max: 0xffffffff })),
  inputOffset: fc.maxSafeNat(),
  outputOffset: fc.maxSafeNat(),
  inlineLength: fc.integer({ min: 0, max: 200 }),
  metadataBytes: fc.integer({ min: 0, max: 4 }).map((eights) => eights * 8),
  microseconds: fc.integer({ min: 0, max: 100 }),
});

it('others are served after any frames, well formed or not', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(job, fc.uint8Array({ maxLength: 200 })), { maxLength: 6 }), (frames) => {
      const bytes = frames.map(([fields, body]) => {
        const header = Buffer.alloc(HEADER_BYTES);
        writeHeader(new DataView(header.buffer, header.byteOffset), 0, {
          ...submission(1, 1, Buffer.alloc(0), 0),
          ...fields,
        });
        return Buffer.concat([header, body]);
      });
      survives(Buffer.concat(bytes));
    }),
    { numRuns: RUNS },
  );
});

const SEEDS = Object.values(CORPUS).map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const seed = fc.constantFrom(...SEEDS);
type Mutation = (bytes: Uint8Array) => Uint8Array;

/** Something that becomes of bytes: a bit turned, a part left out or said twice, something else in the middle. */
const mutation = fc.oneof<fc.Arbitrary<Mutation>[]>(
  fc.nat().map((bit) => (bytes) => {
    const turned = Buffer.from(bytes);
    const at = (bit >> 3) % Math.max(1, bytes.length);
    if (at < turned.length) turned[at] = (turned[at] ?? 0) ^ (1 << (bit & 7));
    return turned;
  }),
  fc.tuple(fc.nat(), fc.nat({ max: 80 })).map(([from, length]) => (bytes) => {
    const at = from % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
  }),
  fc.tuple(fc.nat(), seed).map(([from, other]) => (bytes) => {
    const at = from % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at)]);
  }),
);

it('others are served after whatever becomes of what is kept, and nothing stays open', () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  survives(Buffer.alloc(1));
  const before = descriptors();
  fc.assert(
    fc.property(seed, fc.array(mutation, { minLength: 1, maxLength: 8 }), (bytes, mutations) =>
      survives(mutations.reduce<Uint8Array>((changed, mutate) => mutate(changed), bytes)),
    ),
    { numRuns: RUNS },
  );
  expect(descriptors()).toBe(before);
});

it('others are served whatever is written into rings and their counters', () => {
  const cells = Object.values(REGION).filter((offset) => offset < REGION.submissions);
  const write = fc.record({
    offset: fc.oneof(fc.constantFrom(...cells), fc.integer({ min: 0, max: REGION.payload - 4 })),
    value: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 0xffffffff })),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 40 }), (writes) => {
      const rude = light.connect('s1', { sharedBytes: 1 << 20, rings: true });
      const region = rude.region?.bytes ?? new Uint8Array();
      const view = new DataView(region.buffer, region.byteOffset, region.length);
      for (const { offset, value } of writes) {
        view.setUint32(offset, value, true);
        light.pump();
      }
      rude[Symbol.dispose]();
      const polite = light.connect();
      expect(statusName(runInline(polite, 1, Buffer.alloc(64), 64).header.code)).toBe('OK');
      polite[Symbol.dispose]();
    }),
    { numRuns: RUNS },
  );
});

/** Another thread of this process that changes bytes of a file descriptor's memory without end, as another process can. */
const VANDAL = `
  const { workerData } = require('node:worker_threads');
  import(workerData.ffi).then(({ SharedMemory }) => {
    const { bytes } = SharedMemory.map(workerData.descriptor, workerData.length);
    const stop = new Int32Array(workerData.stop);
    Atomics.store(stop, 1, 1);
    Atomics.notify(stop, 1);
    for (let state = 1; Atomics.load(stop, 0) === 0; ) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      bytes[workerData.from + (state % workerData.span)] = state >>> 24;
    }
  });
`;

it('input that changes while it is worked on gives output that is whole: it verifies, decrypts and decompresses', async () => {
  const client = heavy.connect('s1', { sharedBytes: 4 << 20 });
  const region = client.region;
  if (region === undefined) throw new Error('there is no shared memory');
  const [from, span, to] = [REGION.payload, 256 * 1024, 2 << 20];
  Buffer.from('vandalised '.repeat(span / 11 + 1)).copy(region.bytes, from, 0, span);
  const stop = new SharedArrayBuffer(8);
  const worker = new Worker(VANDAL, {
    eval: true,
    workerData: {
      ffi: new URL('../../ffi/dist/index.js', import.meta.url).href,
      descriptor: region.descriptor,
      length: region.bytes.length,
      stop,
      from,
      span,
    },
  });
  Atomics.wait(new Int32Array(stop), 1, 0);
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  try {
    for (let round = 0; round < 40; round++) {
      const header = submission(4, round, Buffer.alloc(span), 1 << 20);
      client.send({ ...header, flags: SHARED, inputOffset: from, outputOffset: to });
      const sealed = client.receive();
      expect(statusName(sealed?.header.code ?? -1)).toBe('OK');
      const output = Buffer.from(region.bytes.subarray(to, to + (sealed?.header.outputLength ?? 0)));
      const [, cipher, checksum] = sealed?.metadata ?? [];
      const metadata = [checksum, cipher];
      const opened = runInline(client, 5, output, span, metadata);
      expect([statusName(opened.header.code), opened.payload.length]).toEqual(['OK', span]);
      // What is read back from memory that changes is refused as a whole, or was whole.
      client.send(
        {
          ...submission(5, round, Buffer.alloc(span), 1 << 20),
          flags: SHARED,
          inputOffset: from,
          outputOffset: to,
        },
        metadata,
      );
      const refused = client.receive();
      expect([statusName(refused?.header.code ?? -1), refused?.header.outputLength]).toEqual([
        'VERIFICATION_FAILED',
        0,
      ]);
    }
  } finally {
    Atomics.store(new Int32Array(stop), 0, 1);
    await exited;
  }
});
