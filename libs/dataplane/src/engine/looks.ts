import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@outboard/core';
import type { Driver, ObservedObject, Scope, Spec } from '../driver.js';
import type { ApplyPass } from './apply-pass.js';
import { asExpected, type Entry, type Tracker } from './entry.js';
import { Rounds } from './rounds.js';

/** More than this many are read back in the background. */
const READ_BACK_AT_ONCE = 1024;
const OBSERVATIONS_PER_SLICE = 1000;
const OBSERVE_RETRY_MILLISECONDS = 500;

export interface LooksContext<S extends Spec> {
  readonly driver: Driver<S>;
  readonly tracker: Tracker<S>;
  readonly pass: Pick<ApplyPass<S>, 'turn' | 'verify' | 'readBack' | 'seen'>;
  readonly clock: Clock;
  /** What a look at everything takes at least, section by section; undefined: only when events were missed. */
  readonly resyncMilliseconds: number | undefined;
  /** At the end of a look at everything, at once or section by section. */
  onEverythingSeen(): void;
  /** There is something to do that `verify` does. */
  onDue(): void;
}

/** Looks at many objects: at what was applied in bulk, and from time to time at everything, section by section. */
export class Looks<S extends Spec> implements AsyncDisposable {
  /** Applied, but not read back yet: large numbers are read in one go. */
  #unverified: Entry<S>[] = [];
  #background: Promise<void> | undefined;
  /** What is to be looked at in the background next. */
  #due: Exclude<Scope<S>, { kind: 'keys' }> | undefined;
  readonly #rounds: Rounds | undefined;
  /** How many there were. */
  #number = 0;
  #timer: Disposable | undefined;
  #closed = false;

  constructor(private readonly context: LooksContext<S>) {
    const { driver, resyncMilliseconds } = context;
    if (resyncMilliseconds !== undefined) this.#rounds = new Rounds(driver.sections, resyncMilliseconds);
  }

  /** In the background. */
  get isUnderWay(): boolean {
    return this.#background !== undefined;
  }

  get isDue(): boolean {
    return !this.isUnderWay && (this.#unverified.length > 0 || this.#due !== undefined);
  }

  /** An object was applied, and is to be read back with others. */
  later(entry: Entry<S>): void {
    entry.stage = 'unverified';
    this.#unverified.push(entry);
  }

  /** Events were missed, or may have been. */
  everythingIsDue(): void {
    this.#due = { kind: 'all' };
  }

  /** Begins to look at everything from time to time. */
  start(): void {
    if (this.#rounds !== undefined) this.#schedule(this.#rounds.restart(0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#background;
  }

  /** Reads back what was applied in bulk: a little at once, if there is no other work, and much in the background. */
  async verify(isIdle: boolean): Promise<void> {
    if (this.#background !== undefined) return;
    if (this.#due !== undefined) {
      const scope = this.#due;
      this.#due = undefined;
      this.#observeInBackground(scope);
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
    const { clock, driver, pass, tracker } = this.context;
    const waiting = this.#unverified.filter(({ stage }) => stage === 'unverified');
    const entries = waiting.filter(({ key }) => this.#isIn(scope, key));
    this.#unverified = waiting.filter(({ key }) => !this.#isIn(scope, key));
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
      for (const entry of this.#absent(scope, look)) {
        if (++count % OBSERVATIONS_PER_SLICE === 0) await nextTurn();
        if (tracker.get(entry.key) === entry && isUntouched(entry, startedAt))
          pass.seen(entry.key, undefined, 'bulk');
      }
      this.#seen(scope, clock.monotonic() - begin);
    };
    this.#background = work()
      .catch(() => {
        // It could not look: what is unverified stays so until it can.
        this.#due ??= scope.kind === 'section' ? scope : { kind: 'all' };
        for (const entry of entries) {
          if (entry.stage !== 'verifying') continue;
          entry.stage = 'unverified';
          this.#unverified.push(entry);
        }
        return clock.delay(OBSERVE_RETRY_MILLISECONDS);
      })
      .then(() => {
        this.#background = undefined;
        this.context.onDue();
      });
  }

  /** What a look would have found, and did not. */
  #absent(scope: Scope<S>, look: number): Entry<S>[] {
    if (scope.kind === 'keys') return [];
    const absent: Entry<S>[] = [];
    for (const entry of this.context.tracker.entries())
      if (entry.look !== look && this.#isIn(scope, entry.key)) absent.push(entry);
    return absent;
  }

  /** Of keys that are to be looked at one by one, only such are asked about. */
  #isIn(scope: Scope<S>, key: string): boolean {
    return scope.kind !== 'section' || this.context.driver.sections?.of(key) === scope.section;
  }

  #seen(scope: Scope<S>, took: number): void {
    if (scope.kind === 'keys') return;
    const isEverything = scope.kind === 'all' || this.#rounds?.advance() === true;
    if (this.#rounds !== undefined)
      this.#schedule(scope.kind === 'all' ? this.#rounds.restart(took) : this.#rounds.pauseAfter(took));
    if (isEverything) this.context.onEverythingSeen();
  }

  /** An object that a look in the background found; it began at the turn `startedAt`. */
  #found(object: ObservedObject<S>, scope: Scope<S>, startedAt: number, look: number): void {
    const { pass, tracker } = this.context;
    const entry = tracker.at(object.key);
    entry.look = look;
    if (entry.stage === 'verifying') {
      entry.stage = 'idle';
      pass.readBack(entry, object);
    } else if (isNew(entry) || (scope.kind !== 'keys' && isUntouched(entry, startedAt)))
      pass.seen(object.key, object, 'bulk');
  }

  /** The next look that nobody asks for. */
  #schedule(pause: number): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#closed) return;
    this.#timer = this.context.clock.schedule(pause, () => {
      this.#due ??= this.#rounds?.next;
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
