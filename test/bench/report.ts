export { quantile } from '@outboard/core';

/** One line of a benchmark's result. */
export interface Measurement {
  /** Name of the benchmark: its file in test/bench. */
  readonly bench: string;
  /** What was measured, and against what. */
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  /** The same of what it is compared with, in the same unit; null if it stands alone. */
  readonly baseline: number | null;
  /** How many times better than the baseline (greater is better); null if it stands alone. */
  readonly ratio: number | null;
  /** What is required, in words: `ratio >= 0.9`, `value <= 4 ms`; null if it is for information only. */
  readonly bar: string | null;
  /** Whether the bar is met; true if there is none. */
  readonly ok: boolean;
}

const asJson = process.argv.includes('--json');
let headed = false;

/** Prints a measurement: a row of a table for people, or with `--json` one object a line. */
export function report(measurement: Measurement): void {
  if (asJson) {
    console.log(JSON.stringify(measurement));
    return;
  }
  if (!headed) console.log(row('metric', 'value', 'baseline', 'ratio', 'bar', ''));
  headed = true;
  const { metric, value, unit, baseline, ratio, bar, ok } = measurement;
  console.log(
    row(
      metric,
      `${format(value)} ${unit}`,
      baseline === null ? '-' : `${format(baseline)} ${unit}`,
      ratio === null ? '-' : `${ratio.toFixed(2)}x`,
      bar ?? '-',
      bar === null ? '' : ok ? 'ok' : 'MISSED',
    ),
  );
}

/** Reports what a benchmark compares with nothing; `most`: the bar, if there is one. */
export const teller =
  (bench: string) =>
  (metric: string, value: number, unit: string, most?: number): void =>
    report({
      bench,
      metric,
      value,
      unit,
      baseline: null,
      ratio: null,
      bar: most === undefined ? null : `value <= ${most} ${unit}`,
      ok: most === undefined || value <= most,
    });

/** Says something to people; silent with `--json`. */
export function note(text: string): void {
  if (!asJson) console.log(text);
}

/** The middle of the values; the mean of the two middle ones if their number is even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Milliseconds that an action takes. */
export async function timed(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

/**
 * Runs the contenders in turn, round after round, so that what else happens on the machine hits all of them alike.
 * Each returns what it measured; the first round warms up and does not count. The result is each one's median.
 */
export async function interleave<Name extends string>(
  rounds: number,
  contenders: Record<Name, () => Promise<number> | number>,
): Promise<Record<Name, number>> {
  const values = await inRounds(rounds, contenders);
  const names = Object.keys(contenders) as Name[];
  return Object.fromEntries(names.map((name) => [name, median(values[name])])) as Record<Name, number>;
}

/** As `interleave`, with the values of every round: where speeds change from round to round, ratios within one do not. */
export async function inRounds<Name extends string>(
  rounds: number,
  contenders: Record<Name, () => Promise<number> | number>,
): Promise<Record<Name, readonly number[]>> {
  const names = Object.keys(contenders) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const value = await contenders[name]();
      if (round > 0) values[name].push(value);
    }
  }
  return values;
}

const row = (metric: string, ...cells: string[]): string =>
  [metric.padEnd(58), ...cells.map((cell, index) => cell.padStart(index < 3 ? 14 : 16))].join(' ').trimEnd();

const format = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(4).replace(/\.?0+$/, '');
