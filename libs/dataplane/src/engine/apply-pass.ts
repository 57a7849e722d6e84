import { AppError } from '@outboard/core';
import { difference, type PruneGate, type Retries, type WakeIndex, waves } from '@outboard/reconcile';
import type { Driver, DriverObject, ObservedObject, Operation, OperationResult, Spec } from '../driver.js';
import type { Closures } from './closures.js';
import { missingFor } from './dependencies.js';
import {
  asExpected,
  type Entry,
  eachNeed,
  type Issue,
  NeutralRecord,
  sameObservation,
  type Tracker,
  type Urgency,
} from './entry.js';
import { HeldSteps } from './held-steps.js';
import type { Issues } from './issues.js';
import type { Offloads } from './offloads.js';
import type { Progress } from './progress.js';
import type { Wants } from './wants.js';

/** Failures in a row before one is told: what passes by itself within some 50 ms is nobody's business. */
const ATTEMPTS_BEFORE_PROBLEM = 3;
/** No intent is known that a leftover was there for. */
const NO_SOURCE = { kind: '', tenant: '', name: '' };
/** More removals than this are read back later, together. */
const REMOVALS_READ_BACK_AT_ONCE = 64;

export interface ApplyPassContext<S extends Spec> {
  readonly driver: Driver<S>;
  readonly wants: Wants<S>;
  readonly tracker: Tracker<S>;
  readonly closures: Closures<S>;
  readonly issues: Issues<S>;
  readonly progress: Progress;
  readonly offloads: Offloads<S>;
  readonly gate: PruneGate;
  readonly retries: Retries;
  readonly waits: WakeIndex;
  rankOf(kind: S['kind']): number;
  /** Equal for kinds that are made in one call. */
  groupOf(kind: S['kind']): unknown;
  queue(entry: Entry<S>, urgency: Urgency): void;
  /** Takes an entry out of the queue; false if it was not in it. */
  dequeue(entry: Entry<S>): boolean;
  /** Reads it back some time later, together with many. */
  later(entry: Entry<S>): void;
  /** Something is gone, and what needs it may have gone along. */
  lost(key: string): void;
}

/** Carries out the pending difference of some objects, in the order of their dependencies, and judges the outcome. */
export class ApplyPass<S extends Spec> {
  /** The records that wanted an object until lately: its removal is told of in their name. */
  readonly #releasing = new Map<string, readonly NeutralRecord<S>[]>();
  /** Objects that go with their container, by its key. */
  readonly #goingWith = new Map<string, Set<string>>();
  /** What was right, until something outside changed it. */
  readonly #drifted = new Set<string>();
  readonly #held: HeldSteps<S>;
  #turn = 0;
  /** Of the first step of this run that is all or nothing and was not done: what comes after it waits for this, too. */
  #failing: Entry<S> | undefined;

  constructor(private readonly context: ApplyPassContext<S>) {
    this.#held = new HeldSteps(context);
  }

  /** The number of the last run: `Entry.turn` tells whether an object was worked on since. */
  get turn(): number {
    return this.#turn;
  }

  async run(entries: readonly Entry<S>[], urgency: Urgency): Promise<void> {
    const { slowToRemove, atOnce, parts } = this.context.driver;
    const turn = ++this.#turn;
    const removals: Entry<S>[] = [];
    const slowRemovals: Entry<S>[] = [];
    const upserts: Entry<S>[] = [];
    const all = this.#withDependencies(entries);
    let comes = false;
    for (const { pending, wanted } of all)
      comes ||= pending !== undefined && wanted !== undefined && atOnce?.has(wanted.spec.kind) === true;
    const leaving: Entry<S>[] = [];
    for (const entry of all) {
      entry.stage = 'inHand';
      entry.turn = turn;
      if (entry.pending === undefined) this.#settle(entry);
      else if (entry.pending !== 'delete') upserts.push(entry);
      else if (comes && parts?.has(kindOf(entry))) leaving.push(entry);
      else if (slowToRemove.has(kindOf(entry))) slowRemovals.push(entry);
      else removals.push(entry);
    }
    this.#failing = undefined;
    await this.#remove(removals, urgency);
    // What is left and what takes its place change at once: in between it would be in neither, or in both.
    await this.#upsert([...leaving, ...upserts], urgency);
    // Also if that step was another run's: what is removed late is what may be asked until it is done.
    this.#failing ??= this.#held.failing;
    await this.#remove(slowRemovals, urgency);
    for (const entry of all) if (entry.stage === 'inHand' || entry.stage === 'applied') entry.stage = 'idle';
  }

