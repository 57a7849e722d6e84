import type { LaneName } from '../engine/algorithms.js';
import type { EngineActivity } from '../engine/engine-unit.js';
import { SessionCounters } from '../lane/counters.js';
import type { SessionActivity, ThreadActivity } from '../lane/thread-activity.js';
import type { FaultActivity } from './fault-board.js';

/** A thread of the data path, and what it said; undefined: it does not answer. */
export interface AskedThread {
  readonly lane: LaneName;
  readonly index: number;
  readonly activity: ThreadActivity | undefined;
}

/** What the data path has done since its threads began. */
export interface DataPathActivity {
  readonly threads: readonly AskedThread[];
  /** Of all threads together; an engine is skipped when one of them skips it. */
  readonly engines: readonly EngineActivity[];
  /** Of all threads together. */
  readonly sessions: readonly SessionActivity[];
  readonly faults: readonly FaultActivity[];
}

/** One entry for each session and each engine: what threads say of them together. */
export function sumActivity(threads: readonly AskedThread[]): Omit<DataPathActivity, 'faults'> {
  const all = threads.flatMap(({ activity }) => (activity === undefined ? [] : [activity]));
  return {
    threads,
    engines: sumBy(
      all.flatMap(({ engines }) => engines),
      ({ module, operation, algorithm }) => `${module} ${operation} ${algorithm}`,
      sumOfEngines,
    ),
    sessions: sumBy(
      all.flatMap(({ sessions }) => sessions),
      ({ sessionUid }) => sessionUid,
      sumOfSessions,
    ),
  };
}

function sumBy<Item>(
  all: readonly Item[],
  keyOf: (item: Item) => string,
  sum: (left: Item, right: Item) => Item,
): readonly Item[] {
  const sums = new Map<string, Item>();
  for (const each of all) {
    const known = sums.get(keyOf(each));
    sums.set(keyOf(each), known === undefined ? each : sum(known, each));
  }
  return [...sums.values()];
}

const sumOfEngines = (left: EngineActivity, right: EngineActivity): EngineActivity => ({
  ...left,
  jobs: left.jobs + right.jobs,
  failures: left.failures + right.failures,
  inputBytes: left.inputBytes + right.inputBytes,
  engineNanoseconds: left.engineNanoseconds + right.engineNanoseconds,
  breaker: left.breaker === 'OPEN' ? 'OPEN' : right.breaker,
  opened: left.opened + right.opened,
});

function sumOfSessions(left: SessionActivity, right: SessionActivity): SessionActivity {
  const counters = new SessionCounters();
  counters.add(left.counters);
  counters.add(right.counters);
  return {
    sessionUid: left.sessionUid,
    epoch: Math.max(left.epoch, right.epoch),
    weight: left.weight,
    connections: left.connections + right.connections,
    queuedJobs: left.queuedJobs + right.queuedJobs,
    counters,
  };
}
