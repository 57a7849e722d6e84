/** What the life of DPUs and service chains cost. `npm run bench -- admin [PART...] [--json]`. */
import { runParts } from './parts.js';

const PARTS: Readonly<Record<string, readonly string[]>> = {
  lifecycle: [],
  chain: [],
};

runParts('admin', PARTS);
