import { performance } from 'node:perf_hooks';

/** Monotonic milliseconds, of this thread: each counts from its own start. Imported, as the global `performance` is a getter, which costs as much as the clock itself. */
export const monotonic = (): number => performance.now();

const NANOSECONDS = 1e6;

/** Milliseconds of CLOCK_MONOTONIC: the same on all threads, and dearer. */
export const sharedMonotonic = (): number => Number(process.hrtime.bigint()) / NANOSECONDS;
