import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** From here, and from what this file is compiled to. */
const BUILD = ['../..', '../../..']
  .map((up) => fileURLToPath(new URL(`${up}/services/host-agent/plugin/build.mjs`, import.meta.url)))
  .find((path) => existsSync(path));

/** Makes the CNI plugin in a directory; returns its path. `socket`: where it looks for the agent. */
export function buildPlugin(directory: string, socket?: string): string {
  if (BUILD === undefined) throw new Error('services/host-agent/plugin is not where it was');
  const output = join(directory, 'outboard');
  const flags = socket === undefined ? [] : ['--socket', socket];
  execFileSync(process.execPath, [BUILD, '--output', output, ...flags], { stdio: 'ignore' });
  return output;
}
