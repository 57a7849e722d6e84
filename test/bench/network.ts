/** Policies: what a change of a group costs, and what they cost traffic. `--json` for one object a line. */
import { measureMember } from './network/member.js';
import { measureThroughput } from './network/throughput.js';

await measureThroughput();
await measureMember();
