import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EngineSet } from '../engine/engine-set.js';
import { ArmedFault } from '../engine/fault.js';
import { libcrypto } from '../engine/modules/libcrypto.js';
import { KeySlot } from '../keys/key-slot.js';
import { LaneWorld, program, slotWith, step, submission } from '../testing/lane-world.js';
import type { RawClient } from '../testing/raw-client.js';
import { FLAG, FRAME, type Header, readHeader, writeHeader } from '../wire/frame.js';
import { encodeMetadata, type Metadata, readMetadata } from '../wire/metadata.js';
import { type ClientRingEnds, clientRingEnds, REGION } from '../wire/ring.js';
import { statusName } from '../wire/status.js';

/** In the usual tests, and many more in the slow target. */
const RUNS = Number(process.env.OUTBOARD_FUZZ_RUNS ?? 40);
const KEY = Buffer.alloc(32, 3);
const PROGRAMS = [
  program(1, step('ENCRYPT', 'AES_256_GCM', 'k')),
  program(2, step('DECRYPT', 'AES_256_GCM', 'k')),
  program(3, step('GENERATE', 'SHA_256')),
];
const SHARED = FLAG.INPUT_SHARED | FLAG.OUTPUT_SHARED;
const REGION_BYTES = 1 << 20;
const PLACE_BYTES = 16_384;

/** A job of a test: how it goes there, and what is not as usual about it. */
interface Play {
  readonly way: 'ring' | 'shared' | 'inline';
  readonly program: number;
  readonly size: number;
  readonly room: number;
  readonly odd:
    | 'NOTHING'
    | 'DEADLINE'
    | 'ADDITIONAL_DATA'
    | 'OTHER_EPOCH'
    | 'OUTSIDE'
    | 'OVERLAP'
    | 'MIXED'
    | 'UNKNOWN_FLAG'
    | 'TAMPERED'
    | 'OTHER_VERSION'
    | 'NO_VERSION';
}

/** Everything of a completion that does not depend on how long it took or which nonce it was given. */
interface Outcome {
  readonly job: number;
  readonly status: string;
  readonly flags: number;
  readonly failedStep: number;
  readonly inputLength: number;
  readonly outputLength: number;
  readonly outputOffset: number;
  readonly keyVersion: number | undefined;
  /** Encrypted data is what the input is once it is decrypted again. */
  readonly output: string;
}

const NONCE = Buffer.alloc(12, 9);
const ADDITIONAL = Buffer.from('more');

/** What a job is given: of DECRYPT something encrypted, and its tag. */
function given({ program: id, size }: Play, index: number): { data: Buffer; tag: Buffer } {
  const plain = Buffer.alloc(size, index + 1);
  if (id !== 2) return { data: plain, tag: Buffer.alloc(16) };
  const cipher = createCipheriv('aes-256-gcm', KEY, NONCE);
  return { data: Buffer.concat([cipher.update(plain), cipher.final()]), tag: cipher.getAuthTag() };
}

function metadataOf({ program: id, odd }: Play, tag: Buffer): Metadata {
  if (odd === 'ADDITIONAL_DATA') return [{ additional: ADDITIONAL }];
  if (id !== 2) return [];
  if (odd === 'TAMPERED') tag[0] = (tag[0] ?? 0) ^ 1;
  if (odd === 'NO_VERSION') return [{ nonce: NONCE, tag }];
  return [{ nonce: NONCE, tag, keyVersion: odd === 'OTHER_VERSION' ? 9 : 1 }];
}

/** What was encrypted, by anybody with the key. */
function opened(bytes: Uint8Array, [results]: Metadata, { odd }: Play): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', KEY, results?.nonce ?? NONCE);
  if (odd === 'ADDITIONAL_DATA') decipher.setAAD(ADDITIONAL);
  decipher.setAuthTag(results?.tag ?? Buffer.alloc(16));
  return Buffer.concat([decipher.update(bytes), decipher.final()]);
}

