import { describe, expect, it } from '@jest/globals';
import { DocumentDigest } from '@outboard/contracts';
import type { DocumentUpdate, DocumentVersion } from '@outboard/dataplane';
import fc from 'fast-check';
import { amend } from './document-change.js';
import { DocumentReplica, NOTHING, SYNC_JITTER } from './document-replica.js';
import {
  type Delta,
  type DocumentChange,
  type DocumentState,
  isSameVersion,
  type ReplicaAction,
  type ReplicaEvent,
  type SyncAnswer,
} from './replica-protocol.js';

const nameOf = ({ epoch, sequence, digest }: DocumentVersion): string =>
  `${epoch}/${sequence}/${Buffer.from(digest).toString('hex')}`;
const PAGE = 2;

/** The owner of a document, with everything that it ever had. */
class Owner {
  #epochs = 0;
  #epoch = 'epoch-0';
  #timeline: { state: DocumentState; delta: Delta | undefined }[] = [];
  readonly history = new Map<string, ReadonlyMap<string, Uint8Array>>();
  knowsDpu = true;
  /** Versions whose pages can still be had. */
  #pinned = new Map<string, DocumentState>();

  constructor() {
    this.#begin(new Map());
  }

  get state(): DocumentState {
    const last = this.#timeline.at(-1);
    if (last === undefined) throw new Error('an owner has a document');
    return last.state;
  }

  change(upserts: ReadonlyMap<string, Uint8Array>, deletes: readonly string[]): Delta {
    const { version, entries } = this.state;
    const changed = new Map(entries);
    for (const key of deletes) changed.delete(key);
    for (const [key, object] of upserts) changed.set(key, object);
    // Gaps between sequences are normal.
    const state = this.#stateOf(version.sequence + 1n + BigInt(upserts.size % 2), changed);
    const delta = { base: version.sequence, version: state.version, upserts, deletes };
    this.#timeline.push({ state, delta });
    return delta;
  }

  /** Restored from a backup: counts on from where that was, under a new epoch. */
  restore(back: number): void {
    const at = Math.max(0, this.#timeline.length - 1 - back);
    const entries = this.#timeline[at]?.state.entries ?? new Map();
    this.#epoch = `epoch-${++this.#epochs}`;
    this.#begin(entries);
  }

  /** Its last commits are gone with the power; it does not know. */
  losePower(back: number): void {
    this.#timeline.length = Math.max(1, this.#timeline.length - back);
    this.forgetPages();
  }

  forgetPages(): void {
    this.#pinned.clear();
  }

  answer(question: ReplicaAction, preferDeltas: boolean): ReplicaEvent | undefined {
    if (question.kind !== 'synchronise' && question.kind !== 'fetch') return undefined;
    const { request } = question;
    if (!this.knowsDpu) return { kind: 'refused', request, refusal: 'unknown' };
    if (question.kind === 'synchronise') {
      return { kind: 'synchronised', request, answer: this.#synchronise(question.version, preferDeltas) };
    }
    const [name = '', from = '0'] = question.pageToken.split(' ');
    const pinned = question.pageToken === '' ? this.state : this.#pinned.get(name);
    if (pinned === undefined) return { kind: 'refused', request, refusal: 'aborted' };
    this.#pinned.set(nameOf(pinned.version), pinned);
    const offset = Number(from);
    const all = [...pinned.entries].map(([key, object]) => ({ key, object }));
    const nextPageToken = offset + PAGE < all.length ? `${nameOf(pinned.version)} ${offset + PAGE}` : '';
    const page = { version: pinned.version, objects: all.slice(offset, offset + PAGE), nextPageToken };
    return { kind: 'page', request, page };
  }

  #synchronise(held: DocumentVersion, preferDeltas: boolean): SyncAnswer {
    if (isSameVersion(held, this.state.version)) return { kind: 'current' };
    const at = this.#timeline.findIndex(({ state }) => isSameVersion(state.version, held));
    const deltas = this.#timeline.slice(at + 1).flatMap(({ delta }) => (delta === undefined ? [] : [delta]));
    if (preferDeltas && at >= 0) return { kind: 'deltas', deltas };
    return { kind: 'fetch', version: this.state.version };
  }

  #begin(entries: ReadonlyMap<string, Uint8Array>): void {
    this.#timeline = [{ state: this.#stateOf(0n, entries), delta: undefined }];
    this.forgetPages();
  }

  #stateOf(sequence: bigint, entries: ReadonlyMap<string, Uint8Array>): DocumentState {
    const digest = DocumentDigest.of([...entries].map(([key, object]) => ({ key, object }))).toBytes();
    const version = { epoch: this.#epoch, sequence, digest };
    this.history.set(nameOf(version), entries);
    return { version, entries };
  }
}

