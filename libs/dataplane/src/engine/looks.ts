import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@outboard/core';
import type { Driver, ObservedObject, Scope, Spec } from '../driver.js';
import type { ApplyPass } from './apply-pass.js';
import { asExpected, type Entry, type Tracker } from './entry.js';

/** More than this many are read back in the background. */
const READ_BACK_AT_ONCE = 1024;
const OBSERVATIONS_PER_SLICE = 1000;
/** Full comparisons take at most a four hundredth of the time, unless that would make them rarer than this. */
const RESYNC_PAUSE_FACTOR = 400;
const MAX_RESYNC_MILLISECONDS = 600_000;
const OBSERVE_RETRY_MILLISECONDS = 500;

export interface LooksContext<S extends Spec> {
  readonly driver: Driver<S>;
  readonly tracker: Tracker<S>;
  readonly pass: Pick<ApplyPass<S>, 'turn' | 'verify' | 'readBack' | 'seen'>;
  readonly clock: Clock;
  /** Between two looks at everything; undefined: only when events were missed. */
  readonly resyncMilliseconds: number | undefined;
  /** At the end of a look at everything. */
  onEverythingSeen(): void;
  /** There is something to do that `verify` does. */
  onDue(): void;
}

/** Looks at many objects: at what was applied in bulk, and from time to time at everything. */
export class Looks<S extends Spec> implements AsyncDisposable {
  /** Applied, but not read back yet: large numbers are read in one go. */
  #unverified: Entry<S>[] = [];
  #background: Promise<void> | undefined;
  #resyncDue = false;
  /** How many there were. */
  #number = 0;
  #timer: Disposable | undefined;
  #closed = false;

  constructor(private readonly context: LooksContext<S>) {}

  /** In the background. */
  get isUnderWay(): boolean {
    return this.#background !== undefined;
  }

  get isDue(): boolean {
    return !this.isUnderWay && (this.#unverified.length > 0 || this.#resyncDue);
  }

  /** An object was applied, and is to be read back with others. */
  later(entry: Entry<S>): void {
    entry.stage = 'unverified';
    this.#unverified.push(entry);
  }

  /** Events were missed, or may have been. */
  everythingIsDue(): void {
    this.#resyncDue = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#background;
  }

  /** Reads back what was applied in bulk: a little at once, if there is no other work, and much in the background. */
  async verify(isIdle: boolean): Promise<void> {
    if (this.#background !== undefined) return;
    if (this.#resyncDue) {
      this.#resyncDue = false;
      this.#observeInBackground({ kind: 'all' });
    } else if (this.#unverified.length > 0 && isIdle) {
      if (this.#unverified.length > READ_BACK_AT_ONCE) {
        this.#observeInBackground(asExpected(this.#unverified));
      } else {
        const entries = this.#unverified.filter(({ stage }) => stage === 'unverified');
        this.#unverified = [];
        await this.context.pass.verify(entries);
        for (const entry of entries) entry.stage = 'idle';
      }
    }
  }

  #observeInBackground(scope: Scope<S>): void {
    const entries = this.#unverified.filter(({ stage }) => stage === 'unverified');
    this.#unverified = [];
    const { clock, driver, pass, tracker, onEverythingSeen } = this.context;
    const startedAt = pass.turn;
    const look = ++this.#number;
    const begin = clock.monotonic();
    const observation = driver.observe(scope);
    // What our own operations caused was told before it returned; from now on it is about something later.
    for (const entry of entries) entry.stage = 'verifying';
    const work = async (): Promise<void> => {
      const objects = await observation;
      let count = 0;
      for (const object of objects) {
        if (++count % OBSERVATIONS_PER_SLICE === 0) await nextTurn();
        this.#found(object, scope, startedAt, look);
      }
      for (const entry of entries) {
        if (++count % OBSERVATIONS_PER_SLICE === 0) await nextTurn();
        // Others were found, or worked on meanwhile, and read back with that.
        if (entry.stage !== 'verifying') continue;
        entry.stage = 'idle';
        if (tracker.get(entry.key) === entry) pass.readBack(entry, undefined);
      }
      if (scope.kind === 'keys') return;
      const absent = [...tracker.entries()].filter((entry) => entry.look !== look);
      for (const entry of absent) {
        if (++count % OBSERVATIONS_PER_SLICE === 0) await nextTurn();
        if (tracker.get(entry.key) === entry && isUntouched(entry, startedAt))
          pass.seen(entry.key, undefined, 'bulk');
      }
      onEverythingSeen();
    };
    this.#background = work()
      .catch(() => {
        // It could not look: what is unverified stays so until it can.
        this.#resyncDue = true;
        for (const entry of entries) {
          if (entry.stage !== 'verifying') continue;
          entry.stage = 'unverified';
          this.#unverified.push(entry);
        }
        return clock.delay(OBSERVE_RETRY_MILLISECONDS);
      })
      .then(() => {
        if (scope.kind === 'all') this.schedule(clock.monotonic() - begin);
        this.#background = undefined;
        this.context.onDue();
      });
  }

  /** An object that a look in the background found; it began at the turn `startedAt`. */
  #found(object: ObservedObject<S>, scope: Scope<S>, startedAt: number, look: number): void {
    const { pass, tracker } = this.context;
    const entry = tracker.at(object.key);
    entry.look = look;
    if (entry.stage === 'verifying') {
      entry.stage = 'idle';
      pass.readBack(entry, object);
    } else if (isNew(entry) || (scope.kind === 'all' && isUntouched(entry, startedAt)))
      pass.seen(object.key, object, 'bulk');
  }

  /** The next look at everything. `took`: milliseconds of the last one. */
  schedule(took: number): void {
    const { resyncMilliseconds, clock } = this.context;
    this.#timer?.[Symbol.dispose]();
    if (resyncMilliseconds === undefined || this.#closed) return;
    const pause = Math.min(RESYNC_PAUSE_FACTOR * took, MAX_RESYNC_MILLISECONDS);
    this.#timer = clock.schedule(Math.max(resyncMilliseconds, pause), () => {
      this.#resyncDue = true;
      this.context.onDue();
    });
  }
}

/** Nothing was known of it. */
const isNew = <S extends Spec>({ wanted, observed }: Entry<S>): boolean =>
  wanted === undefined && observed === undefined;

/** Nobody has worked on it since that turn: what was seen of it then is still true. */
const isUntouched = <S extends Spec>({ turn, stage }: Entry<S>, since: number): boolean =>
  turn <= since && stage === 'idle';
