import type { EngineActivity } from '../engine/engine-unit.js';
import type { CounterValues } from './counters.js';

/** What a session has done on a thread. */
export interface SessionActivity {
  readonly sessionUid: string;
  readonly epoch: number;
  /** Of its engine time, against other sessions'. */
  readonly weight: number;
  readonly connections: number;
  readonly queuedJobs: number;
  readonly counters: CounterValues;
}

/** What a thread has done. */
export interface ThreadActivity {
  /** Jobs that wait, of all sessions. */
  readonly queuedJobs: number;
  readonly sessions: readonly SessionActivity[];
  readonly engines: readonly EngineActivity[];
}
