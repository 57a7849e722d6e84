import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runBenchmark } from './benchmark-process.js';
import { PROMISED } from './promised-metrics.js';

/** A bound for what hangs: seconds are enough on a machine that does nothing else. */
const PATIENCE_MILLISECONDS = 240_000;
const TEST_MILLISECONDS = PATIENCE_MILLISECONDS + 60_000;

/** What of a line is not as report.ts describes it. */
function problemsOf(line: string, bench: string): readonly string[] {
  const isNumber = (value: unknown): boolean => typeof value === 'number';
  const isText = (value: unknown): boolean => typeof value === 'string';
  const rules: Readonly<Record<string, (value: unknown) => boolean>> = {
    bench: (value) => value === bench,
    metric: (value) => isText(value) && value !== '',
    value: isNumber,
    unit: isText,
    baseline: (value) => value === null || isNumber(value),
    ratio: (value) => value === null || isNumber(value),
    bar: (value) => value === null || isText(value),
    ok: (value) => typeof value === 'boolean',
  };
  const measurement = JSON.parse(line) as Record<string, unknown>;
  return [
    ...Object.keys(measurement).filter((field) => rules[field] === undefined),
    ...Object.entries(rules).flatMap(([field, holds]) => (holds(measurement[field]) ? [] : [field])),
  ].map((field) => `${field} of ${line}`);
}

describe('the benchmarks, as small as they can be', () => {
  it.each(Object.keys(PROMISED))(
    '%s measures what it promises',
    async (command) => {
      const [name = '', ...args] = command.split(' ');
      const { status, lines, said } = await runBenchmark(
        name,
        [...args, '--quick', '--json'],
        PATIENCE_MILLISECONDS,
      );
      expect({ status, said: status === 0 ? '' : said }).toEqual({ status: 0, said: '' });
      expect(lines.flatMap((line) => problemsOf(line, name))).toEqual([]);
      expect(lines.map((line) => (JSON.parse(line) as { metric: string }).metric)).toEqual(
        PROMISED[command]?.map((metric) =>
          typeof metric === 'string' ? metric : expect.stringMatching(metric),
        ),
      );
    },
    TEST_MILLISECONDS,
  );

  it('are all here', async () => {
    const commands = Object.keys(PROMISED).map((command) => command.split(' '));
    const programs = readdirSync(import.meta.dirname)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -'.ts'.length))
      .filter((name) =>
        readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8').includes(`npm run bench -- ${name}`),
      );
    expect([...new Set(commands.map(([name]) => name))].sort()).toEqual(programs.sort());
    for (const name of programs.filter((each) => readdirSync(import.meta.dirname).includes(each))) {
      const parts = commands.filter(([program]) => program === name).map(([, part]) => part);
      if (parts.includes(undefined) || parts.some((part) => part?.startsWith('--'))) continue;
      const { status, said } = await runBenchmark(name, ['nothing'], PATIENCE_MILLISECONDS);
      expect({ status, said }).toEqual({
        status: 1,
        said: `no part nothing; there are ${parts.join(', ')}\n`,
      });
    }
  });
});