  /** Reads objects back after they were worked on. */
  async verify(entries: readonly Entry<S>[]): Promise<void> {
    if (entries.length === 0) return;
    let found: Map<string, ObservedObject<S>>;
    try {
      const objects = await this.context.driver.observe(asExpected(entries));
      found = new Map(objects.map((object) => [object.key, object]));
    } catch (failure) {
      const { message } = AppError.from(failure);
      for (const entry of entries) {
        this.#failed(entry, `${entry.key} cannot be read back: ${message}`);
        // What it is like now is known to nobody, and no event will tell.
        this.context.lost(entry.key);
      }
      return;
    }
    for (const { key } of entries) this.readBack(this.context.tracker.at(key), found.get(key));
  }

  /** What an object is like after it was worked on. */
  readBack(entry: Entry<S>, found: ObservedObject<S> | undefined): void {
    this.#note(entry, found);
    if (entry.pending === undefined) this.#settle(entry);
    // What is wanted has changed meanwhile: that is not the driver's fault.
    else if (entry.lane >= 0) return;
    else if (entry.pending === 'delete') this.#failed(entry, `${entry.key} was removed, but is still there`);
    else if (found === undefined) this.#failed(entry, `${entry.key} was acknowledged, but is not there`);
    else {
      const how = difference(entry.wanted?.spec, found.spec) ?? `it is ${found.ownership.kind}`;
      this.#failed(entry, `${entry.key} was acknowledged, but ${how}`);
    }
  }

  /** What a key is like, seen because of an event or by routine: what is wanted and is not so is repaired. */
  seen(key: string, found: ObservedObject<S> | undefined, urgency: Urgency): void {
    const { tracker, progress, retries, waits, queue } = this.context;
    const known = tracker.get(key);
    if (known !== undefined && this.#isSettledAs(known, found)) return;
    const pendingBefore = known?.pending;
    const before = known?.observed;
    if (known === undefined && found === undefined) {
      this.#wake(waits.wake(key));
      return;
    }
    const entry = tracker.at(key);
    this.#note(entry, found);
    this.#wake(waits.wake(key), entry);
    if (entry.pending === undefined) {
      if (entry.urgency === undefined || pendingBefore !== undefined) this.#settle(entry);
      return;
    }
    // Our own failing attempts cause events too: those wait for their next attempt.
    if (retries.attempts(key) > 0 && sameObservation(before, found)) return;
    if (entry.wanted === undefined) {
      this.releaseLeftover(entry);
      return;
    }
    if (pendingBefore === undefined) this.#drifted.add(key);
    progress.open(entry, entry.claims, urgency);
    queue(entry, urgency);
  }

  /** It is known to be like that, it is right, and nobody waits for anything: the rule, where nothing has happened. */
  #isSettledAs({ pending, urgency, observed }: Entry<S>, found: ObservedObject<S> | undefined): boolean {
    const isAtRest = pending === undefined && urgency === undefined && this.context.waits.size === 0;
    return isAtRest && observed !== undefined && sameObservation(observed, found);
  }

