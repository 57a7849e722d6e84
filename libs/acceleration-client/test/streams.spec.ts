import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DataPathWorld, program, step } from '@outboard/acceleration/testing';
import fc from 'fast-check';
import { AccelerationClient, adviseOffload, OpeningStream, SealingStream } from '../src/index.js';

const CHAIN = [step('COMPRESS', 'ZSTD'), step('ENCRYPT', 'AES_256_GCM', 'k'), step('GENERATE', 'CRC32C')];
const BACK = [step('VERIFY', 'CRC32C'), step('DECRYPT', 'AES_256_GCM', 'k'), step('DECOMPRESS', 'ZSTD')];

let world: DataPathWorld;
let client: AccelerationClient;
beforeAll(async () => {
  world = await DataPathWorld.open();
  await world.importKey('k', 'AES_256_GCM', Buffer.alloc(32, 3));
  await world.grant({ programs: [program(1, ...CHAIN), program(2, ...BACK)] });
  client = new AccelerationClient({ locate: () => world.locationOf() });
});
afterAll(async () => {
  client[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

async function through(
  pieces: readonly Uint8Array[],
  stream: SealingStream | OpeningStream,
): Promise<Buffer> {
  const out: Buffer[] = [];
  await pipeline(Readable.from(pieces, { objectMode: false }), stream, async (source) => {
    for await (const bytes of source) out.push(bytes);
  });
  return Buffer.concat(out);
}

const seal = (...pieces: Uint8Array[]): Promise<Buffer> => through(pieces, new SealingStream(client, 1));
const open = (...pieces: Uint8Array[]): Promise<Buffer> => through(pieces, new OpeningStream(client, 2));

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map((fraction) => Math.floor(fraction * bytes.length)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

it('whatever goes in comes out again, however it is cut on the way there and back', async () => {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 900_000 }), cuts, cuts, async (length, there, back) => {
      const data = Buffer.concat([randomBytes(length >> 2), Buffer.alloc(length - (length >> 2), 'words ')]);
      const sealed = await seal(...cut(data, there));
      expect((await open(...cut(sealed, back))).equals(data)).toBe(true);
    }),
    { numRuns: 12 },
  );
});

it('what was cut off, left out, put elsewhere or changed is noticed', async () => {
  const data = randomBytes(700_000);
  const sealed = await seal(data);
  const chunkEnds = [0];
  for (let at = 0; at < sealed.length; ) {
    at += 12 + sealed.readUInt32LE(at) + sealed.readUInt32LE(at + 4);
    chunkEnds.push(at);
  }
  const [first, second, third] = [0, 1, 2].map((index) =>
    sealed.subarray(chunkEnds[index], chunkEnds[index + 1]),
  );
  const [one, two, three] = [first ?? Buffer.alloc(0), second ?? Buffer.alloc(0), third ?? Buffer.alloc(0)];
  expect(chunkEnds.length).toBe(4);
  expect((await open(one, two, three)).equals(data)).toBe(true);
  const forged = Buffer.from(sealed);
  forged[sealed.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  for (const wrong of [[one, two], [one, three], [two, one, three], [one, two, three, three], [forged]])
    await expect(open(...wrong)).rejects.toMatchObject({ status: 'VERIFICATION_FAILED' });
  await expect(open(sealed.subarray(0, sealed.length - 1))).rejects.toMatchObject({
    status: 'CORRUPT_INPUT',
  });
  await expect(open(Buffer.alloc(0))).rejects.toMatchObject({ status: 'CORRUPT_INPUT' });
  await expect(open(Buffer.alloc(64, 0xff))).rejects.toMatchObject({ status: 'CORRUPT_INPUT' });
});

it('advice tells what a job costs this process both ways', async () => {
  const advice = await adviseOffload(client, 1, Buffer.alloc(65_536, 'words '));
  expect(advice.inputBytes).toBe(65_536);
  expect(advice.hostMicroseconds).toBeGreaterThan(0);
  expect(advice.offloadMicroseconds).toBeGreaterThan(0);
  expect(advice.pays).toBe(advice.offloadMicroseconds < advice.hostMicroseconds);
});
