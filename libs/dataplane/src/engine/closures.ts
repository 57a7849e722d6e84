import type { DriverObject, Spec } from '../driver.js';
import type { Entry, Tracker } from './entry.js';

/** Parts by the whole that each is of. */
class PartsOfWholes {
  readonly #parts = new Map<string, Set<string>>();
  readonly #wholes = new Map<string, string>();

  get isEmpty(): boolean {
    return this.#parts.size === 0;
  }

  /** Whether the whole has such parts. */
  has(whole: string): boolean {
    return this.#parts.has(whole);
  }

  of(whole: string): Iterable<string> {
    return this.#parts.get(whole) ?? [];
  }

  wholeOf(part: string): string | undefined {
    return this.#wholes.get(part);
  }

  /** True if it is the first of its whole. */
  add(part: string, whole: string): boolean {
    this.#wholes.set(part, whole);
    const parts = this.#parts.get(whole);
    if (parts === undefined) this.#parts.set(whole, new Set([part]));
    else parts.add(part);
    return parts === undefined;
  }

  /** The whole, if that was its last one. */
  remove(part: string): string | undefined {
    const whole = this.#wholes.get(part);
    if (whole === undefined) return undefined;
    this.#wholes.delete(part);
    const parts = this.#parts.get(whole);
    parts?.delete(part);
    if (parts?.size !== 0) return undefined;
    this.#parts.delete(whole);
    return whole;
  }
}

/**
 * Which objects are wanted closed: those that rely on a whole of which a part cannot be made. Knows what relies on what,
 * and which parts are in doubt; both only while there are such.
 */
export class Closures<S extends Spec> {
  /** What can be closed, by the wholes that it relies on. */
  readonly #relying = new Map<string, Set<Entry<S>>>();
  /** Those that cannot be made: their wholes are in doubt. */
  readonly #unmade = new PartsOfWholes();
  /** Those that are to go, and cannot be removed. */
  readonly #overdue = new PartsOfWholes();
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
    if (this.#unmade.wholeOf(key) !== undefined || this.isOverdue(key)) return;
    const whole = wanted === undefined ? this.#leaving.get(key) : wanted.partOf;
    if (whole === undefined) return;
    if (wanted === undefined) this.#overdue.add(key, whole);
    else if (this.#unmade.add(key, whole)) this.#changed(whole);
  }

  /** What is wanted of a part is another now: what was in doubt is not any more. */
  wantedChanged({ key, wanted }: Entry<S>): void {
    if (wanted === undefined) this.#clear(key);
    else this.#overdue.remove(key);
  }

  /** A part is as it should be: it is there, or gone. */
  trust(key: string): void {
    this.#leaving.delete(key);
    this.#overdue.remove(key);
    this.#clear(key);
  }

  /** Parts that cannot be removed from what an object relies on as a whole: what is new is not built upon that. */
  *overdueFor({ after }: DriverObject<S>): Generator<string> {
    if (this.#overdue.isEmpty) return;
    for (const whole of after) yield* this.#overdue.of(whole);
  }

  /** Whether it is to go, and cannot be removed. */
  isOverdue(key: string): boolean {
    return this.#overdue.wholeOf(key) !== undefined;
  }

  /** What is closed because of a part. */
  closedBy(key: string): ReadonlySet<Entry<S>> {
    return this.#relying.get(this.#unmade.wholeOf(key) ?? '') ?? new Set();
  }

  /** The parts that an object is closed for. */
  *doubtsOf({ open }: Entry<S>): Generator<string> {
    for (const whole of open?.closed?.without ?? []) yield* this.#unmade.of(whole);
  }

  /** What could not be made is there, or is not to be there any more. */
  #clear(key: string): void {
    const whole = this.#unmade.remove(key);
    if (whole !== undefined) this.#changed(whole);
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
    const isClosed = !entry.isHeld && closed?.without.some((whole) => this.#unmade.has(whole));
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
