import { AppError } from '@outboard/core';
import {
  type DeltaTracker,
  difference,
  type PruneGate,
  type Retries,
  satisfies,
  type WakeIndex,
  waves,
} from '@outboard/reconcile';
import type { Driver, ObservedObject, Operation, OperationResult, Spec } from '../driver.js';
import type { Progress, Urgency } from './progress.js';
import { type Issue, type NeutralRecord, neededBy, type Want, type Wants } from './wants.js';

/** Failures in a row before one is told: what passes by itself within some 50 ms is nobody's business. */
const ATTEMPTS_BEFORE_PROBLEM = 3;

export interface ApplyPassContext<S extends Spec> {
  readonly driver: Driver<S>;
  readonly wants: Wants<S>;
  readonly tracker: DeltaTracker<Want<S>, ObservedObject<S>>;
  readonly progress: Progress;
  readonly gate: PruneGate;
  readonly retries: Retries;
  readonly waits: WakeIndex;
  rankOf(kind: S['kind']): number;
  queue(key: string, urgency: Urgency): void;
  /** Takes a key out of the queue; false if it was not in it. */
  dequeue(key: string): boolean;
  isQueued(key: string): boolean;
  /** Reads the key back some time later, together with many. */
  later(key: string): void;
  /** A key was worked on. */
  touched(key: string): void;
  /** Something is gone, and what needs it may have gone along. */
  lost(key: string): void;
}

/** Carries out the pending difference of some keys, in the order of their dependencies, and judges the outcome. */
export class ApplyPass<S extends Spec> {
  readonly #issues = new Map<string, Issue>();
  /** The records that wanted an object until lately: its removal is told of in their name. */
  readonly #releasing = new Map<string, readonly NeutralRecord<S>[]>();
  /** Objects that go with their container, by its key. */
  readonly #goingWith = new Map<string, Set<string>>();
  /** What was right, until something outside changed it. */
  readonly #drifted = new Set<string>();

  constructor(private readonly context: ApplyPassContext<S>) {}

