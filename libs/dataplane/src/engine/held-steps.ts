import type { Spec } from '../driver.js';
import type { Closures } from './closures.js';
import { type Entry, NOBODY, type Tracker, type Urgency } from './entry.js';

export interface HeldStepsContext<S extends Spec> {
  readonly tracker: Tracker<S>;
  readonly closures: Closures<S>;
  queue(entry: Entry<S>, urgency: Urgency): void;
  /** Takes an entry out of the queue; false if it was not in it. */
  dequeue(entry: Entry<S>): boolean;
}

/** What was not done because something else of its step failed, by the key of that, with which it is tried again. */
export class HeldSteps<S extends Spec> {
  readonly #held = new Map<string, readonly Entry<S>[]>();

  constructor(private readonly context: HeldStepsContext<S>) {}

  /** One of those that others wait for. */
  get failing(): Entry<S> | undefined {
    for (const key of this.#held.keys()) return this.context.tracker.get(key);
    return undefined;
  }

  /** Others of its step are tried again together with what is failing, and without it once it was told. */
  hold(others: readonly Entry<S>[], failing: Entry<S> | undefined): void {
    const { closures, dequeue, queue } = this.context;
    if (failing === undefined) {
      for (const entry of others) {
        closures.reform(entry);
        queue(entry, entry.urgency ?? 'bulk');
      }
      return;
    }
    this.#held.set(failing.key, [...(this.#held.get(failing.key) ?? []), ...others]);
    for (const entry of others) {
      dequeue(entry);
      entry.isHeld = true;
      closures.reform(entry);
    }
  }

  /** Those that wait for the failing operation of their step need not wait any more. */
  goOn(key: string): void {
    const { closures, queue } = this.context;
    for (const entry of this.release(key)) {
      closures.reform(entry);
      queue(entry, entry.urgency ?? 'bulk');
    }
  }

  /** Those that waited, and are not held any more. */
  release(key: string): readonly Entry<S>[] {
    const others = this.#held.get(key);
    if (others === undefined) return NOBODY;
    this.#held.delete(key);
    for (const entry of others) entry.isHeld = false;
    // What was forgotten meanwhile may have a successor under its key, which is none of its business.
    return others.filter((entry) => this.context.tracker.get(entry.key) === entry);
  }
}
