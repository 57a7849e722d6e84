/** What the life of DPUs, service chains and workloads cost. `npm run bench -- admin [PART...] [--json] [--quick]`. */
import { runParts } from './parts.js';

const PARTS: Readonly<Record<string, readonly string[]>> = {
  lifecycle: [],
  chain: [],
  workload: [],
};

runParts('admin', PARTS);