/** A worker and a network that loses, doubles, delays and reorders between it and the owner. */
class World {
  readonly owner = new Owner();
  deltas: Delta[] = [];
  answers: ReplicaEvent[] = [];
  #questions: ReplicaAction[] = [];
  #replica: DocumentReplica = new DocumentReplica('network');
  #engine = new Map<string, Uint8Array>();
  #engineVersion: DocumentVersion | undefined;
  #disk: DocumentState | undefined;
  /** What its disk does not have: changes, or undefined for all of it. */
  #unwritten: DocumentChange[] | undefined = [];
  #waits = false;
  /** The wait is the one of a replica that agrees with its owner. */
  #follows = false;
  #connectedOnce = false;
  #wasUnknown = false;
  /** How often the dataplane was given an older version of the same epoch than it had. */
  stepsBack = 0;

  /** The process starts anew from whatever its disk has; the dataplane keeps what it had. */
  restartWorker(): void {
    this.#questions = [];
    this.answers = [];
    this.#waits = false;
    this.#unwritten = [];
    this.#connectedOnce = false;
    this.#replica = new DocumentReplica('network', this.#disk);
    this.#take(this.#replica.start('kept'));
  }

  writeDisk(): void {
    const { version, entries } = this.#replica.state;
    if (this.#unwritten === undefined) this.#disk = { version, entries: new Map(entries) };
    for (const change of this.#unwritten ?? []) {
      const amended = new Map(this.#disk?.entries);
      amend(amended, change);
      this.#disk = { version: change.version, entries: amended };
    }
    // What is written change by change is what would be written as a whole.
    if (this.#disk !== undefined) expect(this.#disk).toEqual({ version, entries });
    this.#unwritten = [];
  }

  connect(): void {
    this.#connectedOnce = true;
    this.#handle({ kind: 'connected' });
  }

  elapse(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#handle({ kind: 'elapsed' });
  }

  hear(index: number, keep: boolean): void {
    const delta = this.deltas.at(index % Math.max(1, this.deltas.length));
    if (delta === undefined) return;
    if (!keep) this.deltas.splice(this.deltas.indexOf(delta), 1);
    this.#handle({ kind: 'delta', delta });
  }

  /** The owner answers one of the questions; the answer travels. */
  ask(index: number, preferDeltas: boolean): void {
    const [question] = this.#questions.splice(index % Math.max(1, this.#questions.length), 1);
    if (question === undefined) return;
    if (!this.owner.knowsDpu) this.#wasUnknown = true;
    const answer = this.owner.answer(question, preferDeltas);
    if (answer !== undefined) this.answers.push(answer);
  }

  deliverAnswer(index: number): void {
    const [answer] = this.answers.splice(index % Math.max(1, this.answers.length), 1);
    if (answer !== undefined) this.#handle(answer);
  }

  failQuestion(index: number): void {
    const [question] = this.#questions.splice(index % Math.max(1, this.#questions.length), 1);
    if (question?.kind === 'synchronise' || question?.kind === 'fetch') {
      this.#handle({ kind: 'refused', request: question.request, refusal: 'failed' });
    }
  }

  /** The network heals; steps until nothing is left to do but to ask again in ten seconds. */
  heal(preferDeltas: boolean): void {
    this.deltas = [];
    this.owner.knowsDpu = true;
    this.connect();
    for (let steps = 0; steps < 200; steps++) {
      if (this.answers.length > 0) this.deliverAnswer(0);
      else if (this.#questions.length > 0) this.ask(0, preferDeltas);
      else if (this.isConverged && this.#follows) return;
      else this.elapse();
    }
    throw new Error('it does not converge');
  }

  get isConverged(): boolean {
    const { version, entries } = this.owner.state;
    if (this.#engineVersion === undefined || !isSameVersion(version, this.#engineVersion)) return false;
    expect(this.#engine).toEqual(entries);
    return true;
  }

  #handle(event: ReplicaEvent): void {
    this.#take(this.#replica.handle(event));
    // It never falls asleep: there is a question under way, or the time of the next is set.
    if (this.#connectedOnce)
      expect(this.#waits || this.#questions.length + this.answers.length > 0).toBe(true);
  }

  #take(actions: readonly ReplicaAction[]): void {
    for (const action of actions) {
      if (action.kind === 'submit') this.#submit(action.update);
      else if (action.kind === 'persist') {
        if (action.change === undefined) this.#unwritten = undefined;
        else this.#unwritten?.push(action.change);
      } else if (action.kind === 'wait') {
        this.#waits = true;
        this.#follows = action.jitter === SYNC_JITTER;
      } else if (action.kind !== 'warn') this.#questions.push(action);
    }
  }

  #submit({ version, complete, upserts, deletes }: DocumentUpdate): void {
    const before = this.#engineVersion;
    if (version.epoch === before?.epoch && version.sequence < before.sequence) this.stepsBack++;
    if (complete !== undefined) this.#engine = new Map(complete);
    for (const key of deletes ?? []) this.#engine.delete(key);
    for (const [key, object] of upserts ?? []) this.#engine.set(key, object);
    this.#engineVersion = version;
    if (isSameVersion(version, NOTHING)) {
      expect(this.#wasUnknown).toBe(true);
      expect(this.#engine.size).toBe(0);
    } else {
      // Whatever happened to messages: what is submitted is a version that the owner had, whole.
      expect(this.#engine).toEqual(this.owner.history.get(nameOf(version)));
    }
  }
}

const key = fc.integer({ min: 0, max: 7 }).map((number) => `key/${number}`);
/** What may happen, and how often. */
const WEIGHTS = {
  change: 6,
  announce: 1,
  hear: 6,
  lose: 1,
  ask: 6,
  deliver: 6,
  fail: 2,
  elapse: 4,
  connect: 1,
  restore: 1,
  losePower: 1,
  forgetPages: 1,
  know: 1,
  restartWorker: 1,
  writeDisk: 1,
} as const;
type Happening = keyof typeof WEIGHTS;

const happeningOf = (names: readonly Happening[]) =>
  fc.oneof(...names.map((name) => ({ weight: WEIGHTS[name], arbitrary: fc.constant(name) })));
const happening = happeningOf(Object.keys(WEIGHTS) as Happening[]);
/** What may happen to messages and to the worker while the owner is well, and within reach. */
const WHILE_THE_OWNER_ANSWERS: readonly Happening[] = [
  'change',
  'announce',
  'hear',
  'lose',
  'ask',
  'deliver',
  'connect',
  'restartWorker',
  'writeDisk',
  'forgetPages',
];
/** Each happening uses of this what it needs. */
const details = fc.record({
  key,
  other: key,
  byte: fc.nat(255),
  index: fc.nat(7),
  keep: fc.boolean(),
  known: fc.boolean(),
  preferDeltas: fc.boolean(),
});
type Details = typeof details extends fc.Arbitrary<infer Value> ? Value : never;

const perform: Readonly<Record<Happening, (world: World, details: Details) => void>> = {
  change: (world, { key, other, byte }) => {
    const deletes = other === key ? [] : [other];
    world.deltas.push(world.owner.change(new Map([[key, Uint8Array.of(byte)]]), deletes));
  },
  announce: (world, { key, byte }) => {
    const { base, version } = world.owner.change(new Map([[key, Uint8Array.of(byte)]]), []);
    world.deltas.push({ base, version, upserts: new Map(), deletes: [] });
  },
  hear: (world, { index, keep }) => world.hear(index, keep),
  lose: (world, { index }) => void world.deltas.splice(index, 1),
  ask: (world, { index, preferDeltas }) => world.ask(index, preferDeltas),
  deliver: (world, { index }) => world.deliverAnswer(index),
  fail: (world, { index }) => world.failQuestion(index),
  elapse: (world) => world.elapse(),
  connect: (world) => world.connect(),
  restore: (world, { index }) => world.owner.restore(index),
  losePower: (world, { index }) => world.owner.losePower(index),
  forgetPages: (world) => world.owner.forgetPages(),
  know: (world, { known }) => {
    world.owner.knowsDpu = known;
  },
  restartWorker: (world) => world.restartWorker(),
  writeDisk: (world) => world.writeDisk(),
};

describe('the replica of a document, under loss, duplication, reordering, staleness and restarts', () => {
  it('submits only versions that the owner had, never falls asleep, and converges when the network heals', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(happening, details), { maxLength: 120, size: 'max' }),
        fc.boolean(),
        (steps, preferDeltas) => {
          const world = new World();
          world.connect();
          for (const [what, detail] of steps) perform[what](world, detail);
          world.heal(preferDeltas);
          // And follows from there.
          world.deltas.push(world.owner.change(new Map([['key/last', Uint8Array.of(1)]]), []));
          world.hear(0, false);
          expect(world.isConverged).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('never takes away what came after what the disk has, in a restart whose owner answers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(happeningOf(WHILE_THE_OWNER_ANSWERS), details), { maxLength: 120, size: 'max' }),
        (steps) => {
          const world = new World();
          world.connect();
          for (const [what, detail] of steps) perform[what](world, detail);
          expect(world.stepsBack).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});
