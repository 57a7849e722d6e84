import type { MixSummary } from './mix.js';
import type { Percentiles } from './percentiles.js';

const ROWS = [
  ['boot', 'a DPU, started with all others to ready'],
  ['pods', 'a pod, published to applied'],
  ['policies', 'a change of policy, published to applied by all'],
  ['reboot', 'a DPU, rebooted to ready'],
] as const;
const COLUMNS = ['count', 'p50', 'p90', 'p99', 'max'] as const satisfies readonly (keyof Percentiles)[];
const WIDTH = 9;

/** A summary for people: a table of milliseconds, one row for each part of the mix. */
export function summaryLines(summary: MixSummary): readonly string[] {
  const label = Math.max(...ROWS.map(([, text]) => text.length));
  const line = (first: string, cells: readonly string[]): string =>
    `${first.padEnd(label)}${cells.map((cell) => cell.padStart(WIDTH)).join('')}`;
  const rows = ROWS.flatMap(([part, text]) => {
    const percentiles = summary[part];
    if (percentiles === undefined) return [];
    return [
      line(
        text,
        COLUMNS.map((column) => String(percentiles[column] ?? '-')),
      ),
    ];
  });
  const { intents, intentsPerSecond, failures } = summary;
  return [
    line('milliseconds', COLUMNS),
    ...rows,
    `${intents} intents, ${intentsPerSecond.toFixed(1)}/s; ${failures.length} failed`,
    ...[...new Set(failures)].slice(0, 10).map((failure) => `  ${failure}`),
  ];
}
