import { Worker } from 'node:worker_threads';
import type { Capability, Quarantine } from '../engine/engine-set.js';
import type { MeasuredSpeed } from '../engine/speed.js';
import { threadProgram } from './thread-program.js';

/** What the engines of this machine can do, and how fast they were when they were asked. */
export interface EngineProbe {
  readonly capabilities: readonly (Capability & { readonly speeds: readonly MeasuredSpeed[] })[];
  readonly quarantined: readonly Quarantine[];
}

/** Tests and measures the engines in a thread of its own, for some hundreds of milliseconds. */
export function probeEngines(): Promise<EngineProbe> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(threadProgram('probe-thread'));
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the engines were not probed')));
  });
}