  /**
   * What was found and is wanted by nobody may go, as its owner's document is complete and does not say it. Nobody is told
   * that this document is applied before it has gone: it may let something through.
   */
  releaseLeftover(entry: Entry<S>): void {
    const { progress, queue, wants } = this.context;
    const { key, observed } = entry;
    if (observed === undefined || !this.#mayRemove(entry)) return;
    if (!this.#releasing.has(key)) {
      const { owner } = observed.ownership.kind === 'owned' ? observed.ownership : {};
      const owners = owner === undefined ? wants.owners : [owner];
      const releasers = owners.map((owner) => new NeutralRecord<S>(owner, key, undefined, NO_SOURCE));
      this.#releasing.set(key, releasers);
      progress.open(entry, releasers, 'urgent');
    }
    queue(entry, 'bulk');
  }

  /** What is wanted of an object is another now; `releasing`: the records that want it no longer, if none does. */
  desireChanged(entry: Entry<S>, releasing: readonly NeutralRecord<S>[]): void {
    const { retries, waits, queue, tracker, progress, closures, issues } = this.context;
    const { key, claims } = entry;
    this.#held.goOn(key);
    closures.wantedChanged(entry);
    retries.forget(key);
    waits.forget(key);
    if (this.#drifted.size > 0) this.#drifted.delete(key);
    if (entry.wanted !== undefined) {
      if (this.#releasing.size > 0) this.#releasing.delete(key);
      for (const child of this.#goingWith.get(key) ?? []) {
        const own = tracker.get(child);
        if (own !== undefined) queue(own, 'bulk');
      }
      this.#goingWith.delete(key);
      // Who lost to another claim may have won now.
      for (const record of claims)
        if (claims.length > 1 || progress.problemOf(record) !== undefined) issues.judge(record);
    } else if (releasing.length > 0) this.#releasing.set(key, releasing);
    if (entry.pending === undefined) this.#settle(entry);
  }

  /** What waits in the queue and is needed by what is taken now goes along. */
  #withDependencies(entries: readonly Entry<S>[]): Set<Entry<S>> {
    const { tracker, dequeue } = this.context;
    const all = new Set(entries);
    for (const { key, wanted } of all) {
      // Those of its step that wait for it, too.
      for (const other of this.#held.release(key)) {
        dequeue(other);
        all.add(other);
      }
      if (wanted === undefined) continue;
      eachNeed(wanted, (key) => {
        const needed = tracker.get(key);
        if (needed !== undefined && needed.lane >= 0 && dequeue(needed)) all.add(needed);
      });
    }
    return all;
  }

  async #upsert(entries: readonly Entry<S>[], urgency: Urgency): Promise<void> {
    const { driver, wants, later } = this.context;
    let isPrepared = false;
    let unread: Entry<S>[] = [];
    for (const wave of this.#wavesOf(entries)) {
      // Nothing lets traffic through that is built upon what was not read back: a gate opens behind filters that are there.
      if (unread.length > 0 && wave.some((entry) => driver.readBackBefore?.has(kindOf(entry)) !== false)) {
        await this.verify(unread);
        unread = [];
      }
      // Not before: it may have to wait for what a step that is all or nothing does not wait for.
      if (!isPrepared && wave.some((entry) => driver.atOnce?.has(kindOf(entry)) !== true)) {
        isPrepared = true;
        driver.prepare?.(entries.flatMap(({ wanted, pending }) => (pending === 'create' && wanted) || []));
      }
      const operations: Operation<S>[] = [];
      const worked: Entry<S>[] = [];
      for (const entry of wave) {
        const operation = entry.wanted === undefined ? this.#removal(entry) : this.#upsertOperation(entry);
        if (operation === undefined) continue;
        operations.push(operation);
        worked.push(entry);
        entry.stage = 'applied';
      }
      if (operations.length === 0) continue;
      for (const entry of this.#judgeResults(worked, await driver.apply(operations))) {
        if (urgency === 'urgent' || wants.isNeeded(entry.key)) unread.push(entry);
        else later(entry);
      }
    }
    await this.verify(unread);
  }

  /** By rank, those of one group at once. */
  #wavesOf(entries: readonly Entry<S>[]): Entry<S>[][] {
    const { rankOf, groupOf } = this.context;
    const merged: Entry<S>[][] = [];
    let group: unknown;
    for (const wave of waves(entries, (entry) => rankOf(kindOf(entry)))) {
      const [first] = wave;
      const next = first && groupOf(kindOf(first));
      if (merged.length > 0 && next === group) merged[merged.length - 1]?.push(...wave);
      else merged.push(wave);
      group = next;
    }
    return merged;
  }