interface Completion {
  readonly header: Header;
  readonly metadata: Metadata;
  readonly payload: Buffer;
}

/** A lane and a client with rings that says one batch after the other. */
class Stage implements Disposable {
  readonly world: LaneWorld;
  readonly nonces: string[] = [];
  readonly #client: RawClient;
  readonly #rings: ClientRingEnds;
  readonly #region: Uint8Array<ArrayBuffer>;

  constructor(isFast: boolean, slot = slotWith(KEY), engines?: EngineSet) {
    this.world = new LaneWorld('LIGHT', { isFast, ...(engines ? { engines } : {}) });
    this.world.offer('k', slot);
    this.world.grant({ programs: PROGRAMS });
    this.#client = this.world.connect('s1', { sharedBytes: REGION_BYTES, rings: true });
    this.#region = this.#client.region?.bytes ?? new Uint8Array(0);
    this.#rings = clientRingEnds(this.#region);
  }

  /** All of a batch are on their way before anything is done. */
  play(batch: readonly Play[]): Outcome[] {
    for (const [index, each] of batch.entries()) this.#submit(index, each);
    this.#rings.submissions.show();
    const outcomes = batch.map(() => this.#next(batch));
    return outcomes.sort((one, other) => one.job - other.job);
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }

  #submit(index: number, play: Play): void {
    const { way, odd } = play;
    const { data, tag } = given(play, index);
    const place = REGION.payload + 2 * index * PLACE_BYTES;
    const header = submission(play.program, index, data, Math.max(0, data.length + play.room));
    if (way !== 'inline') {
      this.#region.set(data, place);
      header.flags = SHARED;
      header.inputOffset = odd === 'OUTSIDE' ? REGION_BYTES * 2 : place;
      header.outputOffset = odd === 'OVERLAP' ? place + 1 : place + PLACE_BYTES;
    }
    if (odd === 'DEADLINE') header.microseconds = 10_000_000;
    if (odd === 'OTHER_EPOCH') header.epoch = 7;
    if (odd === 'UNKNOWN_FLAG') header.flags |= 128;
    if (odd === 'MIXED' && way === 'shared') header.flags = FLAG.INPUT_SHARED;
    const metadata = metadataOf(play, tag);
    if (way === 'ring') {
      const encoded = encodeMetadata(metadata);
      const lengths = { metadataBytes: encoded.length, inlineLength: encoded.length };
      writeHeader(this.#rings.submissions.view, 0, { ...header, ...lengths });
      this.#rings.submissions.write(encoded);
    } else this.#client.send(header, metadata, way === 'inline' ? data : Buffer.alloc(0));
  }

  #next(batch: readonly Play[]): Outcome {
    for (let turns = 0; turns < 1000; turns++) {
      const frame = this.#fromRing() ?? this.#fromSocket();
      if (frame !== undefined) return this.#outcomeOf(batch, frame);
      this.world.pump();
    }
    throw new Error('nothing completed');
  }

  #fromRing(): Completion | undefined {
    const { completions } = this.#rings;
    if (!completions.read()) return undefined;
    const header = readHeader(completions.view, 0);
    const metadata = readMetadata(completions.metadata(header.metadataBytes)) ?? [];
    completions.release();
    return { header, metadata, payload: Buffer.alloc(0) };
  }

  #fromSocket(): Completion | undefined {
    for (;;) {
      const frame = this.#client.poll();
      if (frame === undefined || frame.header.type === FRAME.COMPLETE) return frame;
      if (frame.header.type !== FRAME.WAKE) throw new Error(`a frame of type ${frame.header.type}`);
    }
  }

  #outcomeOf(batch: readonly Play[], { header, metadata, payload }: Completion): Outcome {
    const { outputOffset, outputLength, jobLow } = header;
    const isShared = (header.flags & FLAG.OUTPUT_SHARED) !== 0;
    const output = isShared
      ? Buffer.from(this.#region.subarray(outputOffset, outputOffset + outputLength))
      : payload;
    const [results] = metadata;
    if (results?.nonce !== undefined) this.nonces.push(Buffer.from(results.nonce).toString('hex'));
    const isSealed = results?.tag !== undefined;
    if (header.code === 0) expect(header.engineTime).toBeGreaterThan(0);
    const asked = batch[jobLow];
    if (asked === undefined) throw new Error(`nobody asked for job ${jobLow}`);
    return {
      job: jobLow,
      status: statusName(header.code),
      flags: header.flags,
      failedStep: header.failedStep,
      inputLength: header.inputLength,
      outputLength,
      outputOffset,
      keyVersion: results?.keyVersion,
      output: createHash('sha1')
        .update(isSealed ? opened(output, metadata, asked) : output)
        .digest('hex'),
    };
  }
}

