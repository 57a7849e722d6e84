// What the suite needs besides the project's own set-up: an emulator, and a kernel that has what that of this machine may lack.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installMissing } from '../../tools/debian-packages.mjs';

/** A package of Debian that is not installed, as that would change how this machine starts: only unpacked. */
const KERNEL_PACKAGE = 'linux-image-cloud-amd64';
const kernel = fileURLToPath(new URL('../../.outboard/guest-kernel', import.meta.url));

function output(program, args, options = {}) {
  const { error, status, stdout } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  if (error || status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `ended with ${status}`}`);
  return stdout;
}

installMissing({ 'qemu-system-x86_64': 'qemu-system-x86', busybox: 'busybox-static', depmod: 'kmod' });
if (!existsSync(kernel)) {
  const place = `${kernel}.new`;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const versioned = /Depends: (linux-image-\S+)/.exec(output('apt-cache', ['depends', KERNEL_PACKAGE]))?.[1];
  if (versioned === undefined) throw new Error(`${KERNEL_PACKAGE} depends on no kernel`);
  process.stdout.write(`setup: unpacking ${versioned}\n`);
  output('apt-get', ['download', '-q', versioned], { cwd: place, stdio: 'ignore' });
  const [file] = readdirSync(place);
  output('dpkg', ['-x', join(place, file), place]);
  rmSync(join(place, file));
  const [release] = readdirSync(join(place, 'lib/modules'));
  output('depmod', ['-b', place, release]);
  renameSync(place, kernel);
}
