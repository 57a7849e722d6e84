import { describe, expect, it } from '@jest/globals';
import { DocumentDigest, type DocumentEntry } from '@outboard/contracts';
import type { DocumentVersion } from '@outboard/dataplane';
import {
  DocumentReplica,
  FIRST_WORD_MILLISECONDS,
  MAX_PENDING_DELTAS,
  NOTHING,
  SYNC_MILLISECONDS,
} from './document-replica.js';
import type { Delta, ReplicaAction, SyncAnswer } from './replica-protocol.js';

const entry = (key: string, byte = 1): DocumentEntry => ({ key, object: Uint8Array.of(byte) });

const versionOf = (sequence: number, entries: readonly DocumentEntry[], epoch = 'one'): DocumentVersion => ({
  epoch,
  sequence: BigInt(sequence),
  digest: DocumentDigest.of(entries).toBytes(),
});

/** Document n of these tests: the keys 1 to n. */
const documentAt = (sequence: number): DocumentEntry[] =>
  Array.from({ length: sequence }, (_, index) => entry(`key/${index + 1}`));
const versionAt = (sequence: number, epoch = 'one'): DocumentVersion =>
  versionOf(sequence, documentAt(sequence), epoch);
const deltaTo = (sequence: number): Delta => ({
  base: BigInt(sequence - 1),
  version: versionAt(sequence),
  upserts: new Map([[`key/${sequence}`, Uint8Array.of(1)]]),
  deletes: [],
});

/** A replica, with its last question and what is in its engine. */
class Bench {
  readonly replica: DocumentReplica;
  readonly engine = new Map<string, Uint8Array>();
  version: DocumentVersion | undefined;
  submits = 0;
  last: ReplicaAction | undefined;
  actions: readonly ReplicaAction[] = [];

  constructor(restoredAt?: number, dataplane: 'kept' | 'empty' = 'kept') {
    this.replica = new DocumentReplica(
      'network',
      restoredAt === undefined
        ? undefined
        : {
            version: versionAt(restoredAt),
            entries: new Map(documentAt(restoredAt).map(({ key, object }) => [key, object])),
          },
    );
    this.take(this.replica.start(dataplane));
  }

  take(actions: readonly ReplicaAction[]): this {
    this.actions = actions;
    for (const action of actions) {
      if (action.kind === 'submit') {
        const { complete, upserts, deletes, version } = action.update;
        if (complete !== undefined) this.engine.clear();
        for (const [key, object] of complete ?? upserts ?? []) this.engine.set(key, object);
        for (const key of deletes ?? []) this.engine.delete(key);
        this.version = version;
        this.submits++;
      }
      if (action.kind === 'synchronise' || action.kind === 'fetch' || action.kind === 'wait')
        this.last = action;
    }
    return this;
  }

  get request(): number {
    return this.last?.kind === 'synchronise' || this.last?.kind === 'fetch' ? this.last.request : -1;
  }

  connect = (): this => this.take(this.replica.handle({ kind: 'connected' }));
  elapse = (): this => this.take(this.replica.handle({ kind: 'elapsed' }));
  hear = (delta: Delta): this => this.take(this.replica.handle({ kind: 'delta', delta }));
  answer = (answer: SyncAnswer): this =>
    this.take(this.replica.handle({ kind: 'synchronised', request: this.request, answer }));
  page = (version: DocumentVersion, objects: readonly DocumentEntry[], nextPageToken = ''): this =>
    this.take(
      this.replica.handle({ kind: 'page', request: this.request, page: { version, objects, nextPageToken } }),
    );
  refuse = (refusal: 'unknown' | 'aborted' | 'failed'): this =>
    this.take(this.replica.handle({ kind: 'refused', request: this.request, refusal }));

  /** Connected, fetched, and following document `sequence`. */
  static following(sequence: number): Bench {
    return new Bench()
      .connect()
      .answer({ kind: 'fetch', version: versionAt(sequence) })
      .page(versionAt(sequence), documentAt(sequence));
  }
}