const play = (overrides: Partial<Play> = {}): Play => ({
  way: 'ring',
  program: 1,
  size: 1000,
  room: 0,
  odd: 'NOTHING',
  ...overrides,
});

let fast: Stage;
let general: Stage;
beforeEach(() => {
  fast = new Stage(true);
  general = new Stage(false);
});
afterEach(() => {
  fast[Symbol.dispose]();
  general[Symbol.dispose]();
});

const total = (stage: Stage): number => stage.world.fastPath?.total ?? 0;
/** The first job of a session goes the general way. */
const begin = (...stages: Stage[]): void => {
  for (const stage of stages) stage.play([play()]);
};

it.each(['ring', 'shared', 'inline'] as const)(
  'jobs that encrypt or decrypt and say nothing else are done in native code: %s',
  (way) => {
    const batch = [1, 1, 2, 2, 1].map((id) => play({ way, program: id }));
    const natively: number[] = [];
    // Time may run out in the middle of a batch: not each time.
    for (let round = 0; round < 100 && natively.at(-1) !== batch.length; round++) {
      const before = total(fast);
      expect(fast.play(batch)).toEqual(general.play(batch));
      natively.push(total(fast) - before);
    }
    expect([natively.at(-1), total(general)]).toEqual([batch.length, 0]);
  },
);

const plays = fc.record({
  way: fc.constantFrom('ring', 'ring', 'shared', 'inline'),
  program: fc.constantFrom(1, 1, 1, 2, 2, 3, 9),
  size: fc.oneof(fc.constantFrom(0, 1, 15, 16, 17, 4096), fc.integer({ min: 0, max: 9000 })),
  room: fc.constantFrom(0, 0, 0, 100, -1),
  odd: fc.oneof(
    { weight: 2, arbitrary: fc.constant('NOTHING' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...(['DEADLINE', 'ADDITIONAL_DATA', 'OTHER_EPOCH', 'OUTSIDE', 'OVERLAP', 'MIXED'] as const),
        ...(['UNKNOWN_FLAG', 'TAMPERED', 'OTHER_VERSION', 'NO_VERSION'] as const),
      ),
    },
  ),
}) satisfies fc.Arbitrary<Play>;

