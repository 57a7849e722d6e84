import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DocumentDigest } from '@outboard/contracts';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import fc from 'fast-check';
import type { DocumentState } from '../domain/replica-protocol.js';
import { temporaryDirectory } from '../testing/temporary-directory.js';
import { DocumentStore } from './document-store.js';

const OWNER = 'network';

function documentOf(entries: readonly (readonly [string, Uint8Array])[], sequence = 1n): DocumentState {
  const map = new Map(entries);
  const digest = DocumentDigest.of([...map].map(([key, object]) => ({ key, object }))).toBytes();
  return { version: { epoch: 'one', sequence, digest }, entries: map };
}

describe('the document store', () => {
  let temporary: Awaited<ReturnType<typeof temporaryDirectory>>;
  let clock: ManualClock;
  let log: RecordingLog;
  let file: string;
  const storeOf = (dpu = 'dpu-1'): DocumentStore =>
    new DocumentStore({ directory: temporary.path, dpu, clock, log });

  beforeEach(async () => {
    temporary = await temporaryDirectory();
    clock = new ManualClock();
    log = new RecordingLog();
    file = join(temporary.path, 'network.document');
  });
  afterEach(async () => {
    await temporary[Symbol.asyncDispose]();
  });

  it('gives back what was saved, whatever the keys and objects are', async () => {
    const entry = fc.tuple(
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.uint8Array({ maxLength: 2000 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        async (entries, sequence) => {
          const document = documentOf(entries, sequence);
          const store = storeOf();
          store.save(OWNER, () => document);
          await store.close();
          expect(await storeOf().load(OWNER)).toEqual(document);
        },
      ),
      { numRuns: 25 },
    );
    expect(log.lines).toEqual([]);
  });

  it('writes a document larger than what is written at once', async () => {
    const large = documentOf(
      Array.from({ length: 3000 }, (_, index) => [`key/${index}`, new Uint8Array(200).fill(index)]),
    );
    const store = storeOf();
    store.save(OWNER, () => large);
    await store.close();
    expect(await storeOf().load(OWNER)).toEqual(large);
  });

  it('has nothing before the first save', async () => {
    expect(await storeOf().load(OWNER)).toBeUndefined();
    expect(log.lines).toEqual([]);
  });

  it('writes a thousand changes within the delay once, as they are when it writes', async () => {
    const store = storeOf();
    let taken = 0;
    for (let change = 1; change <= 1000; change++) {
      store.save(OWNER, () => {
        taken++;
        return documentOf([['key', Uint8Array.of(change % 256)]], BigInt(change));
      });
    }
    await clock.advance(199);
    expect(taken).toBe(0);
    await clock.advance(1);
    expect(taken).toBe(1);
    await store.close();
    expect((await storeOf().load(OWNER))?.version.sequence).toBe(1000n);
    expect(taken).toBe(1);
  });

  it('writes at the end what changed while it was writing', async () => {
    const store = storeOf();
    store.save(OWNER, () => documentOf([], 1n));
    await clock.advance(200);
    store.save(OWNER, () => documentOf([], 2n));
    await store.close();
    expect((await storeOf().load(OWNER))?.version.sequence).toBe(2n);
  });

  it('puts a damaged file aside, reports it, and goes on without', async () => {
    const store = storeOf();
    store.save(OWNER, () => documentOf([['key', Uint8Array.of(1, 2, 3)]]));
    await store.close();
    const sound = await readFile(file);
    const damage = fc.oneof(
      fc.nat(sound.length - 1).map((length) => sound.subarray(0, length)),
      fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
        const damaged = Buffer.from(sound);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        return damaged;
      }),
      fc.uint8Array(),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (bytes) => {
        log.lines.length = 0;
        await writeFile(file, bytes);
        expect(await storeOf().load(OWNER)).toBeUndefined();
        expect(await readdir(temporary.path)).toEqual(['network.document.unusable']);
        expect(log.at('error')).toEqual(['the document on disk cannot be used and is put aside']);
      }),
      { numRuns: 50 },
    );
  });

  it('does not take the document of another DPU', async () => {
    const store = storeOf('dpu-2');
    store.save(OWNER, () => documentOf([]));
    await store.close();
    expect(await storeOf('dpu-1').load(OWNER)).toBeUndefined();
    expect(log.at('error')).toHaveLength(1);
  });

  it('ignores what a crash left half written', async () => {
    const store = storeOf();
    store.save(OWNER, () => documentOf([], 1n));
    await store.close();
    await writeFile(`${file}.new`, 'half');
    expect((await storeOf().load(OWNER))?.version.sequence).toBe(1n);
  });

  it('reports a disk that does not take it, and keeps the document for the next attempt', async () => {
    const directory = join(temporary.path, 'missing');
    const store = new DocumentStore({ directory, dpu: 'dpu-1', clock, log });
    const reported = new Promise<void>((resolve) => {
      log.onLine = resolve;
    });
    store.save(OWNER, () => documentOf([], 7n));
    await clock.advance(200);
    await reported;
    expect(log.at('error')).toEqual(['the document could not be written to disk']);
    expect(store.problem).toMatch(/^not written to disk: .*network\.document: ENOENT/);
    await mkdir(directory);
    await store.close();
    expect(store.problem).toBeUndefined();
    expect(log.at('info')).toEqual(['the document is on the disk again']);
    const again = new DocumentStore({ directory, dpu: 'dpu-1', clock, log });
    expect((await again.load(OWNER))?.version.sequence).toBe(7n);
  });
});