  #upsertOperation(entry: Entry<S>): Operation<S> | undefined {
    const { waits, retries, tracker } = this.context;
    const { key, wanted: object, observed, claims } = entry;
    const [mark] = claims;
    if (object === undefined || mark === undefined) return undefined;
    if (observed?.ownership.kind === 'foreign') {
      retries.failed(key);
      this.#leave(entry, { state: 'FOREIGN', message: `${key} is taken by ${observed.ownership.found}` });
      return undefined;
    }
    const missing = missingFor(tracker, object);
    if (missing !== undefined) {
      waits.wait(key, missing);
      this.#leave(entry, { state: 'PENDING', message: `waits for ${missing}` });
      return undefined;
    }
    const overdue = observed === undefined ? this.#overdueFor(object) : undefined;
    if (overdue !== undefined) {
      waits.wait(key, overdue);
      this.#leave(entry, { state: 'PENDING', message: `waits until ${overdue} is removed` });
      return undefined;
    }
    return observed === undefined
      ? { action: 'create', object, mark }
      : { action: 'update', object, mark, observed: observed.spec };
  }

  /** What is new might let through whom a part that cannot be removed stands for; one that goes in the same step does not. */
  #overdueFor(object: DriverObject<S>): string | undefined {
    const { closures, tracker } = this.context;
    for (const key of closures.overdueFor(object)) if (tracker.get(key)?.stage !== 'applied') return key;
    return undefined;
  }

  async #remove(entries: readonly Entry<S>[], urgency: Urgency): Promise<void> {
    const { driver, rankOf, later } = this.context;
    const removed: Entry<S>[] = [];
    for (const wave of waves(entries, (entry) => rankOf(kindOf(entry)), 'reverse')) {
      // What is to be rid of it first is still there: a policy without the set of those whom it denies would deny nobody.
      if (this.#failing !== undefined) {
        this.#held.hold(wave, this.#failing);
        continue;
      }
      const operations: Operation<S>[] = [];
      const worked: Entry<S>[] = [];
      for (const entry of wave) {
        const operation = this.#removal(entry);
        if (operation === undefined) continue;
        operations.push(operation);
        worked.push(entry);
      }
      if (operations.length > 0) removed.push(...this.#judgeResults(worked, await driver.apply(operations)));
    }
    if (urgency === 'urgent' || removed.length <= REMOVALS_READ_BACK_AT_ONCE) await this.verify(removed);
    else for (const entry of removed) later(entry);
  }

  #removal(entry: Entry<S>): Operation<S> | undefined {
    const { key, observed } = entry;
    if (observed !== undefined && this.#mayRemove(entry))
      return this.#goesWithContainer(key, observed)
        ? undefined
        : { action: 'delete', key, observed: observed.spec };
    this.#held.goOn(key);
    this.context.progress.close(entry);
    return undefined;
  }

  #goesWithContainer(key: string, { within }: ObservedObject<S>): boolean {
    const container = within === undefined ? undefined : this.context.tracker.get(within);
    if (container?.pending !== 'delete' || !this.#mayRemove(container)) return false;
    const siblings = this.#goingWith.get(container.key);
    if (siblings === undefined) this.#goingWith.set(container.key, new Set([key]));
    else siblings.add(key);
    return true;
  }

  /** May it go? Only what is ours, and only if its owner said so: by releasing it, or by a complete document without it. */
  #mayRemove({ key, observed }: Entry<S>): boolean {
    if (observed?.ownership.kind !== 'owned') return false;
    const { owner } = observed.ownership;
    const releasers = this.#releasing.get(key);
    if (releasers?.some((record) => owner === undefined || record.owner === owner)) return true;
    return this.context.gate.allows(owner);
  }

  /** Deals with what was not done; returns what was. */
  #judgeResults(entries: readonly Entry<S>[], results: readonly OperationResult[]): Entry<S>[] {
    const { waits, retries, tracker } = this.context;
    const done: Entry<S>[] = [];
    const others: Entry<S>[] = [];
    const failed: [entry: Entry<S>, message: string][] = [];
    for (const [index, entry] of entries.entries()) {
      const result = results[index];
      const { key } = entry;
      if (result?.kind !== 'done') entry.stage = 'inHand';
      switch (result?.kind) {
        case 'done':
          done.push(entry);
          break;
        case 'missing': {
          // What it needs may have failed in the same call: then it is this that it waits for.
          const missing = entry.wanted && missingFor(tracker, entry.wanted);
          const dependency = missing ?? result.dependency;
          waits.wait(key, dependency);
          // Of what is there already no appearance will be told.
          if (missing === undefined && tracker.get(dependency)?.observed !== undefined) retries.failed(key);
          const message = missing === undefined ? result.message : `waits for ${missing}`;
          this.#leave(entry, { state: 'PENDING', message });
          break;
        }
        case 'foreign':
          retries.failed(key);
          this.#leave(entry, { state: 'FOREIGN', message: `${key} is taken by ${result.found}` });
          break;
        case 'again':
          others.push(entry);
          break;
        case 'unsupported':
          this.#leave(entry, { state: 'UNSUPPORTED', message: result.why });
          break;
        case 'retry':
        case 'failed':
          failed.push([entry, `${key}: ${result.error.message} (${result.error.code})`]);
          break;
        case undefined:
          this.#failed(entry, `${key}: the driver gave no result`);
      }
    }
    this.#judgeFailures(failed, others);
    return done;
  }

  /**
   * `others`: of a step that is all or nothing, not done because of these. It is tried again as a whole, with the first of
   * them that may pass by itself.
   */
  #judgeFailures(
    failed: readonly (readonly [entry: Entry<S>, message: string])[],
    others: readonly Entry<S>[],
  ): void {
    const isStep = others.length > 0;
    const held = [...others];
    let failing: Entry<S> | undefined;
    for (const [entry, message] of failed) {
      if (isStep && failing !== undefined) {
        held.push(entry);
        continue;
      }
      this.#failed(entry, message);
      if (this.context.retries.attempts(entry.key) < ATTEMPTS_BEFORE_PROBLEM) failing ??= entry;
    }
    if (!isStep) return;
    this.#held.hold(held, failing);
    this.#failing ??= failing;
  }

  /** Notes what a key is like; wakes what waited for it, and buries what went with it. */
  #note(entry: Entry<S>, found: ObservedObject<S> | undefined): void {
    const { tracker, waits, wants, lost, offloads } = this.context;
    const { key, observed: before } = entry;
    tracker.observe(entry, found);
    if (before?.inHardware !== found?.inHardware) offloads.doubt(entry.claims);
    if (found !== undefined) {
      if (before === undefined) this.#wake(waits.wake(key), entry);
      return;
    }
    if (before !== undefined && wants.isNeeded(key)) lost(key);
    const children = this.#goingWith.get(key);
    if (children === undefined) return;
    this.#goingWith.delete(key);
    for (const child of children) {
      const own = tracker.at(child);
      this.#note(own, undefined);
      if (own.pending === undefined) this.#settle(own);
    }
  }

  /** They wait no longer for what `cause` was about: nobody is told that this is done before they are. */
  #wake(keys: readonly string[], cause?: Entry<S>): void {
    const { tracker, progress, queue } = this.context;
    for (const key of keys) {
      const entry = tracker.get(key);
      if (entry === undefined) continue;
      progress.open(entry, entry.claims, 'urgent', cause);
      queue(entry, 'urgent');
    }
  }

  #failed(entry: Entry<S>, message: string): void {
    this.context.closures.doubt(entry);
    if (this.context.retries.failed(entry.key) >= ATTEMPTS_BEFORE_PROBLEM)
      this.#leave(entry, { state: 'FAILED', message });
  }

  /** Nothing more can be done for now, and this is why. */
  #leave(entry: Entry<S>, issue: Issue): void {
    const { closures, issues, progress } = this.context;
    this.#held.goOn(entry.key);
    issues.note(entry.key, issue);
    progress.close(entry);
    this.#staysWith(entry.key);
    for (const record of entry.claims) issues.judge(record);
    closures.doubt(entry);
    for (const { claims } of closures.closedBy(entry.key)) for (const record of claims) issues.judge(record);
    for (const record of this.#releasing.get(entry.key) ?? []) progress.problem(record, issue);
  }

  /** What was to go with it stays along with it, and what was to go with that. */
  #staysWith(container: string): void {
    for (const child of this.#goingWith.get(container) ?? []) {
      const own = this.context.tracker.get(child);
      if (own !== undefined) this.context.progress.close(own);
      this.#staysWith(child);
    }
  }

  /** It is as it should be. */
  #settle(entry: Entry<S>): void {
    const { closures, issues, progress, retries, waits } = this.context;
    const { key, claims } = entry;
    retries.forget(key);
    waits.forget(key);
    const wasOverdue = closures.isOverdue(key);
    closures.trust(key);
    if (entry.wanted !== undefined || wasOverdue) this.#wake(waits.wake(key), entry);
    this.#held.goOn(key);
    progress.close(entry);
    const [winner] = claims;
    if (this.#drifted.delete(key) && winner !== undefined) progress.repaired(winner.owner);
    const hadIssue = issues.clear(key);
    const releasers = this.#releasing.get(key);
    if (releasers !== undefined) {
      this.#releasing.delete(key);
      if (hadIssue) for (const record of releasers) progress.problem(record, undefined);
    }
    if (hadIssue) for (const record of claims) issues.judge(record);
  }
}

const kindOf = <S extends Spec>({ wanted, observed }: Entry<S>): S['kind'] =>
  wanted?.spec.kind ?? observed?.spec.kind ?? '';
