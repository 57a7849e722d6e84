import type { AccelerationClient } from './client.js';
import { HostEngine, type KeyOfStep } from './host-engine.js';
import type { RunResult } from './run-result.js';

/** Jobs of each kind that are measured, unless it is told. */
const ROUNDS = 32;

/** Whether a program is worth the way to the accelerator, for jobs of one size. */
export interface OffloadAdvice {
  readonly inputBytes: number;
  /** Processor time of this process for one job, microseconds: through the accelerator, and with the host's own engines. */
  readonly offloadMicroseconds: number;
  readonly hostMicroseconds: number;
  /** Time from asking to having, one job at a time, microseconds. */
  readonly offloadLatencyMicroseconds: number;
  /** The accelerator takes work off this process. */
  readonly pays: boolean;
  /** Who did the jobs. */
  readonly ranOn: RunResult['ranOn'];
  /**
   * 10^6 bytes of input a second: with many jobs in flight; by what the accelerator's engines say they took; and by the
   * host's own engines, one job after the other in this process.
   */
  readonly achievedMegabytesPerSecond: number;
  readonly engineMegabytesPerSecond: number;
  readonly hostMegabytesPerSecond: number;
}

export interface AdviceOptions {
  /**
   * Keys of this measurement's own for the host, where the program has keyed steps: they need not be the session's. Zeros
   * of 32 bytes.
   */
  readonly keyOf?: KeyOfStep;
  /** Jobs of each kind. 32. */
  readonly rounds?: number;
}

/** Measures a program both ways, with `input` as an example. */
export async function adviseOffload(
  client: AccelerationClient,
  program: number,
  input: Uint8Array,
  { keyOf = () => new Uint8Array(32), rounds = ROUNDS }: AdviceOptions = {},
): Promise<OffloadAdvice> {
  const description = await client.program(program);
  const host = new HostEngine(keyOf);
  const outputLength = input.length + (input.length >> 6) + 512;
  const room = new Uint8Array(outputLength);
  const onHost = (): RunResult => host.run(description, { input, outputLength, metadata: [] }, room);
  const manyTimes = (count: number): Promise<RunResult[]> =>
    Promise.all(Array.from({ length: count }, () => client.run(program, input)));
  // Compiled and with memory that has been touched, as it is for an application that goes on.
  for (let round = 0; round < rounds / 2; round++) onHost();
  await manyTimes(Math.ceil(rounds / 2));
  const local = await measured(async () => {
    for (let round = 0; round < rounds; round++) onHost();
  });
  const { ranOn } = await client.run(program, input);
  const single = await measured(async () => {
    for (let round = 0; round < rounds; round++) await client.run(program, input);
  });
  let engineNanoseconds = 0;
  const offloaded = await measured(async () => {
    const results = await manyTimes(rounds);
    engineNanoseconds = results.reduce((sum, result) => sum + result.engineNanoseconds, 0);
  });
  const speed = (milliseconds: number): number => (input.length * rounds) / milliseconds / 1000;
  return {
    inputBytes: input.length,
    offloadMicroseconds: offloaded.processorMicroseconds / rounds,
    hostMicroseconds: local.processorMicroseconds / rounds,
    offloadLatencyMicroseconds: (single.milliseconds * 1000) / rounds,
    pays: offloaded.processorMicroseconds < local.processorMicroseconds,
    ranOn,
    achievedMegabytesPerSecond: speed(offloaded.milliseconds),
    engineMegabytesPerSecond: speed(engineNanoseconds / 1e6),
    hostMegabytesPerSecond: speed(local.milliseconds),
  };
}

async function measured(
  action: () => Promise<void>,
): Promise<{ readonly milliseconds: number; readonly processorMicroseconds: number }> {
  const before = process.cpuUsage();
  const began = performance.now();
  await action();
  const milliseconds = performance.now() - began;
  const { user, system } = process.cpuUsage(before);
  return { milliseconds, processorMicroseconds: user + system };
}