  async run(keys: readonly string[], urgency: Urgency): Promise<void> {
    const { tracker, driver } = this.context;
    const removals: string[] = [];
    const slowRemovals: string[] = [];
    const upserts: string[] = [];
    for (const key of this.#withDependencies(keys)) {
      this.context.touched(key);
      const pending = tracker.pendingOf(key);
      if (pending === undefined) this.#settle(key);
      else if (pending !== 'delete') upserts.push(key);
      else if (driver.slowToRemove.has(this.#kindOf(key))) slowRemovals.push(key);
      else removals.push(key);
    }
    await this.#remove(removals, urgency);
    await this.#upsert(upserts, urgency);
    await this.#remove(slowRemovals, urgency);
  }

  /** Reads keys back after they were worked on. */
  async verify(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    let found: Map<string, ObservedObject<S>>;
    try {
      const objects = await this.context.driver.observe({ kind: 'keys', keys });
      found = new Map(objects.map((object) => [object.key, object]));
    } catch (failure) {
      for (const key of keys) this.#failed(key, `cannot be read back: ${AppError.from(failure).message}`);
      return;
    }
    for (const key of keys) this.readBack(key, found.get(key));
  }

  /** What a key is like after it was worked on. */
  readBack(key: string, found: ObservedObject<S> | undefined): void {
    const { tracker, isQueued } = this.context;
    this.#note(key, found);
    const pending = tracker.pendingOf(key);
    if (pending === undefined) this.#settle(key);
    else if (isQueued(key)) return;
    else if (pending === 'delete') this.#failed(key, `${key} was removed, but is still there`);
    else if (found === undefined) this.#failed(key, `${key} was acknowledged, but is not there`);
    else {
      const wanted = tracker.get(key)?.wanted?.object.spec;
      const how = difference(wanted, found.spec) ?? `it is ${found.ownership.kind}`;
      this.#failed(key, `${key} was acknowledged, but ${how}`);
    }
  }

  /** What a key is like, seen because of an event or by routine: what is wanted and is not so is repaired. */
  seen(key: string, found: ObservedObject<S> | undefined, urgency: Urgency): void {
    const { tracker, progress, retries, waits } = this.context;
    const pendingBefore = tracker.pendingOf(key);
    const before = tracker.get(key)?.observed;
    this.#note(key, found);
    this.#wake(waits.wake(key));
    const pending = tracker.pendingOf(key);
    if (pending === undefined) {
      if (!progress.isOpen(key) || pendingBefore !== undefined) this.#settle(key);
      return;
    }
    // Our own failing attempts cause events too: those wait for their next attempt.
    if (retries.attempts(key) > 0 && sameObservation(before, found)) return;
    const want = tracker.get(key)?.wanted;
    if (want === undefined) {
      if (this.#mayRemove(key)) this.context.queue(key, 'bulk');
      return;
    }
    if (pendingBefore === undefined) this.#drifted.add(key);
    progress.open(key, want.claims, urgency);
    this.context.queue(key, urgency);
  }

  /** What is wanted of a key is another now; `releasing`: the records that want it no longer, if none does. */
  desireChanged(key: string, releasing: readonly NeutralRecord<S>[]): void {
    const { tracker, retries, waits, queue, progress } = this.context;
    const want = tracker.get(key)?.wanted;
    retries.forget(key);
    waits.forget(key);
    this.#drifted.delete(key);
    if (want !== undefined) {
      this.#releasing.delete(key);
      for (const child of this.#goingWith.get(key) ?? []) queue(child, 'bulk');
      this.#goingWith.delete(key);
      // Who lost to another claim may have won now.
      for (const record of want.claims)
        if (want.claims.length > 1 || progress.problemOf(record) !== undefined) this.judge(record);
    } else if (releasing.length > 0) this.#releasing.set(key, releasing);
    if (tracker.pendingOf(key) === undefined) this.#settle(key);
  }

  /** Tells the problem of a record, or that it has none. */
  judge(record: NeutralRecord<S>): void {
    if (record.bytes !== undefined) this.context.progress.problem(record, this.issueOf(record));
    else if (![...record.objects].some(({ key }) => this.#issues.has(key)))
      this.context.progress.problem(record, undefined);
  }

  /** The first thing that is wrong with a record's objects, in their order; waiting only if nothing is wrong. */
  issueOf(record: NeutralRecord<S>): Issue | undefined {
    if (record.blocked !== undefined) return record.blocked;
    let pending: Issue | undefined;
    for (const object of record.objects) {
      const want = this.context.wants.wanted(object.key);
      if (want !== undefined && want.object !== object && !sameSpec(want.object.spec, object.spec)) {
        const [winner] = want.claims;
        return { state: 'FAILED', message: `${winner?.key} wants ${object.key} otherwise` };
      }
      const issue = this.#issues.get(object.key);
      if (issue?.state === 'PENDING') pending ??= issue;
      else if (issue !== undefined) return issue;
    }
    return pending;
  }

  /** The wanted objects that cannot be without one of these, or without one that cannot. */
  dependentsOf(lost: readonly string[]): ReadonlySet<string> {
    const { wants } = this.context;
    const found = new Set<string>();
    let fresh = new Set(lost.filter((key) => wants.isNeeded(key)));
    while (fresh.size > 0) {
      const next = new Set<string>();
      for (const key of wants.wantedKeys()) {
        if (found.has(key)) continue;
        const object = wants.wanted(key)?.object;
        const depends = object !== undefined && neededBy(object).some((each) => fresh.has(each));
        if (depends) next.add(key);
      }
      for (const key of next) found.add(key);
      fresh = next;
    }
    return found;
  }

  /** What waits in the queue and is needed by what is taken now goes along. */
  #withDependencies(keys: readonly string[]): Set<string> {
    const { tracker, dequeue } = this.context;
    const all = new Set(keys);
    for (const key of all) {
      const object = tracker.get(key)?.wanted?.object;
      for (const dependency of object === undefined ? [] : neededBy(object)) {
        if (!all.has(dependency) && dequeue(dependency)) all.add(dependency);
      }
    }
    return all;
  }

  async #upsert(keys: readonly string[], urgency: Urgency): Promise<void> {
    const { driver, tracker, rankOf, wants, later } = this.context;
    const leaves: string[] = [];
    for (const wave of waves(keys, (key) => rankOf(this.#kindOf(key)))) {
      const operations: Operation<S>[] = [];
      const worked: string[] = [];
      for (const key of wave) {
        const operation = this.#upsertOperation(key);
        if (operation === undefined) continue;
        operations.push(operation);
        worked.push(key);
      }
      if (operations.length === 0) continue;
      const done = this.#judgeResults(worked, await driver.apply(operations));
      // Nothing is built upon what was not read back: a gate opens behind filters that are there.
      await this.verify(done.filter((key) => wants.isNeeded(key)));
      for (const key of done) {
        if (wants.isNeeded(key)) continue;
        if (urgency === 'urgent' || tracker.get(key) === undefined) leaves.push(key);
        else later(key);
      }
    }
    await this.verify(leaves);
  }

  #upsertOperation(key: string): Operation<S> | undefined {
    const { tracker, waits } = this.context;
    const entry = tracker.get(key);
    if (entry?.wanted === undefined) return undefined;
    const { object, claims } = entry.wanted;
    const { observed } = entry;
    if (observed?.ownership.kind === 'foreign') {
      this.context.retries.failed(key);
      this.#leave(key, { state: 'FOREIGN', message: `${key} is taken by ${observed.ownership.found}` });
      return undefined;
    }
    const missing =
      object.requires?.find((dependency) => !this.#isPresent(dependency)) ??
      object.after.find((dependency) => !this.#isRight(dependency));
    if (missing !== undefined) {
      waits.wait(key, missing);
      this.#leave(key, { state: 'PENDING', message: `waits for ${missing}` });
      return undefined;
    }
    const [winner] = claims;
    const mark = { owner: winner?.owner ?? '', key: winner?.key ?? '' };
    return observed === undefined
      ? { action: 'create', object, mark }
      : { action: 'update', object, mark, observed: observed.spec };
  }

  async #remove(keys: readonly string[], urgency: Urgency): Promise<void> {
    const { driver, tracker, rankOf, later } = this.context;
    const removed: string[] = [];
    for (const wave of waves(keys, (key) => rankOf(this.#kindOf(key)), 'reverse')) {
      const operations: Operation<S>[] = [];
      const worked: string[] = [];
      for (const key of wave) {
        const observed = tracker.get(key)?.observed;
        if (observed === undefined || !this.#mayRemove(key)) this.context.progress.close(key);
        else if (!this.#goesWithContainer(key, observed)) {
          operations.push({ action: 'delete', key, observed: observed.spec });
          worked.push(key);
        }
      }
      if (operations.length > 0) removed.push(...this.#judgeResults(worked, await driver.apply(operations)));
    }
    if (urgency === 'urgent' || removed.length < 64) await this.verify(removed);
    else for (const key of removed) later(key);
  }

  #goesWithContainer(key: string, { within }: ObservedObject<S>): boolean {
    if (within === undefined || this.context.tracker.pendingOf(within) !== 'delete') return false;
    if (!this.#mayRemove(within)) return false;
    const siblings = this.#goingWith.get(within);
    if (siblings === undefined) this.#goingWith.set(within, new Set([key]));
    else siblings.add(key);
    return true;
  }

  /** May it go? Only what is ours, and only if its owner said so: by releasing it, or by a complete document without it. */
  #mayRemove(key: string): boolean {
    const observed = this.context.tracker.get(key)?.observed;
    if (observed?.ownership.kind !== 'owned') return false;
    const { owner } = observed.ownership;
    const releasers = this.#releasing.get(key) ?? [];
    if (releasers.some((record) => owner === undefined || record.owner === owner)) return true;
    return this.context.gate.allows(owner);
  }

  #isPresent(key: string): boolean {
    const observed = this.context.tracker.get(key)?.observed;
    return observed !== undefined && observed.ownership.kind !== 'foreign';
  }

  #isRight(key: string): boolean {
    const { tracker } = this.context;
    return tracker.get(key)?.wanted !== undefined && tracker.pendingOf(key) === undefined;
  }

  /** Deals with what was not done; returns the keys that were. */
  #judgeResults(keys: readonly string[], results: readonly OperationResult[]): string[] {
    const { waits } = this.context;
    const done: string[] = [];
    for (const [index, key] of keys.entries()) {
      const result = results[index];
      switch (result?.kind) {
        case 'done':
          done.push(key);
          break;
        case 'missing':
          waits.wait(key, result.dependency);
          this.#leave(key, { state: 'PENDING', message: result.message });
          break;
        case 'foreign':
          this.context.retries.failed(key);
          this.#leave(key, { state: 'FOREIGN', message: `${key} is taken by ${result.found}` });
          break;
        case 'unsupported':
          this.#leave(key, { state: 'UNSUPPORTED', message: result.why });
          break;
        case 'retry':
        case 'failed':
          this.#failed(key, `${key}: ${result.error.message} (${result.error.code})`);
          break;
        case undefined:
          this.#failed(key, `${key}: the driver gave no result`);
      }
    }
    return done;
  }

  /** Notes what a key is like; wakes what waited for it, and buries what went with it. */
  #note(key: string, found: ObservedObject<S> | undefined): void {
    const { tracker, waits, wants, lost } = this.context;
    const before = tracker.get(key)?.observed;
    tracker.observe(key, found);
    if (found !== undefined) {
      if (before === undefined) this.#wake(waits.wake(key));
      return;
    }
    if (before !== undefined && wants.isNeeded(key)) lost(key);
    const children = this.#goingWith.get(key);
    if (children === undefined) return;
    this.#goingWith.delete(key);
    for (const child of children) {
      this.#note(child, undefined);
      if (tracker.pendingOf(child) === undefined) this.#settle(child);
    }
  }

  #wake(keys: readonly string[]): void {
    const { tracker, progress, queue } = this.context;
    for (const key of keys) {
      progress.open(key, tracker.get(key)?.wanted?.claims ?? [], 'urgent');
      queue(key, 'urgent');
    }
  }

  #failed(key: string, message: string): void {
    if (this.context.retries.failed(key) >= ATTEMPTS_BEFORE_PROBLEM)
      this.#leave(key, { state: 'FAILED', message });
  }

  /** Nothing more can be done about a key for now, and this is why. */
  #leave(key: string, issue: Issue): void {
    this.#issues.set(key, issue);
    this.context.progress.close(key);
    for (const record of this.context.tracker.get(key)?.wanted?.claims ?? []) this.judge(record);
    for (const record of this.#releasing.get(key) ?? []) this.context.progress.problem(record, issue);
  }

  /** A key is as it should be. */
  #settle(key: string): void {
    const { tracker, progress, retries, waits } = this.context;
    retries.forget(key);
    waits.forget(key);
    progress.close(key);
    const want = tracker.get(key)?.wanted;
    const [winner] = want?.claims ?? [];
    if (this.#drifted.delete(key) && winner !== undefined) progress.repaired(winner.owner);
    const hadIssue = this.#issues.delete(key);
    const releasers = this.#releasing.get(key);
    if (releasers !== undefined) {
      this.#releasing.delete(key);
      if (hadIssue) for (const record of releasers) progress.problem(record, undefined);
    }
    if (hadIssue) for (const record of want?.claims ?? []) this.judge(record);
    if (want !== undefined) this.#wake(waits.wake(key));
  }

  #kindOf(key: string): S['kind'] {
    const entry = this.context.tracker.get(key);
    return (
      entry?.wanted?.object.spec.kind ?? entry?.observed?.spec.kind ?? this.context.driver.order[0] ?? ''
    );
  }
}

const sameSpec = (one: unknown, other: unknown): boolean => satisfies(one, other) && satisfies(other, one);

function sameObservation<S extends Spec>(
  one: ObservedObject<S> | undefined,
  other: ObservedObject<S> | undefined,
): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.ownership.kind === other.ownership.kind && sameSpec(one.spec, other.spec);
}
