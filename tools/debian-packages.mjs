// Installs Debian packages for programs that are missing, without starting what they bring. Nothing but Node's own modules.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Whether a program, by its name or its absolute path, is on this machine. */
export function isInstalled(program) {
  if (program.startsWith('/')) return existsSync(program);
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}

/** `programs`: names, or absolute paths, and the Debian package that brings each. Ends the process if that fails. */
export function installMissing(programs) {
  const missing = Object.keys(programs).filter((program) => !isInstalled(program));
  if (missing.length > 0) installPackages(missing.map((program) => programs[program]));
}

/** Installs packages by apt-get, which has to be root's. Ends the process if that fails. */
export function installPackages(names) {
  const packages = [...new Set(names)];
  process.stdout.write(`setup: installing system packages: ${packages.join(' ')}\n`);
  try {
    withoutStartingServices(() => {
      aptGet('update', '-q');
      aptGet('install', '-y', '-q', '--no-install-recommends', ...packages);
    });
  } catch (failure) {
    process.stderr.write(`setup: ${failure.message}\n`);
    process.exit(1);
  }
}

function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, error } = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`apt-get ${args[0]} failed: ${error?.message ?? `status ${status}`}`);
}

/** Only programs are wanted: Debian asks this file whether a package may start its services. */
function withoutStartingServices(action) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) {
    action();
    return;
  }
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    action();
  } finally {
    rmSync(policy);
  }
}
