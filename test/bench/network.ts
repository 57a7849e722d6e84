/**
 * What networks cost: their traffic, a change of a policy on a DPU, a question about all of them. Each part is a process of its
 * own. `npm run bench -- network [PART...] [--json] [--quick]`.
 */
import { runParts } from './parts.js';

runParts('network', { traffic: [], member: [], questions: [] });
