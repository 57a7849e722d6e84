import { TOKEN } from '@outboard/acceleration/testing';
import { AccelerationClient } from '@outboard/acceleration-client';
import { median, note, report } from '../report.js';
import { sized } from '../sizes.js';
import { BenchWorker, type Load, type LoadResult } from './bench-worker.js';
import {
  type NativeResult,
  nativeCipher,
  nativeCompression,
  opensslSpeed,
  runtimeCipher,
  words,
} from './native.js';

const BENCH = 'acceleration';
const SECONDS = sized(0.2, 0.02);
/** Ours and what it is compared with take turns, so that what else the machine does meets both. */
const ROUNDS = sized(15, 1);
/** Of each load, which nobody takes the time of: code is compiled meanwhile, as it is in a worker that runs for days. */
const WARM_UP_SECONDS = sized(0.5, 0.05);
/** Of chains, one job at a time. */
const CHAIN_ROUNDS = sized(200, 2);
const CHAIN_WARM_UP_ROUNDS = sized(400, 2);

interface Case {
  readonly name: string;
  readonly load: Omit<Load, 'seconds'>;
  readonly native: (size: number, seconds: number, depth: number) => NativeResult;
  /** Absent: stated. */
  readonly bar?: number;
}

const KIB = 1024;
const cipher = { program: 1 };
const compression = { program: 2, socket: 'heavy-0.sock' };
const CASES: readonly Case[] = [
  {
    name: 'AES-256-GCM 4 KiB inline',
    load: { ...cipher, transport: 'inline', size: 4 * KIB, depth: 32 },
    native: nativeCipher,
    bar: 0.5,
  },
  {
    name: "AES-256-GCM 4 KiB inline, against Node's own cipher",
    load: { ...cipher, transport: 'inline', size: 4 * KIB, depth: 32 },
    native: runtimeCipher,
    bar: 0.5,
  },
  {
    name: 'AES-256-GCM 4 KiB rings',
    load: { ...cipher, transport: 'rings', size: 4 * KIB, depth: 32 },
    native: nativeCipher,
    bar: 0.7,
  },
  {
    name: 'AES-256-GCM 64 KiB shared, doorbell',
    load: { ...cipher, transport: 'shared', size: 64 * KIB, depth: 32 },
    native: nativeCipher,
    bar: 0.9,
  },
  {
    name: 'AES-256-GCM 1 MiB shared, doorbell',
    load: { ...cipher, transport: 'shared', size: 1024 * KIB, depth: 6 },
    native: nativeCipher,
    bar: 0.9,
  },
  {
    name: 'Zstandard 64 KiB rings',
    load: { ...compression, transport: 'rings', size: 64 * KIB, depth: 8 },
    native: nativeCompression,
    bar: 0.9,
  },
  {
    name: 'Zstandard 64 KiB shared, doorbell',
    load: { ...compression, transport: 'shared', size: 64 * KIB, depth: 8 },
    native: nativeCompression,
  },
  {
    name: 'Zstandard 1 MiB shared, doorbell',
    load: { ...compression, transport: 'shared', size: 1024 * KIB, depth: 4 },
    native: nativeCompression,
    bar: 0.9,
  },
];

const worker = await BenchWorker.start(1);
try {
  for (const each of CASES) await measure(worker, each);
  await chain(worker);
  for (const size of [4 * KIB, 64 * KIB, 1024 * KIB]) {
    const native = nativeCipher(size, 1).megabytesPerSecond;
    report({
      bench: BENCH,
      metric: `openssl speed ${size / KIB} KiB`,
      value: opensslSpeed(size),
      unit: 'MB/s',
      baseline: native,
      ratio: null,
      bar: null,
      ok: true,
    });
  }
  await typescriptClient(worker);
} finally {
  await worker.stop();
}
await twoThreads();

async function measure(worker: BenchWorker, { name, load, native, bar }: Case): Promise<void> {
  const ours: LoadResult[] = [];
  const theirs: NativeResult[] = [];
  await worker.load({ ...load, seconds: WARM_UP_SECONDS });
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(native(load.size, SECONDS, load.depth));
    ours.push(await worker.load({ ...load, seconds: SECONDS }));
  }
  const middle = (of: (index: number) => number): number => median(ours.map((_, index) => of(index)));
  const speed = middle((index) => ours[index]?.megabytesPerSecond ?? 0);
  const bare = middle((index) => theirs[index]?.megabytesPerSecond ?? 0);
  const ratio = middle(
    (index) => (ours[index]?.megabytesPerSecond ?? 0) / (theirs[index]?.megabytesPerSecond ?? 1),
  );
  report({
    bench: BENCH,
    metric: name,
    value: speed,
    unit: 'MB/s',
    baseline: bare,
    ratio,
    bar: bar === undefined ? null : `ratio >= ${bar}`,
    ok: bar === undefined || ratio >= bar,
  });
  const spent = middle((index) => ours[index]?.workerMicroseconds ?? 0);
  const bareSpent = middle((index) => theirs[index]?.processorMicroseconds ?? 0);
  report({
    bench: BENCH,
    metric: '  processor time of the worker, a job',
    value: spent,
    unit: 'us',
    baseline: bareSpent,
    ratio: bareSpent / spent,
    bar: null,
    ok: true,
  });
  report({
    bench: BENCH,
    metric: '  processor time of the client, a job',
    value: middle((index) => ours[index]?.clientMicroseconds ?? 0),
    unit: 'us',
    baseline: bareSpent,
    ratio: null,
    bar: null,
    ok: true,
  });
}

