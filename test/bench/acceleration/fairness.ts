import { TOKEN } from '@outboard/acceleration/testing';
import { AccelerationClient } from '@outboard/acceleration-client';
import { median, quantile, report } from '../report.js';
import { sized } from '../sizes.js';
import { BenchWorker, type Load } from './bench-worker.js';

const BENCH = 'acceleration';
const FLOOD_SECONDS = sized(3, 2);
const JOBS = sized(2000, 20);
/** Alone and beside the flood in turn: the slowest of a hundred depend much on what else the machine does. */
const ROUNDS = sized(5, 1);
const SMALL = 65_536;
const CONNECTIONS = 8;
/** Between two jobs of the tenant that asks for little, milliseconds. */
const PAUSE_MILLISECONDS = 1;

const worker = await BenchWorker.start(1);
try {
  await shares(worker, 'jobs of 4 KiB against jobs of 1 MiB', 4096, 1 << 20);
  await shares(worker, 'jobs of 1 MiB against jobs of 4 KiB', 1 << 20, 4096);
  await latencyBesideFlood(worker);
} finally {
  await worker.stop();
}

/** Two sessions of weights 3 and 1 with more to do than is done: how the engine time is shared. */
async function shares(worker: BenchWorker, name: string, heavier: number, lighter: number): Promise<void> {
  const load = (session: 'heavier' | 'lighter', size: number): Load => ({
    session,
    program: 1,
    transport: 'shared',
    size,
    depth: size > SMALL ? 6 : 64,
    seconds: FLOOD_SECONDS,
  });
  const engineTime = async (): Promise<Map<string, number>> =>
    new Map(
      (await worker.activity()).map(({ sessionUid, counters }) => [sessionUid, counters.engineNanoseconds]),
    );
  // As many connections as it takes to have a millisecond of work waiting at all times.
  const flood = Promise.all(
    [load('heavier', heavier), load('lighter', lighter)].flatMap((each) =>
      Array.from({ length: each.size > SMALL ? 1 : CONNECTIONS }, () => worker.load(each)),
    ),
  );
  await pause(FLOOD_SECONDS * 300);
  const before = await engineTime();
  await pause(FLOOD_SECONDS * 400);
  const after = await engineTime();
  await flood;
  const spent = (session: string): number => (after.get(session) ?? 0) - (before.get(session) ?? 0);
  const ratio = spent('heavier') / spent('lighter');
  const ok = ratio >= 2.7 && ratio <= 3.3;
  report({
    bench: BENCH,
    metric: `weights 3:1, ${name}`,
    value: ratio,
    unit: ': 1',
    baseline: 3,
    ratio: null,
    bar: '2.7 to 3.3',
    ok,
  });
}

/** The time of a small job, alone and beside another session that has jobs of 64 KiB without end. */
async function latencyBesideFlood(worker: BenchWorker): Promise<void> {
  const alone: (readonly number[])[] = [];
  const beside: (readonly number[])[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    alone.push(await latency(worker));
    const flood = worker.load({
      session: 'lighter',
      program: 1,
      transport: 'shared',
      size: 65_536,
      depth: 32,
      seconds: (JOBS * (PAUSE_MILLISECONDS + 2)) / 1000,
    });
    await pause(200);
    beside.push(await latency(worker));
    await flood;
  }
  for (const fraction of [0.5, 0.99]) {
    const middle = (rounds: readonly (readonly number[])[]): number =>
      median(rounds.map((times) => quantile(times, fraction)));
    const value = middle(beside);
    const baseline = middle(alone);
    const bar = fraction === 0.99 ? 'value <= 3 x baseline' : null;
    report({
      bench: BENCH,
      metric: `p${fraction * 100} of 4 KiB beside a flood`,
      value,
      unit: 'ms',
      baseline,
      ratio: baseline / value,
      bar,
      ok: bar === null || value <= 3 * baseline,
    });
  }
}

async function latency(worker: BenchWorker): Promise<readonly number[]> {
  const directory = worker.directoryOf('heavier');
  const client = new AccelerationClient({ locate: () => ({ directory, token: TOKEN }), rings: false });
  const input = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let job = 0; job < JOBS; job++) {
    const began = performance.now();
    await client.run(1, input, { outputLength: 4096 });
    times.push(performance.now() - began);
    if (job % 8 === 0) await pause(PAUSE_MILLISECONDS);
  }
  client[Symbol.dispose]();
  return times;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
