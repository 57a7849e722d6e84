/** Buckets of a histogram of latencies: bucket `i` counts those below `2^i` microseconds, the last all others. */
export const LATENCY_BUCKETS = 24;

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
}
