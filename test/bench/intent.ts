/**
 * What an intent costs, from its publishing to what was read back from the kernel: each part is a process of its own,
 * started with the flags of V8 that what it measures runs with. `npm run bench -- intent [PART...] [--json] [--quick]`.
 */
import { runParts } from './parts.js';

/** Those of services/dataplane-worker/src/main.ts. */
const WORKER_FLAGS = ['--heap-growing-percent=50', '--semi-space-growth-factor=1'];

const PARTS: Readonly<Record<string, readonly string[]>> = {
  latency: [],
  sustained: [],
  attach: WORKER_FLAGS,
  routes: WORKER_FLAGS,
  footprint: [],
  adoption: WORKER_FLAGS,
};

runParts('intent', PARTS);
