import { SessionCounters } from '../lane/counters.js';
import type { ThreadActivity } from './lane-messages.js';

/** What a session has done, on all threads. */
export type SessionActivity = ThreadActivity;

/** One entry for each session: connections, jobs and counters of all threads together. */
export function sumActivity(all: readonly ThreadActivity[]): readonly SessionActivity[] {
  const sums = new Map<string, SessionActivity>();
  for (const each of all) {
    const known = sums.get(each.sessionUid);
    sums.set(each.sessionUid, known === undefined ? each : added(known, each));
  }
  return [...sums.values()];
}

function added(left: SessionActivity, right: ThreadActivity): SessionActivity {
  const counters = new SessionCounters();
  counters.add(left.counters);
  counters.add(right.counters);
  return {
    sessionUid: left.sessionUid,
    epoch: Math.max(left.epoch, right.epoch),
    connections: left.connections + right.connections,
    queuedJobs: left.queuedJobs + right.queuedJobs,
    counters,
  };
}
