// Installs Debian packages for programs that are missing, without starting what they bring.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** `programs`: names, or absolute paths, and the Debian package that brings each. Ends the process if that fails. */
export function installMissing(programs) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  const isInstalled = (program) =>
    program.startsWith('/')
      ? existsSync(program)
      : folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
  const missing = Object.keys(programs).filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => programs[program]))];
  const command = ['install', '-y', '-q', '--no-install-recommends', ...packages];
  process.stdout.write(`set-up: ${missing.join(', ')} missing: apt-get ${command.join(' ')}\n`);
  // In runlevel 1 invoke-rc.d starts none of the services that packages bring.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  for (const args of [['update', '-q'], command]) {
    const { status, error } = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    if (status === 0) continue;
    process.stderr.write(`set-up: apt-get ${args[0]} failed: ${error?.message ?? `status ${status}`}\n`);
    process.exit(1);
  }
}
