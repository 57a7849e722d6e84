import type { DriverObject, Spec } from '../driver.js';
import type { Entry, Tracker } from './entry.js';

const OVERDUE = 'overdue in ';
/** A whole as that which parts are to leave. */
const overdueIn = (whole: string): string => `${OVERDUE}${whole}`;
const isOverdue = (whole: string): boolean => whole.startsWith(OVERDUE);

/**
 * Which objects are wanted closed: those that rely on a whole of which a part cannot be made. Knows what relies on what,
 * and which parts are in doubt; both only while there are such.
 */
export class Closures<S extends Spec> {
  /** What can be closed, by the wholes that it relies on. */
  readonly #relying = new Map<string, Set<Entry<S>>>();
  /** Parts in doubt, by their whole. */
  readonly #doubtful = new Map<string, Set<string>>();
  /** The whole of a part in doubt, by the part's key. */
  readonly #wholes = new Map<string, string>();
  /** The whole that a part is to leave, by the part's key. */
  readonly #leaving = new Map<string, string>();

  constructor(
    private readonly tracker: Tracker<S>,
    /** An object is wanted closed from now on, or is not any more. */
    private readonly onChange: (entry: Entry<S>) => void,
  ) {}

  /** What is wanted under a key is this from now on, or nothing. */
  want(entry: Entry<S>, object: DriverObject<S> | undefined): void {
    const former = entry.open ?? entry.wanted;
    const before = former?.closed?.without;
    const without = object?.closed?.without;
    if (object !== undefined) this.#leaving.delete(entry.key);
    else if (former?.partOf !== undefined) this.#leaving.set(entry.key, former.partOf);
    if (before !== undefined) for (const whole of before) this.#release(whole, entry);
    if (without !== undefined) for (const whole of without) this.#rely(whole, entry);
    this.#form(entry, object);
  }

  /** A part cannot be made, or one that is to go cannot be removed. */
  doubt({ key, wanted }: Entry<S>): void {
    const left = this.#leaving.get(key);
    const whole = wanted === undefined ? left && overdueIn(left) : wanted.partOf;
    if (whole === undefined || this.#wholes.has(key)) return;
    this.#wholes.set(key, whole);
    const parts = this.#doubtful.get(whole);
    if (parts === undefined) this.#doubtful.set(whole, new Set([key]));
    else parts.add(key);
    if (parts === undefined) this.#changed(whole);
  }

  /** What is wanted of a part is another now: what was in doubt is not any more. */
  wantedChanged({ key, wanted }: Entry<S>): void {
    const whole = this.#wholes.get(key);
    if (whole !== undefined && isOverdue(whole) === (wanted !== undefined)) this.#clear(key);
  }

  /** A part is as it should be: it is there, or gone. */
  trust(key: string): void {
    this.#leaving.delete(key);
    this.#clear(key);
  }

  /** Parts that cannot be removed from what an object relies on as a whole: what is new is not built upon that. */
  *overdueFor({ after }: DriverObject<S>): Generator<string> {
    if (this.#doubtful.size === 0) return;
    for (const whole of after) yield* this.#doubtful.get(overdueIn(whole)) ?? [];
  }

  /** Whether it is to go, and cannot be removed. */
  isOverdue(key: string): boolean {
    return isOverdue(this.#wholes.get(key) ?? '');
  }

  #clear(key: string): void {
    const whole = this.#wholes.get(key);
    if (whole === undefined) return;
    this.#wholes.delete(key);
    const parts = this.#doubtful.get(whole);
    parts?.delete(key);
    if (parts?.size !== 0) return;
    this.#doubtful.delete(whole);
    this.#changed(whole);
  }

  /** What is closed because of a part. */
  closedBy(key: string): ReadonlySet<Entry<S>> {
    return this.#relying.get(this.#wholes.get(key) ?? '') ?? new Set();
  }

  /** The parts that an object is closed for. */
  *doubtsOf({ open }: Entry<S>): Generator<string> {
    for (const whole of open?.closed?.without ?? []) yield* this.#doubtful.get(whole) ?? [];
  }

  #changed(whole: string): void {
    for (const entry of this.#relying.get(whole) ?? []) {
      const { wanted } = entry;
      this.reform(entry);
      if (entry.wanted !== wanted) this.onChange(entry);
    }
  }

  /** What is held is open: it comes together with the parts that are in doubt, or not at all. */
  reform(entry: Entry<S>): void {
    this.#form(entry, entry.open ?? entry.wanted);
  }

  #form(entry: Entry<S>, object: DriverObject<S> | undefined): void {
    const { closed } = object ?? {};
    const isClosed = !entry.isHeld && closed?.without.some((whole) => this.#doubtful.has(whole));
    if (isClosed && entry.open === object) return;
    entry.open = isClosed ? object : undefined;
    this.tracker.want(entry, isClosed && object && closed ? { ...object, spec: closed.spec } : object);
  }

  #rely(whole: string, entry: Entry<S>): void {
    const entries = this.#relying.get(whole);
    if (entries === undefined) this.#relying.set(whole, new Set([entry]));
    else entries.add(entry);
  }

  #release(whole: string, entry: Entry<S>): void {
    const entries = this.#relying.get(whole);
    entries?.delete(entry);
    if (entries?.size === 0) this.#relying.delete(whole);
  }
}
