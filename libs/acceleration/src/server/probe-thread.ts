// Opens, tests and measures the engines, tells what came of it, and ends: its memory is given back.
import { parentPort } from 'node:worker_threads';
import { EngineSet } from '../engine/engine-set.js';
import { measureSpeed } from '../engine/speed.js';
import type { EngineProbe } from './probe.js';

const engines = EngineSet.open();
const capabilities = engines.capabilities();
const probe: EngineProbe = {
  capabilities: engines.candidates.flatMap((candidate, index) => {
    const capability = capabilities[index];
    return capability === undefined
      ? []
      : [{ ...capability, speeds: measureSpeed(candidate, () => performance.now()) }];
  }),
  quarantined: engines.quarantined,
};
parentPort?.postMessage(probe);