/** Engine time of a chain against that of its steps as jobs of their own. */
async function chain(worker: BenchWorker): Promise<void> {
  const client = clientOf(worker);
  for (const size of [64 * KIB, 1024 * KIB]) {
    const input = words(size);
    const whole: number[] = [];
    const parts: number[] = [];
    const inOne = async (): Promise<void> => {
      whole.push((await client.run(3, input)).engineNanoseconds / 1000);
    };
    const oneByOne = async (): Promise<void> => {
      const compressed = await client.run(2, input);
      const encrypted = await client.run(1, compressed.output);
      parts.push((compressed.engineNanoseconds + encrypted.engineNanoseconds) / 1000);
    };
    // Whichever comes second finds the caches as the first has left them.
    for (let round = -CHAIN_WARM_UP_ROUNDS; round < CHAIN_ROUNDS; round++) {
      if (round === 0) whole.length = parts.length = 0;
      for (const each of round % 2 === 0 ? [inOne, oneByOne] : [oneByOne, inOne]) await each();
    }
    const ratio = median(parts) / median(whole);
    report({
      bench: BENCH,
      metric: `chain of Zstandard and AES-256-GCM, ${size / KIB} KiB`,
      value: median(whole),
      unit: 'us',
      baseline: median(parts),
      ratio,
      bar: 'ratio >= 0.95',
      ok: ratio >= 0.95,
    });
  }
  client[Symbol.dispose]();
}

async function typescriptClient(worker: BenchWorker): Promise<void> {
  const client = clientOf(worker);
  for (const [size, depth, jobs] of [
    [4 * KIB, 32, sized(20_000, 100)],
    [64 * KIB, 16, sized(4_000, 20)],
    [1024 * KIB, 6, sized(300, 8)],
  ] as const) {
    const input = Buffer.alloc(size, 1);
    const rooms = Array.from({ length: depth }, () => Buffer.alloc(size));
    const go = async (count: number): Promise<void> => {
      let left = count;
      const one = async (output: Buffer): Promise<void> => {
        while (left-- > 0) await client.run(1, input, { output });
      };
      await Promise.all(rooms.map(one));
    };
    await go(jobs / 4);
    const before = process.cpuUsage();
    const began = performance.now();
    await go(jobs);
    const { user, system } = process.cpuUsage(before);
    const speed = (jobs * size) / (performance.now() - began) / 1000;
    const bare = nativeCipher(size, SECONDS);
    report({
      bench: BENCH,
      metric: `TypeScript client ${size / KIB} KiB`,
      value: speed,
      unit: 'MB/s',
      baseline: bare.megabytesPerSecond,
      ratio: speed / bare.megabytesPerSecond,
      bar: null,
      ok: true,
    });
    report({
      bench: BENCH,
      metric: '  processor time of the client, a job',
      value: (user + system) / jobs,
      unit: 'us',
      baseline: bare.processorMicroseconds,
      ratio: null,
      bar: null,
      ok: true,
    });
  }
  client[Symbol.dispose]();
}

/** Two threads of the worker, two clients: one MiB of encryption. */
async function twoThreads(): Promise<void> {
  note('two threads');
  const worker = await BenchWorker.start(2);
  try {
    const load: Load = { program: 1, transport: 'shared', size: 1024 * KIB, depth: 4, seconds: SECONDS };
    const ratios: number[] = [];
    const both: number[] = [];
    const alone: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const one = (await worker.load(load)).megabytesPerSecond;
      const pair = await Promise.all([worker.load(load), worker.load({ ...load, socket: 'light-1.sock' })]);
      const sum = pair.reduce((total, { megabytesPerSecond }) => total + megabytesPerSecond, 0);
      alone.push(one);
      both.push(sum);
      ratios.push(sum / one);
    }
    const ratio = median(ratios);
    report({
      bench: BENCH,
      metric: 'AES-256-GCM 1 MiB, two threads',
      value: median(both),
      unit: 'MB/s',
      baseline: median(alone),
      ratio,
      bar: 'ratio >= 1.7',
      ok: ratio >= 1.7,
    });
  } finally {
    await worker.stop();
  }
}

function clientOf(worker: BenchWorker): AccelerationClient {
  return new AccelerationClient({ locate: () => ({ directory: worker.directoryOf(), token: TOKEN }) });
}
