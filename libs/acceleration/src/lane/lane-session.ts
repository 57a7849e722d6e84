import type { LaneName } from '../engine/algorithms.js';
import type { Pipeline } from '../program/pipeline.js';
import type { Connection } from './connection.js';
import type { SessionCounters } from './counters.js';
import type { Flow } from './fair-queue.js';
import type { SessionGrant } from './grant.js';
import type { JobData } from './job-data.js';
import type { Chunk } from './receive-buffer.js';

/** A session on one thread. */
export interface LaneSession {
  grant: SessionGrant;
  /** By id; undefined: there is no engine for it; a name: it belongs to that lane. */
  pipelines: ReadonlyMap<number, Pipeline | LaneName | undefined>;
  readonly flow: Flow<Job>;
  readonly listener: number;
  readonly path: string;
  /** Those that have said whose they are, and how many have not yet. */
  readonly connections: Set<Connection>;
  strangers: number;
  readonly counters: SessionCounters;
}

/** What was submitted and has not completed. */
export class Job {
  /** Completed, or of nobody: whoever finds it in the queue drops it. */
  done = false;

  constructor(
    readonly connection: Connection,
    readonly session: LaneSession,
    readonly pipeline: Pipeline,
    readonly jobLow: number,
    readonly jobHigh: number,
    readonly data: JobData,
    /** What the input or its metadata is in, when it came over the socket. */
    readonly chunk: Chunk | undefined,
    /** Whether it completes in the ring. */
    readonly inRing: boolean,
    /** Monotonic milliseconds. */
    readonly arrival: number,
    /** Monotonic milliseconds before which it must begin; Infinity: none. */
    readonly deadline: number,
  ) {}

  /** What it takes of its connection's grant. */
  get bytes(): number {
    return this.data.input.length + this.data.outputLength;
  }
}
