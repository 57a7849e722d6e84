import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DocumentDigest } from '@outboard/contracts';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import fc from 'fast-check';
import { amend } from '../domain/document-change.js';
import type { DocumentChange, DocumentState } from '../domain/replica-protocol.js';
import { temporaryDirectory } from '../testing/temporary-directory.js';
import { DocumentStore } from './document-store.js';

const OWNER = 'network';

function documentOf(entries: readonly (readonly [string, Uint8Array])[], sequence = 1n): DocumentState {
  const map = new Map(entries);
  const digest = DocumentDigest.of([...map].map(([key, object]) => ({ key, object }))).toBytes();
  return { version: { epoch: 'one', sequence, digest }, entries: map };
}

/** A document that changes, and every version that it had. */
class Changing {
  #state: DocumentState;
  readonly versions: DocumentState[];

  constructor(state = documentOf([])) {
    this.#state = state;
    this.versions = [state];
  }

  readonly state = (): DocumentState => this.#state;

  change(
    upserts: readonly (readonly [string, Uint8Array])[],
    deletes: readonly string[] = [],
  ): DocumentChange {
    const entries = new Map(this.#state.entries);
    const change = { upserts: new Map(upserts), deletes };
    amend(entries, change);
    this.#state = documentOf([...entries], this.#state.version.sequence + 1n);
    this.versions.push(this.#state);
    return { ...change, version: this.#state.version };
  }
}

describe('the document store', () => {
  let temporary: Awaited<ReturnType<typeof temporaryDirectory>>;
  let clock: ManualClock;
  let log: RecordingLog;
  let file: string;
  let changes: string;
  /** A worker starts, the document changes, the worker ends. */
  const writeOne = async (
    document: Changing,
    store: DocumentStore,
    change?: DocumentChange,
  ): Promise<void> => {
    await store.load(OWNER);
    store.save(OWNER, document.state, change);
    await store.close();
  };
  const storeOf = (dpu = 'dpu-1'): DocumentStore =>
    new DocumentStore({ directory: temporary.path, dpu, clock, log });

  beforeEach(async () => {
    temporary = await temporaryDirectory();
    clock = new ManualClock();
    log = new RecordingLog();
    file = join(temporary.path, 'network.document');
    changes = join(temporary.path, 'network.changes');
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

  it('gives back every change, whether it was written with the document or after it, and by whom', async () => {
    const key = fc.constantFrom('a', 'b', 'ü', 'd');
    const step = fc.oneof(
      fc.record({
        upserts: fc.uniqueArray(fc.tuple(key, fc.uint8Array({ maxLength: 40 })), {
          selector: ([each]) => each,
        }),
        deletes: fc.uniqueArray(key),
      }),
      fc.constantFrom('written', 'restarted', 'replaced' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const document = new Changing();
        let store = storeOf();
        store.save(OWNER, document.state);
        for (const each of steps) {
          if (each === 'written') await clock.advance(200);
          else if (each === 'replaced') store.save(OWNER, document.state);
          else if (each === 'restarted') {
            await store.close();
            store = storeOf();
            expect(await store.load(OWNER)).toEqual(document.state());
          } else {
            const deletes = each.deletes.filter((name) => each.upserts.every(([other]) => other !== name));
            store.save(OWNER, document.state, document.change(each.upserts, deletes));
          }
        }
        await store.close();
        expect(await storeOf().load(OWNER)).toEqual(document.state());
      }),
      { numRuns: 50 },
    );
    expect(log.lines).toEqual([]);
  });

  it('gives back a version that there was, whatever of the changes is cut off, damaged or of a document before', async () => {
    const document = new Changing();
    await writeOne(document, storeOf());
    const store = storeOf();
    await store.load(OWNER);
    for (let index = 0; index < 5; index++)
      store.save(OWNER, document.state, document.change([[`key/${index}`, new Uint8Array(20)]], ['key/1']));
    await store.close();
    const sound = await readFile(changes);
    const damage = fc.oneof(
      fc.nat(sound.length).map((length) => sound.subarray(0, length)),
      fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
        const damaged = Buffer.from(sound);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        return damaged;
      }),
      fc.uint8Array().map((bytes) => Buffer.concat([sound, bytes])),
      fc.uint8Array(),
    );
    const whole = await readFile(file);
    let damaged = 0;
    await fc.assert(
      fc.asyncProperty(damage, async (bytes) => {
        await writeFile(file, whole);
        await writeFile(changes, bytes);
        const again = storeOf();
        const loaded = await again.load(OWNER);
        expect(document.versions).toContainEqual(loaded);
        if (loaded?.version.sequence !== document.state().version.sequence) damaged++;
        // What follows is not written behind what cannot be read.
        const later = new Changing(loaded);
        again.save(OWNER, later.state, later.change([['late', Uint8Array.of(1)]]));
        await again.close();
        expect(await storeOf().load(OWNER)).toEqual(later.state());
      }),
      { numRuns: 100 },
    );
    expect(damaged).toBeGreaterThan(10);
    log.lines.length = 0;
    await writeFile(file, whole);
    await writeFile(changes, sound);
    expect(await storeOf().load(OWNER)).toEqual(document.state());
    expect(log.lines).toEqual([]);
    const later = new Changing(document.state());
    await writeOne(later, storeOf());
    await writeFile(changes, sound);
    expect(await storeOf().load(OWNER)).toEqual(later.state());
    expect(log.at('warn').at(-1)).toBe('the last changes on disk cannot be used and are left out');
  });

  it('writes no more for a change than it is, and the whole document once for as many bytes of changes', async () => {
    const document = new Changing();
    await writeOne(document, storeOf(), document.change([['large', new Uint8Array(400_000)]]));
    const first = await readFile(file);
    expect(first.length).toBeGreaterThan(400_000);
    let [largest, replaced] = [0, 0];
    for (let change = 1; change <= 20; change++) {
      await writeOne(document, storeOf(), document.change([['small', new Uint8Array(50_000).fill(change)]]));
      const size = (await readdir(temporary.path)).includes('network.changes')
        ? (await stat(changes)).size
        : 0;
      if (size === 0) replaced++;
      largest = Math.max(largest, size);
      expect((await readFile(file)).equals(first)).toBe(replaced === 0);
    }
    // A document of 450 kB is written again once its changes are more than that.
    expect(largest).toBeLessThan(460_000);
    expect(replaced).toBe(2);
    expect(await storeOf().load(OWNER)).toEqual(document.state());
  });

  it('keeps nothing that left a document whose owner wants that', async () => {
    const options = { directory: temporary.path, dpu: 'dpu-1', withoutChanges: [OWNER], clock, log };
    const document = new Changing();
    await writeOne(
      document,
      new DocumentStore(options),
      document.change([['secret', Buffer.from('SECRET')]]),
    );
    expect((await readFile(file)).includes('SECRET')).toBe(true);
    await writeOne(document, new DocumentStore(options), document.change([], ['secret']));
    expect((await readFile(file)).includes('SECRET')).toBe(false);
    expect(await readdir(temporary.path)).toEqual(['network.document']);
  });

  it('gives back the document alone when its changes cannot be read, and puts nothing aside', async () => {
    const document = new Changing();
    await writeOne(document, storeOf());
    await mkdir(changes);
    expect(await storeOf().load(OWNER)).toEqual(document.state());
    expect(log.at('warn')).toEqual(['the last changes on disk cannot be used and are left out']);
    expect((await readdir(temporary.path)).sort()).toEqual(['network.changes', 'network.document']);
  });

  it('writes the whole document when its changes could not be written', async () => {
    const document = new Changing();
    await writeOne(document, storeOf());
    const store = storeOf();
    await store.load(OWNER);
    const reported = new Promise<void>((resolve) => {
      log.onLine = resolve;
    });
    await mkdir(changes);
    store.save(OWNER, document.state, document.change([['key', Uint8Array.of(1)]]));
    await clock.advance(200);
    await reported;
    expect(store.problem).toMatch(/^not written to disk: .*EISDIR/);
    await rm(changes, { recursive: true });
    store.save(OWNER, document.state, document.change([['key', Uint8Array.of(2)]]));
    await store.close();
    expect(store.problem).toBeUndefined();
    expect(await readdir(temporary.path)).toEqual(['network.document']);
    expect(await storeOf().load(OWNER)).toEqual(document.state());
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
