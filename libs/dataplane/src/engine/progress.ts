import {
  type DocumentReport,
  type DocumentVersion,
  MAX_LISTED_PROBLEMS,
  type ObjectProblem,
  type Source,
} from '../document.js';
import type { Spec } from '../driver.js';
import { type Issue, type NeutralRecord, NOBODY, type Task, type Urgency } from './entry.js';

/** The work under way for one source: one line of the report stands for all of it. */
interface Unsettled {
  readonly key: string;
  count: number;
}

interface OwnerState {
  /** By neutral key. */
  readonly problems: Map<string, ObjectProblem>;
  /** Of bulk work. */
  readonly unsettled: Map<Source, Unsettled>;
  /** Urgent tasks that were open when `due` was noted, and those since. */
  older: number;
  newer: number;
  bulk: number;
  /**
   * The document as it was when everything older was open: what is to be told when that is over. Under steady load
   * there is always something open, and nobody would ever hear of what is done.
   */
  due: DocumentVersion | undefined;
  /** The round in which `due` was noted. */
  dueRound: number;
  repaired: number;
  /** There is something new to tell: at once, or when all is settled. */
  news: Urgency | undefined;
}

/** What is under way, what went wrong, and when that is worth a report. Knows nothing of drivers. */
export class Progress {
  readonly #owners = new Map<string, OwnerState>();
  #round = 0;

  constructor(owners: readonly string[]) {
    for (const owner of owners) {
      this.#owners.set(owner, {
        problems: new Map(),
        unsettled: new Map(),
        older: 0,
        newer: 0,
        bulk: 0,
        due: undefined,
        dueRound: 0,
        repaired: 0,
        news: undefined,
      });
    }
  }

  /**
   * Work on an object or a record begins on behalf of records; what is under way stays at least as urgent, and as old.
   * `cause`: what it is a part of, and as old as.
   */
  open(task: Task, records: readonly NeutralRecord<Spec>[], urgency: Urgency, cause?: Task): void {
    if (task.urgency !== undefined) {
      if (task.openFor === records && (task.urgency === urgency || task.urgency === 'urgent')) return;
      this.#count(task, -1);
    } else task.round = cause?.urgency === undefined ? this.#round : cause.round;
    task.urgency = task.urgency === 'urgent' ? 'urgent' : urgency;
    task.openFor = records;
    this.#count(task, 1);
  }

  /** The work is over: done, or left with an issue. */
  close(task: Task): void {
    if (task.urgency === undefined) return;
    this.#count(task, -1);
    task.urgency = undefined;
    task.openFor = NOBODY;
  }

  /** The state of a record changed; undefined: nothing is wrong. */
  problem({ owner, key, source }: NeutralRecord<Spec>, issue: Issue | undefined): void {
    const state = this.#owners.get(owner);
    if (state === undefined) return;
    const before = state.problems.get(key);
    if (before?.message === issue?.message && before?.state === issue?.state) return;
    if (issue === undefined) state.problems.delete(key);
    else state.problems.set(key, { key, source, ...issue });
    this.news(owner);
  }

  /** There is something to tell an owner: amid bulk work, at its end. */
  news(owner: string): void {
    const state = this.#owners.get(owner);
    if (state !== undefined) state.news ??= state.bulk > 0 ? 'bulk' : 'urgent';
  }

  problemOf({ owner, key }: NeutralRecord<Spec>): ObjectProblem | undefined {
    return this.#owners.get(owner)?.problems.get(key);
  }

  repaired(owner: string): void {
    const state = this.#owners.get(owner);
    if (state === undefined) return;
    state.repaired++;
    state.news = 'urgent';
  }

  /** The owner's document changed, or was confirmed: its version is to be reported. */
  changed(owner: string, urgency: Urgency): void {
    const state = this.#owners.get(owner);
    if (state !== undefined && state.news !== 'urgent') state.news = urgency;
  }

  /** The report that is due for an owner now, whose document is of this version; undefined if none is. */
  report(owner: string, version: DocumentVersion): DocumentReport | undefined {
    const state = this.#owners.get(owner);
    if (state?.news === undefined || state.older > 0) return undefined;
    if (state.news === 'bulk' && state.bulk > 0) return undefined;
    const told = state.newer > 0 ? state.due : version;
    state.due = undefined;
    if (state.newer > 0) this.#note(state, version);
    return told && this.#tell(owner, state, told, version);
  }

  /** From now on what is open is older than what comes. */
  #note(state: OwnerState, version: DocumentVersion): void {
    state.due = version;
    state.dueRound = ++this.#round;
    state.older = state.newer;
    state.newer = 0;
  }

  #tell(owner: string, state: OwnerState, version: DocumentVersion, newest: DocumentVersion): DocumentReport {
    const { problems, unsettled, repaired } = state;
    const listed: ObjectProblem[] = [];
    for (const problem of problems.values()) {
      if (listed.length >= MAX_LISTED_PROBLEMS) break;
      listed.push(problem);
    }
    for (const [source, { key }] of unsettled) {
      if (listed.length >= MAX_LISTED_PROBLEMS) break;
      listed.push({ key, source, state: 'PENDING', message: 'not applied yet', isUnderWay: true });
    }
    const problemTotal = problems.size + unsettled.size;
    state.repaired = 0;
    // A report that leaves something open is followed by one that does not.
    if (version === newest) state.news = unsettled.size > 0 ? 'bulk' : undefined;
    return { owner, version, problems: listed, problemTotal, repaired };
  }

  #count({ openFor, urgency, round }: Task, change: 1 | -1): void {
    for (const { owner, source, key } of openFor) {
      const state = this.#owners.get(owner);
      if (state === undefined) continue;
      if (urgency === 'urgent') {
        state[round < state.dueRound ? 'older' : 'newer'] += change;
        continue;
      }
      state.bulk += change;
      const unsettled = state.unsettled.get(source);
      if (unsettled === undefined) state.unsettled.set(source, { key, count: change });
      else if (unsettled.count + change === 0) state.unsettled.delete(source);
      else unsettled.count += change;
    }
  }
}