describe('the replica of a document', () => {
  it('tells on every connection what it holds, which is nothing at first, and fetches what it is told to', () => {
    const bench = new Bench().connect();
    expect(bench.last).toMatchObject({ kind: 'synchronise', version: NOTHING });
    bench.answer({ kind: 'fetch', version: versionAt(2) });
    expect(bench.last).toMatchObject({ kind: 'fetch', pageToken: '' });
    bench.page(versionAt(2), documentAt(2));
    expect([...bench.engine.keys()]).toEqual(['key/1', 'key/2']);
    bench.connect();
    expect(bench.last).toMatchObject({ kind: 'synchronise', version: versionAt(2) });
  });

  describe('with a document from the disk', () => {
    it('wants it at once where the dataplane is empty, and again nothing when it is current', () => {
      const bench = new Bench(3, 'empty');
      expect(bench.version).toEqual(versionAt(3));
      expect(bench.engine.size).toBe(3);
      bench.connect().answer({ kind: 'current' });
      expect(bench.submits).toBe(1);
      expect(bench.last).toMatchObject({ kind: 'wait', milliseconds: SYNC_MILLISECONDS });
    });

    it('leaves the dataplane as it is until the owner says that the document is current', () => {
      const bench = new Bench(3);
      expect(bench.submits).toBe(0);
      bench.connect().answer({ kind: 'current' });
      expect(bench.version).toEqual(versionAt(3));
      expect(bench.submits).toBe(1);
    });

    it('never wants it when the owner has a newer one: what is newer in the dataplane stays', () => {
      const bench = new Bench(1).connect().answer({ kind: 'deltas', deltas: [deltaTo(2), deltaTo(3)] });
      const submitted = bench.actions.flatMap((action) => (action.kind === 'submit' ? [action.update] : []));
      expect(submitted).toHaveLength(1);
      expect([...(submitted[0]?.complete?.keys() ?? [])]).toEqual(['key/1', 'key/2', 'key/3']);

      const fetching = new Bench(1).connect().answer({ kind: 'fetch', version: versionAt(4, 'two') });
      expect(fetching.submits).toBe(0);
      fetching.elapse();
      expect(fetching.submits).toBe(0);
      fetching.page(versionAt(4, 'two'), documentAt(4));
      expect(fetching.submits).toBe(1);
      expect(fetching.engine.size).toBe(4);
    });

    it('wants it with the changes that came meanwhile, which alone do not tell whether more was missed', () => {
      const bench = new Bench(1).connect().hear(deltaTo(2));
      expect(bench.submits).toBe(0);
      bench.answer({ kind: 'deltas', deltas: [deltaTo(2), deltaTo(3)] });
      expect(bench.version).toEqual(versionAt(3));
      expect(bench.submits).toBe(1);
    });

    it('wants it when the owner does not answer', () => {
      const bench = new Bench(3).connect().refuse('failed');
      expect(bench.version).toEqual(versionAt(3));
      expect(bench.submits).toBe(1);
      bench.elapse().answer({ kind: 'deltas', deltas: [deltaTo(4)] });
      expect(bench.submits).toBe(2);
    });

    it('wants it two seconds later when there is no bus, and asks nobody', () => {
      const bench = new Bench(3);
      expect(bench.last).toEqual({ kind: 'wait', milliseconds: FIRST_WORD_MILLISECONDS, jitter: 0 });
      bench.elapse();
      expect(bench.version).toEqual(versionAt(3));
      expect(bench.last?.kind).toBe('wait');
    });

    it('wants nothing when the owner does not know this DPU', () => {
      const bench = new Bench(3).connect().refuse('unknown');
      expect(bench.engine.size).toBe(0);
      expect(bench.version).toEqual(NOTHING);
    });
  });

  it('asks again every ten seconds', () => {
    const bench = Bench.following(1);
    expect(bench.last).toMatchObject({ kind: 'wait', milliseconds: SYNC_MILLISECONDS, jitter: 0.2 });
    expect(bench.elapse().last).toMatchObject({ kind: 'synchronise' });
  });

  it('applies a delta that fits what it holds, and keeps it on disk', () => {
    const bench = Bench.following(1).hear(deltaTo(2));
    expect(bench.actions.map(({ kind }) => kind)).toEqual(['submit', 'persist']);
    expect(bench.version).toEqual(versionAt(2));
  });

  it('drops a delta that is not newer', () => {
    const bench = Bench.following(2).hear(deltaTo(1)).hear(deltaTo(2));
    expect(bench.actions).toEqual([]);
    expect(bench.submits).toBe(1);
  });

  it('asks at a gap and applies what arrived out of order after what was missing', () => {
    const bench = Bench.following(1).hear(deltaTo(3));
    expect(bench.last).toMatchObject({ kind: 'synchronise', version: versionAt(1) });
    bench.hear(deltaTo(2));
    expect(bench.version).toEqual(versionAt(3));
    bench.answer({ kind: 'deltas', deltas: [deltaTo(2), deltaTo(3)] });
    expect(bench.submits).toBe(3);
    expect(bench.last).toMatchObject({ kind: 'wait', milliseconds: SYNC_MILLISECONDS });
  });

  it('fetches when a delta does not lead to the digest that it states, and applies none of it', () => {
    const wrong: Delta = { ...deltaTo(2), version: { ...versionAt(2), digest: new Uint8Array(16).fill(7) } };
    const bench = Bench.following(1).hear(wrong);
    expect(bench.version).toEqual(versionAt(1));
    expect(bench.actions.map(({ kind }) => kind)).toEqual(['warn', 'fetch']);
  });

  const announcement = (sequence: number): Delta => ({
    base: BigInt(sequence - 2),
    version: versionAt(sequence),
    upserts: new Map(),
    deletes: [],
  });

  it('asks for a change that is only announced, as too large for a message, each time and at once', () => {
    const bench = Bench.following(1);
    for (const sequence of [3, 5]) {
      bench.hear(announcement(sequence));
      expect(bench.actions.map(({ kind }) => kind)).toEqual(['synchronise']);
      bench.answer({ kind: 'deltas', deltas: [deltaTo(sequence - 1), deltaTo(sequence)] });
      expect(bench.version).toEqual(versionAt(sequence));
    }
    bench.hear(announcement(7)).answer({ kind: 'fetch', version: versionAt(7) });
    bench.page(versionAt(7), documentAt(7));
    expect(bench.version).toEqual(versionAt(7));
  });

  it('asks again soon when a change is announced while it asks: the answer may be of before', () => {
    const bench = Bench.following(1);
    bench.hear(announcement(3)).hear(announcement(3));
    expect(bench.actions).toEqual([]);
    bench.answer({ kind: 'deltas', deltas: [deltaTo(2)] });
    expect(bench.version).toEqual(versionAt(2));
    expect(bench.last).toMatchObject({ kind: 'wait' });
    bench.elapse();
    expect(bench.last).toMatchObject({ kind: 'synchronise' });
  });

  it('fetches when the epoch is another, even if it has counted less far', () => {
    const bench = Bench.following(5);
    bench.hear({ ...deltaTo(1), version: versionAt(1, 'two') });
    expect(bench.last).toMatchObject({ kind: 'fetch', pageToken: '' });
    bench.page(versionAt(1, 'two'), documentAt(1));
    expect(bench.version).toEqual(versionAt(1, 'two'));
    expect(bench.engine.size).toBe(1);
  });

  it('applies after a fetch the deltas that arrived during it', () => {
    const bench = new Bench().connect().answer({ kind: 'fetch', version: versionAt(2) });
    bench
      .page(versionAt(2), documentAt(2).slice(0, 1), 'more')
      .hear(deltaTo(2))
      .hear(deltaTo(4))
      .hear(deltaTo(3));
    expect(bench.submits).toBe(0);
    bench.page(versionAt(2), documentAt(2).slice(1));
    expect(bench.version).toEqual(versionAt(4));
    expect(bench.last).toMatchObject({ kind: 'wait' });
  });

  it('starts a fetch again from its first page, later and later, when the version is gone', () => {
    const bench = new Bench().connect().answer({ kind: 'fetch', version: versionAt(2) });
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      bench.page(versionAt(2), documentAt(2).slice(0, 1), 'more').refuse('aborted');
      if (bench.last?.kind === 'wait') waits.push(bench.last.milliseconds);
      expect(bench.elapse().last).toMatchObject({ kind: 'fetch', pageToken: '' });
    }
    expect(waits).toEqual([400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    bench.page(versionAt(3), documentAt(3));
    expect(bench.version).toEqual(versionAt(3));
  });

  it('asks for a page that got lost again, and gives up its version after three times', () => {
    const bench = new Bench().connect().answer({ kind: 'fetch', version: versionAt(2) });
    bench.page(versionAt(2), documentAt(2).slice(0, 1), 'more');
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(bench.refuse('failed').elapse().last).toMatchObject({ kind: 'fetch', pageToken: 'more' });
    }
    expect(bench.refuse('failed').elapse().last).toMatchObject({ kind: 'fetch', pageToken: '' });
  });

  it('never mixes pages of two versions', () => {
    const bench = new Bench().connect().answer({ kind: 'fetch', version: versionAt(2) });
    bench.page(versionAt(2), documentAt(2).slice(0, 1), 'more').page(versionAt(3), documentAt(3).slice(1));
    expect(bench.submits).toBe(0);
    expect(bench.actions.map(({ kind }) => kind)).toEqual(['warn', 'wait']);
  });

  it('refuses pages that do not have the digest of their version, or repeat a key', () => {
    for (const objects of [documentAt(1), [...documentAt(2), entry('key/1')]]) {
      const bench = new Bench().connect().answer({ kind: 'fetch', version: versionAt(2) });
      bench.page(versionAt(2), objects);
      expect(bench.submits).toBe(0);
      expect(bench.actions.map(({ kind }) => kind)).toEqual(['warn', 'wait']);
    }
  });

  it('keeps the last good document when the owner does not answer, and asks again later and later', () => {
    const bench = new Bench(2).connect();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      bench.refuse('failed');
      if (bench.last?.kind === 'wait') waits.push(bench.last.milliseconds);
      bench.elapse();
    }
    expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    expect(bench.version).toEqual(versionAt(2));
    expect(bench.submits).toBe(1);
  });

  it('empties the document once, on disk too, when the owner does not know this DPU, and goes on asking', () => {
    const bench = new Bench(2).connect().refuse('unknown');
    expect(bench.engine.size).toBe(0);
    expect(bench.version).toEqual(NOTHING);
    expect(bench.actions.map(({ kind }) => kind)).toEqual(['warn', 'submit', 'persist', 'wait']);
    bench.elapse().refuse('unknown');
    expect(bench.actions.map(({ kind }) => kind)).toEqual(['wait']);
    bench
      .elapse()
      .answer({ kind: 'fetch', version: versionAt(1) })
      .elapse()
      .page(versionAt(1), documentAt(1));
    expect(bench.engine.size).toBe(1);
  });

  it('hears no answer to what it no longer asks', () => {
    const bench = Bench.following(2).connect();
    const request = bench.request;
    bench.connect();
    expect(bench.replica.handle({ kind: 'refused', request, refusal: 'unknown' })).toEqual([]);
    expect(bench.engine.size).toBe(2);
  });

  it('repeats the question for a page on a new connection and asks what it missed once all are there', () => {
    const bench = new Bench().connect().answer({ kind: 'fetch', version: versionAt(1) });
    const before = bench.request;
    bench.connect();
    expect(bench.last).toMatchObject({ kind: 'fetch', pageToken: '' });
    expect(bench.request).toBeGreaterThan(before);
    bench.page(versionAt(1), documentAt(1));
    expect(bench.last).toMatchObject({ kind: 'synchronise', version: versionAt(1) });
  });

  it('holds a bounded number of deltas during a fetch and asks for what it dropped', () => {
    const bench = new Bench().connect().answer({ kind: 'fetch', version: versionAt(0) });
    for (let sequence = 1; sequence <= MAX_PENDING_DELTAS + 1; sequence++) bench.hear(deltaTo(sequence));
    bench.page(versionAt(0), []);
    expect(bench.version?.sequence).toBe(BigInt(MAX_PENDING_DELTAS));
    expect(bench.last).toMatchObject({ kind: 'synchronise' });
  });

  it('takes what the owner has, even if the owner lost its last commits and counts them again', () => {
    const bench = Bench.following(6)
      .elapse()
      .answer({ kind: 'fetch', version: versionAt(4) });
    bench.elapse().page(versionAt(4), documentAt(4));
    expect(bench.version).toEqual(versionAt(4));
    expect(bench.engine.size).toBe(4);
  });
});
