import { quantile } from '@outboard/core';

/** Of times, milliseconds; absent where there are none. */
export interface Percentiles {
  readonly count: number;
  readonly p50?: number;
  readonly p90?: number;
  readonly p99?: number;
  readonly max?: number;
}

export function percentilesOf(times: readonly number[]): Percentiles {
  if (times.length === 0) return { count: 0 };
  const at = (fraction: number): number => Math.round(quantile(times, fraction));
  return { count: times.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
