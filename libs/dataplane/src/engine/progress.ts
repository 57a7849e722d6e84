import {
  type DocumentReport,
  type DocumentVersion,
  MAX_LISTED_PROBLEMS,
  type ObjectProblem,
  type Source,
} from '../document.js';
import type { Spec } from '../driver.js';
import type { Issue, NeutralRecord } from './wants.js';

/** Somebody waits for urgent work (a port is attached); bulk work (a whole document) is told about when it is over. */
export type Urgency = 'urgent' | 'bulk';

interface Open {
  readonly urgency: Urgency;
  readonly records: readonly NeutralRecord<Spec>[];
}

/** The work under way for one source: one line of the report stands for all of it. */
interface Unsettled {
  readonly key: string;
  count: number;
}

interface OwnerState {
  readonly problems: Map<string, ObjectProblem>;
  readonly unsettled: Map<Source, Unsettled>;
  urgent: number;
  bulk: number;
  repaired: number;
  /** There is something new to tell: at once, or when all is settled. */
  news: Urgency | undefined;
}

const UNDER_WAY = 'not applied yet';

/** What is under way, what went wrong, and when that is worth a report. Knows nothing of drivers. */
export class Progress {
  readonly #owners = new Map<string, OwnerState>();
  readonly #open = new Map<string, Open>();

  constructor(owners: readonly string[]) {
    for (const owner of owners) {
      this.#owners.set(owner, {
        problems: new Map(),
        unsettled: new Map(),
        urgent: 0,
        bulk: 0,
        repaired: 0,
        news: undefined,
      });
    }
  }

  /** Work on a key (of a driver object or a record) begins on behalf of records; what is open stays at least as urgent. */
  open(key: string, records: readonly NeutralRecord<Spec>[], urgency: Urgency): void {
    const before = this.#open.get(key);
    if (before !== undefined) {
      if (before.records === records && (before.urgency === urgency || before.urgency === 'urgent')) return;
      this.#count(before, -1);
    }
    const open: Open = { urgency: before?.urgency === 'urgent' ? 'urgent' : urgency, records };
    this.#open.set(key, open);
    this.#count(open, 1);
  }

  /** The work on a key is over: done, or left with an issue. */
  close(key: string): void {
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#open.delete(key);
    this.#count(open, -1);
  }

  isOpen(key: string): boolean {
    return this.#open.has(key);
  }

  urgencyOf(key: string): Urgency | undefined {
    return this.#open.get(key)?.urgency;
  }

  /** The state of a record changed: undefined for "nothing wrong". */
  problem(record: NeutralRecord<Spec>, issue: Issue | undefined): void {
    const state = this.#owners.get(record.owner);
    if (state === undefined) return;
    const before = state.problems.get(record.id);
    if (before?.message === issue?.message && before?.state === issue?.state) return;
    if (issue === undefined) state.problems.delete(record.id);
    else state.problems.set(record.id, { key: record.key, source: record.source, ...issue });
    // What goes wrong or right amid bulk work is told at its end.
    state.news ??= state.bulk > 0 ? 'bulk' : 'urgent';
  }

  problemOf(record: NeutralRecord<Spec>): ObjectProblem | undefined {
    return this.#owners.get(record.owner)?.problems.get(record.id);
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

  /** The report that is due for an owner now; undefined if none is. */
  report(owner: string, version: DocumentVersion): DocumentReport | undefined {
    const state = this.#owners.get(owner);
    if (state?.news === undefined || state.urgent > 0) return undefined;
    if (state.news === 'bulk' && state.bulk > 0) return undefined;
    const { problems, unsettled, repaired } = state;
    const listed = [...problems.values()].slice(0, MAX_LISTED_PROBLEMS);
    for (const [source, { key }] of unsettled) {
      if (listed.length >= MAX_LISTED_PROBLEMS) break;
      listed.push({ key, source, state: 'PENDING', message: UNDER_WAY });
    }
    const problemTotal = problems.size + unsettled.size;
    // A report that leaves something open is followed by one that does not.
    state.news = unsettled.size > 0 ? 'bulk' : undefined;
    state.repaired = 0;
    return { owner, version, problems: listed, problemTotal, repaired };
  }

  #count({ urgency, records }: Open, change: 1 | -1): void {
    for (const { owner, source, key } of records) {
      const state = this.#owners.get(owner);
      if (state === undefined) continue;
      state[urgency] += change;
      const unsettled = state.unsettled.get(source);
      if (unsettled === undefined) state.unsettled.set(source, { key, count: change });
      else if (unsettled.count + change === 0) state.unsettled.delete(source);
      else unsettled.count += change;
    }
  }
}
