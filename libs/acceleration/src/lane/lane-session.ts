import type { LaneName } from '../engine/algorithms.js';
import type { Pipeline } from '../program/pipeline.js';
import type { Metadata } from '../wire/metadata.js';
import type { Connection } from './connection.js';
import type { SessionCounters } from './counters.js';
import type { Flow } from './fair-queue.js';
import type { SessionGrant } from './grant.js';
import type { Chunk } from './receive-buffer.js';

/** A session on one thread. */
export interface LaneSession {
  grant: SessionGrant;
  /** By id; undefined: there is no engine for it, or it belongs to another lane. */
  pipelines: ReadonlyMap<number, Pipeline | LaneName | undefined>;
  readonly flow: Flow<Job>;
  readonly listener: number;
  readonly path: string;
  readonly connections: Set<Connection>;
  readonly counters: SessionCounters;
}

/** What was submitted and has not completed. */
export interface Job {
  readonly connection: Connection;
  readonly session: LaneSession;
  readonly jobLow: number;
  readonly jobHigh: number;
  readonly pipeline: Pipeline;
  readonly input: Uint8Array;
  readonly inputShared: boolean;
  /** What the input is in, when it came inline. */
  readonly chunk: Chunk | undefined;
  /** In shared memory; undefined: inline. */
  readonly outputOffset: number | undefined;
  readonly outputLength: number;
  readonly metadata: Metadata;
  /** Whether it completes in the ring. */
  readonly inRing: boolean;
  /** Monotonic milliseconds. */
  readonly arrival: number;
  /** Monotonic milliseconds before which it must begin; Infinity: none. */
  readonly deadline: number;
  /** Completed, or of nobody: whoever finds it in the queue drops it. */
  done: boolean;
}
