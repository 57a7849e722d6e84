import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@outboard/core';
import { Testbed } from '@outboard/testbed';

const PROGRAMS = fileURLToPath(new URL('../dist/bench/', import.meta.url));
/** Within which those that are told to end have cleaned up. */
const ENDING_MILLISECONDS = 20_000;
const LOOK_EVERY_MILLISECONDS = 100;

export interface BenchmarkRun {
  /** 0 unless it failed, or had to be ended. */
  readonly status: number | null;
  readonly lines: readonly string[];
  /** What it said to people, and why it failed. */
  readonly said: string;
}

/** Runs a benchmark as `npm run bench` does. One that does not end in time is ended, with all that it has started and made. */
export async function runBenchmark(
  name: string,
  args: readonly string[],
  patienceMilliseconds: number,
): Promise<BenchmarkRun> {
  // Jest's own flags of Node are none of a benchmark.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [`${PROGRAMS}${name}.js`, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [printed, said] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new AbortController();
  const ending = systemClock.delay(patienceMilliseconds, ended.signal).then(async () => {
    if (ended.signal.aborted) return;
    said += `\n${name} ${args.join(' ')} did not end in ${patienceMilliseconds} ms`;
    await endTree(child.pid ?? 0);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  ended.abort();
  await ending;
  return { status, lines: printed.split('\n').filter((line) => line !== ''), said };
}

async function endTree(root: number): Promise<void> {
  const tree = [root, ...descendantsOf(root)];
  for (const pid of tree) signal(pid, 'SIGTERM');
  const deadline = performance.now() + ENDING_MILLISECONDS;
  while (tree.some(isRunning) && performance.now() < deadline)
    await systemClock.delay(LOOK_EVERY_MILLISECONDS);
  for (const pid of tree) signal(pid, 'SIGKILL');
  Testbed.removeLeftovers();
}

function signal(pid: number, which: NodeJS.Signals): void {
  try {
    process.kill(pid, which);
  } catch {
    // It has ended.
  }
}

/** The dead that nobody has waited for do not run. */
const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(statusOf(pid));

function descendantsOf(root: number): readonly number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({
      pid: Number(name),
      parent: Number(/^PPid:\s+(\d+)$/m.exec(statusOf(Number(name)))?.[1]),
    }));
  const below = (pid: number): readonly number[] =>
    parents.filter(({ parent }) => parent === pid).flatMap((child) => [child.pid, ...below(child.pid)]);
  return below(root);
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return ''; // It has just ended.
  }
}
