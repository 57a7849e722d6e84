import type { AccelerationClient } from './client.js';
import { HostEngine, type KeyOfStep } from './host-engine.js';

/** Jobs of each that are measured. */
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
}

/**
 * Measures a program both ways, with `input` as an example. For the host it needs keys of its own where the program has
 * keyed steps: they need not be the session's.
 */
export async function adviseOffload(
  client: AccelerationClient,
  program: number,
  input: Uint8Array,
  keyOf: KeyOfStep = () => new Uint8Array(32),
): Promise<OffloadAdvice> {
  const description = await client.program(program);
  const host = new HostEngine(keyOf);
  const outputLength = input.length + (input.length >> 6) + 512;
  host.run(description, { input, outputLength, metadata: [] });
  const hostSpent = await processorMicroseconds(async () => {
    for (let round = 0; round < ROUNDS; round++) host.run(description, { input, outputLength, metadata: [] });
  });
  await client.run(program, input);
  const began = performance.now();
  for (let round = 0; round < ROUNDS; round++) await client.run(program, input);
  const latency = ((performance.now() - began) * 1000) / ROUNDS;
  const offloadSpent = await processorMicroseconds(async () => {
    await Promise.all(Array.from({ length: ROUNDS }, () => client.run(program, input)));
  });
  return {
    inputBytes: input.length,
    offloadMicroseconds: offloadSpent / ROUNDS,
    hostMicroseconds: hostSpent / ROUNDS,
    offloadLatencyMicroseconds: latency,
    pays: offloadSpent < hostSpent,
  };
}

async function processorMicroseconds(action: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await action();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
