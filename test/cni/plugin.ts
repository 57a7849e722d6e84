import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUILD = fileURLToPath(new URL('../../services/host-agent/plugin/build.mjs', import.meta.url));

/** Makes the CNI plugin in a directory; returns its path. */
export function buildPlugin(
  directory: string,
  compiler: 'with-compiler' | 'without-compiler' = 'with-compiler',
): string {
  const output = join(directory, 'outboard');
  const flags = compiler === 'without-compiler' ? ['--without-compiler'] : [];
  execFileSync(process.execPath, [BUILD, '--output', output, ...flags], { stdio: 'ignore' });
  return output;
}