it('the fast path answers every batch of jobs as the general way does, under nonces that never repeat', () => {
  let done = 0;
  const batches = fc.array(fc.array(plays, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(batches, (all) => {
      const [one, other] = [new Stage(true), new Stage(false)];
      try {
        for (const batch of all) expect(one.play(batch)).toEqual(other.play(batch));
        done += total(one);
        expect(new Set(one.nonces).size).toBe(one.nonces.length);
        expect(one.nonces.length).toBe(other.nonces.length);
      } finally {
        one[Symbol.dispose]();
        other[Symbol.dispose]();
      }
    }),
    { numRuns: RUNS },
  );
  expect(done).toBeGreaterThan(RUNS);
});

it('what both count of sessions and engines is the same', () => {
  const batch = [play(), play({ program: 2 }), play({ odd: 'OUTSIDE' }), play({ way: 'inline', size: 5000 })];
  const counted = [true, false].map((isFast) => {
    const stage = new Stage(isFast, slotWith(KEY), EngineSet.open([libcrypto]));
    for (let round = 0; round < 3; round++) stage.play(batch);
    expect(total(stage) > 0).toBe(isFast);
    const { sessions, engines } = stage.world.lane.activity;
    const { latency, engineNanoseconds, ...counters } = sessions[0]?.counters ?? { latency: [] };
    const jobs = engines.map(({ operation, jobs: done, failures, inputBytes }) => ({
      ...{ operation, done, failures, inputBytes },
    }));
    stage[Symbol.dispose]();
    return { counters, jobs, completions: latency.reduce((sum, count) => sum + count, 0) };
  });
  expect(counted[0]).toEqual(counted[1]);
});

it('a key that is taken away is not used by the next job', () => {
  const slot = slotWith(KEY);
  const stage = new Stage(true, slot);
  begin(stage);
  slot.destroy();
  expect(stage.play([play(), play({ program: 2 })]).map(({ status }) => status)).toEqual([
    'KEY_UNAVAILABLE',
    'KEY_UNAVAILABLE',
  ]);
  stage[Symbol.dispose]();
});

it('nonces are used up to the last one that is reserved, over 2^32, and not one more', () => {
  const slot = KeySlot.create(32, 7);
  slot.key.set(KEY);
  const start = 2n ** 33n - 5n;
  slot.reserve(start, start + 9n, start + 1000n);
  slot.state = 'ACTIVE';
  const stage = new Stage(true, slot);
  const [first] = stage.play([play()]);
  const rest = stage.play(Array.from({ length: 10 }, () => play()));
  expect(first?.status).toBe('OK');
  expect(rest.map(({ status }) => status)).toEqual([...Array(8).fill('OK'), 'BUSY', 'BUSY']);
  const counters = stage.nonces.map((nonce) => BigInt(`0x${nonce.slice(8)}`)).sort();
  expect(counters).toEqual(Array.from({ length: 9 }, (_, index) => start + BigInt(index)));
  expect(stage.nonces.every((nonce) => nonce.startsWith('00000007'))).toBe(true);
  stage[Symbol.dispose]();
});

it('a fault that is injected is met by every job', () => {
  begin(fast);
  const fault = ArmedFault.arm({
    ...{ id: 'f', kind: 'FAIL', operation: 'ENCRYPT', algorithm: 'AES_256_GCM', module: 'libcrypto' },
    ...{ count: 0, interval: 1, delayMilliseconds: 0 },
  });
  fast.world.lane.setFaults([fault.offer]);
  const before = total(fast);
  fast.play([play(), play()]);
  expect([fault.injected, total(fast) - before]).toEqual([2, 0]);
});

it('what breaks the format behind more plain jobs than are done at once ends the connection', () => {
  begin(fast);
  const client = fast.world.connect();
  const bytes = Buffer.alloc(4096);
  for (let id = 0; id < 40; id++) client.send(submission(1, id, bytes, bytes.length), [], bytes);
  client.sendBytes(Buffer.alloc(64, 0xff));
  const types: (number | undefined)[] = [];
  do types.push(client.receive()?.header.type);
  while (types.at(-1) !== undefined);
  expect(types.slice(-2)).toEqual([FRAME.GOAWAY, undefined]);
});

it('nothing is done after the lease', () => {
  begin(fast);
  const before = total(fast);
  fast.world.lane.lease(0);
  expect(() => fast.play([play()])).toThrow();
  expect(total(fast)).toBe(before);
});

it('sessions that both have jobs share by the fair queue', () => {
  begin(fast);
  const { world } = fast;
  world.grant({ sessionUid: 's2', programs: PROGRAMS });
  const other = world.connect('s2');
  other.send(submission(1, 1, Buffer.alloc(10), 10), [], Buffer.alloc(10));
  world.pump();
  const before = total(fast);
  fast.play([play()]);
  expect(total(fast)).toBe(before);
  expect(other.receive()?.header.code).toBe(0);
});
