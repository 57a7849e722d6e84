/**
 * What an intent costs, from its publishing to what was read back from the kernel: each part is a process of its own,
 * started with the flags of V8 that what it measures runs with. `npm run bench -- intent [PART...] [--json]`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { note } from './report.js';

/** Those of services/dataplane-worker/src/main.ts. */
const WORKER_FLAGS = ['--heap-growing-percent=20', '--semi-space-growth-factor=1'];

const PARTS: Readonly<Record<string, readonly string[]>> = {
  latency: [],
  sustained: [],
  routes: WORKER_FLAGS,
  footprint: [],
};

const given = process.argv.slice(2);
const options = given.filter((argument) => argument.startsWith('--'));
const named = given.filter((argument) => !argument.startsWith('--'));
const unknown = named.filter((name) => PARTS[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}\n`);
  process.exit(1);
}
for (const name of named.length > 0 ? named : Object.keys(PARTS)) {
  note(`\n${name}`);
  const program = fileURLToPath(new URL(`./intent/${name}.js`, import.meta.url));
  const flags = PARTS[name] ?? [];
  const { status } = spawnSync(process.execPath, [...flags, program, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
