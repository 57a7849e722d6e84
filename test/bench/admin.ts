/** What the life of DPUs costs. `npm run bench -- admin [PART...] [--json]`. */
import { runParts } from './parts.js';

const PARTS: Readonly<Record<string, readonly string[]>> = {
  lifecycle: [],
};

runParts('admin', PARTS);
