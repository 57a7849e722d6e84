/** Buckets of a histogram of latencies: bucket `i` counts those below `2^i` microseconds, the last all others. */
export const LATENCY_BUCKETS = 24;

/** Counters as plain data, as they come from another thread. */
export type CounterValues = Omit<SessionCounters, 'count' | 'countPlain' | 'add'>;

/** What a session has done on one thread since that began. */
export class SessionCounters {
  completedJobs = 0;
  failedJobs = 0;
  inputBytes = 0;
  outputBytes = 0;
  engineNanoseconds = 0;
  /** From a job's arrival to its completion. */
  readonly latency = new Array<number>(LATENCY_BUCKETS).fill(0);

  count(
    succeeded: boolean,
    inputBytes: number,
    outputBytes: number,
    engineNanoseconds: number,
    latencyMicroseconds: number,
  ): void {
    if (succeeded) this.completedJobs++;
    else this.failedJobs++;
    this.inputBytes += inputBytes;
    this.outputBytes += outputBytes;
    this.engineNanoseconds += engineNanoseconds;
    const bucket = Math.min(LATENCY_BUCKETS - 1, 32 - Math.clz32(latencyMicroseconds));
    this.latency[bucket] = (this.latency[bucket] ?? 0) + 1;
  }

  /** Jobs that native code has done, all of them as they should be. */
  countPlain(jobs: number, bytes: number, engineNanoseconds: number, latency: Float64Array): void {
    this.completedJobs += jobs;
    this.inputBytes += bytes;
    this.outputBytes += bytes;
    this.engineNanoseconds += engineNanoseconds;
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++)
      this.latency[bucket] = (this.latency[bucket] ?? 0) + (latency[bucket] ?? 0);
  }

  /** Adds those of another thread. */
  add(other: CounterValues): void {
    this.completedJobs += other.completedJobs;
    this.failedJobs += other.failedJobs;
    this.inputBytes += other.inputBytes;
    this.outputBytes += other.outputBytes;
    this.engineNanoseconds += other.engineNanoseconds;
    other.latency.forEach((count, bucket) => {
      this.latency[bucket] = (this.latency[bucket] ?? 0) + count;
    });
  }
}
