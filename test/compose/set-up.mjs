#!/usr/bin/env node
// Installs what the test of the compose stack needs besides what `npm run setup` brings: a Docker engine and its
// clients. No daemon is started: the test runs an engine of its own.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Programs, and the Debian package that brings each. */
const PROGRAMS = {
  dockerd: 'docker.io',
  docker: 'docker.io',
  'docker-compose': 'docker-compose',
  iptables: 'iptables',
  wget: 'wget',
};

const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
const isInstalled = (program) => folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
const missing = Object.keys(PROGRAMS).filter((program) => !isInstalled(program));

if (missing.length > 0) {
  const packages = [...new Set(missing.map((program) => PROGRAMS[program]))];
  const command = ['install', '-y', '-q', '--no-install-recommends', ...packages];
  process.stdout.write(`set-up: ${missing.join(', ')} missing: apt-get ${command.join(' ')}\n`);
  // In runlevel 1 invoke-rc.d starts none of the services that packages bring.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  for (const args of [['update', '-q'], command]) {
    const { status, error } = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) {
      process.stderr.write(`set-up: apt-get ${args[0]} failed: ${error?.message ?? `status ${status}`}\n`);
      process.exit(1);
    }
  }
}
