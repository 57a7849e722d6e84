/**
 * How long it takes from the moment that a CNF is wanted until its interface answers a call, against the same program
 * started by hand, which has no container, no discovery and no schemas; and what a call costs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CNF, WorkloadLab } from '@outboard/workloads/testing';
import { median, note, quantile, report } from '../report.js';
import { sized } from '../sizes.js';

const BENCH = 'admin';
const ROUNDS = sized(7, 1);
const CALLS = sized(500, 5);
const BODY = Buffer.from('{"text":"hello"}');

const lab = new WorkloadLab();

async function byHost(): Promise<number> {
  const wanted = lab.cnf();
  const begin = performance.now();
  lab.host.want(wanted.uid, wanted);
  await lab.until(wanted.uid, ({ interfaces }) => interfaces.length === 1);
  const answer = await lab.host.call(wanted.uid, 'echo', 'say', BODY);
  const milliseconds = performance.now() - begin;
  if (!answer.ok) throw answer.error;
  lab.host.want(wanted.uid, undefined);
  await lab.gone(wanted.uid);
  return milliseconds;
}

const post = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const asked = request({ socketPath, method: 'POST', path: '/interfaces/echo/methods/say' }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(true));
    });
    asked.once('error', () => resolve(false));
    asked.end(BODY);
  });

async function byHand(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'outboard-bench-'));
  const socket = join(directory, 'interfaces.sock');
  const begin = performance.now();
  const child: ChildProcess = spawn(process.execPath, [CNF], {
    env: { OUTBOARD_DIRECTORY: directory },
    stdio: 'ignore',
  });
  while (!existsSync(socket) || !(await post(socket))) await new Promise((resolve) => setTimeout(resolve, 1));
  const milliseconds = performance.now() - begin;
  child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
  return milliseconds;
}

async function callTimes(): Promise<number[]> {
  const wanted = lab.cnf();
  lab.host.want(wanted.uid, wanted);
  await lab.until(wanted.uid, ({ interfaces }) => interfaces.length === 1);
  const times: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    const begin = performance.now();
    await lab.host.call(wanted.uid, 'echo', 'say', BODY);
    times.push(performance.now() - begin);
  }
  return times;
}

const info = { bench: BENCH, bar: null, ok: true } as const;

try {
  note(
    `a CNF from being wanted to its first answer: median of ${ROUNDS} starts; ${CALLS} calls one after the other`,
  );
  // What the runtime and the compiler of schemas do once is not of a start.
  await byHost();
  const times = { host: [] as number[], hand: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    times.host.push(await byHost());
    times.hand.push(await byHand());
  }
  const value = median(times.host);
  const baseline = median(times.hand);
  const metric = 'start of a CNF to its interface answering, against the bare program';
  report({ ...info, metric, value, unit: 'ms', baseline, ratio: baseline / value });
  const calls = await callTimes();
  const alone = { ...info, unit: 'ms', baseline: null, ratio: null };
  report({ ...alone, metric: 'call of a method through schemas and socket, median', value: median(calls) });
  report({
    ...alone,
    metric: 'call of a method through schemas and socket, 99 %',
    value: quantile(calls, 0.99),
  });
} finally {
  await lab.close();
}
