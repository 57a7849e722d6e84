import { performance } from 'node:perf_hooks';

/** Monotonic milliseconds. Imported, as the global `performance` is a getter, which costs as much as the clock itself. */
export const monotonic = (): number => performance.now();
