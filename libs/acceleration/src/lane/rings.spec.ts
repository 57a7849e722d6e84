import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { libc } from '@outboard/ffi';
import { LaneWorld, program, slotWith, step, submission } from '../testing/lane-world.js';
import type { RawClient } from '../testing/raw-client.js';
import { FLAG, FRAME, type Header, readHeader, writeHeader } from '../wire/frame.js';
import { encodeMetadata, type Metadata, readMetadata } from '../wire/metadata.js';
import { type ClientRingEnds, clientRingEnds, REGION, RING_SLOTS } from '../wire/ring.js';
import { STATUS, statusName } from '../wire/status.js';
import { SPIN_MILLISECONDS } from './lane.js';

const SHARED = FLAG.INPUT_SHARED | FLAG.OUTPUT_SHARED;
const INPUT = 65_536;
const OUTPUT = 262_144;

/** A client that has rings. */
class RingClient {
  readonly region: Uint8Array<ArrayBuffer>;
  readonly ends: ClientRingEnds;

  constructor(
    readonly raw: RawClient,
    private readonly pump: () => void,
  ) {
    this.region = raw.region?.bytes ?? new Uint8Array(REGION.payload);
    this.ends = clientRingEnds(this.region);
  }

  submit(header: Header, metadata: Metadata = []): void {
    const bytes = encodeMetadata(metadata);
    writeHeader(this.ends.submissions.view, 0, {
      ...header,
      metadataBytes: bytes.length,
      inlineLength: bytes.length,
    });
    this.ends.submissions.write(bytes);
    this.ends.submissions.show();
  }

  completion(): { header: Header; metadata: Metadata | undefined } {
    for (let turns = 0; turns < 1000; turns++) {
      this.pump();
      if (!this.ends.completions.read()) continue;
      const header = readHeader(this.ends.completions.view, 0);
      const metadata = readMetadata(this.ends.completions.metadata(header.metadataBytes));
      this.ends.completions.release();
      return { header, metadata };
    }
    throw new Error('nothing completed');
  }
}

let world: LaneWorld;
let client: RingClient;
beforeEach(() => {
  world = new LaneWorld();
  world.offer('k', slotWith(Buffer.alloc(32, 3)));
  world.grant({
    programs: [
      program(1, step('ENCRYPT', 'AES_256_GCM', 'k')),
      program(2, step('DECRYPT', 'AES_256_GCM', 'k')),
    ],
  });
  client = new RingClient(world.connect('s1', { sharedBytes: 1 << 20, rings: true }), world.pump);
});
afterEach(() => world[Symbol.dispose]());

const job = (programId: number, jobId: number, inputOffset: number, outputOffset: number): Header => ({
  ...submission(programId, jobId, Buffer.alloc(1000), 1000),
  flags: SHARED,
  inputOffset,
  outputOffset,
});

it('jobs go and come in rings without a frame on the socket', () => {
  const plain = randomBytes(1000);
  client.region.set(plain, INPUT);
  client.submit(job(1, 5, INPUT, OUTPUT));
  const sealed = client.completion();
  expect(sealed.header).toMatchObject({
    type: FRAME.COMPLETE,
    code: STATUS.OK,
    jobLow: 5,
    outputLength: 1000,
  });
  client.submit(job(2, 6, OUTPUT, INPUT), sealed.metadata);
  expect(statusName(client.completion().header.code)).toBe('OK');
  expect(Buffer.compare(client.region.subarray(INPUT, INPUT + 1000), plain)).toBe(0);
});

it('rings run over: many times their slots, in order', () => {
  const ids: number[] = [];
  for (let round = 0; round < 5; round++) {
    for (let slot = 0; slot < RING_SLOTS; slot++)
      client.submit(job(1, round * RING_SLOTS + slot, INPUT, OUTPUT));
    for (let slot = 0; slot < RING_SLOTS; slot++) ids.push(client.completion().header.jobLow);
  }
  expect(ids).toEqual(Array.from({ length: 5 * RING_SLOTS }, (_, index) => index));
});

it('a worker that waits is woken once by a frame, and a client that waits likewise', () => {
  const descriptor = libc.eventfd();
  const taken: boolean[] = [];
  // Called while the thread waits, as what another process does meanwhile.
  world.lane.watch(descriptor, () => {
    libc.read(descriptor, Buffer.alloc(8));
    taken.push(client.ends.workerWaits.take(), client.ends.workerWaits.take());
  });
  const until = performance.now() + SPIN_MILLISECONDS;
  while (performance.now() < until) world.pump();
  libc.write(descriptor, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
  world.pump();
  expect(taken).toEqual([true, false]);
  client.ends.clientWaits.set();
  client.submit(job(1, 1, INPUT, OUTPUT));
  client.submit(job(1, 2, INPUT, OUTPUT));
  client.completion();
  client.completion();
  expect(client.raw.receive()?.header.type).toBe(FRAME.WAKE);
  client.submit(job(1, 3, INPUT, OUTPUT));
  client.completion();
  client.raw.send({ ...submission(1, 4, Buffer.alloc(1), 1), type: FRAME.PING });
  expect(client.raw.receive()?.header.type).toBe(FRAME.PONG);
});

it('a client that would rather be woken for several completions sees each at once, and is woken for the last of them', () => {
  const options = { sharedBytes: 1 << 20, rings: true, batches: true };
  const other = new RingClient(world.connect('s1', options), world.pump);
  for (let wait = 1; wait <= 3; wait++) {
    other.ends.clientWaits.set();
    for (let slot = 1; slot <= 8; slot++) other.submit(job(1, slot, INPUT, OUTPUT));
    for (let slot = 1; slot <= 8; slot++) expect(other.completion().header.jobLow).toBe(slot);
    expect(other.raw.receive()?.header.type).toBe(FRAME.WAKE);
    expect(other.ends.clientWaits.take()).toBe(false);
  }
});

it('a counter that no ring can have, or a frame that is no job, ends the connection with the reason', () => {
  new Int32Array(client.region.buffer)[REGION.submissionTail / 4] = 12_345;
  world.pump();
  expect(client.raw.receive()?.header).toMatchObject({ type: FRAME.GOAWAY, code: STATUS.INVALID_ARGUMENT });
  const other = new RingClient(world.connect('s1', { sharedBytes: 1 << 20, rings: true }), world.pump);
  other.submit({ ...job(1, 1, INPUT, OUTPUT), type: FRAME.HELLO });
  world.pump();
  expect(other.raw.receive()?.header).toMatchObject({ type: FRAME.GOAWAY, code: STATUS.INVALID_ARGUMENT });
});

it('a client that does not take its completions gets them over the socket, or no more at all; nobody else waits', () => {
  const other = world.connect();
  for (let round = 0; round < 3; round++) {
    for (let slot = 0; slot < RING_SLOTS; slot++) client.submit(job(1, slot, INPUT, OUTPUT));
    for (let turns = 0; turns < 50; turns++) world.pump();
  }
  expect(client.raw.receive()?.header.type).toBe(FRAME.COMPLETE);
  other.send({ ...submission(1, 1, Buffer.alloc(0), 0), type: FRAME.PING });
  expect(other.receive()?.header.type).toBe(FRAME.PONG);
});
