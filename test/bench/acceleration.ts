/**
 * What the data path of acceleration makes of its engines, against the same engines called in a process and against
 * `openssl speed`, in the same run; and what sessions cost the broker.
 * `npm run bench -- acceleration [PART...] [--json] [--quick] [--full]`.
 */
import { runParts } from './parts.js';

const PARTS: Readonly<Record<string, readonly string[]>> = {
  throughput: [],
  fairness: [],
  sessions: [],
};

runParts('acceleration', PARTS);
