import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What the images have of the base images that we use, taken from this machine. */
const COMMON = ['sh', 'cat', 'ls', 'mkdir', 'sleep', 'env', 'id'];
export const NODE_PROGRAMS = [...COMMON, process.execPath, 'mount', 'nsenter', 'ip', 'nft', 'ping'];
export const NATS_PROGRAMS = [...COMMON, 'nats-server', 'wget'];

/**
 * A root file system with these programs and the libraries that they load: a stand-in for a base image where no
 * registry can be reached. Programs are names in PATH or absolute paths. Throws if one is missing.
 */
export function buildRoot(folder: string, programs: readonly string[]): void {
  for (const each of ['usr/bin', 'usr/lib', 'usr/lib64', 'etc', 'root']) {
    mkdirSync(join(folder, each), { recursive: true });
  }
  for (const each of ['dev', 'proc', 'sys', 'run', 'tmp', 'var/lib', 'opt']) {
    mkdirSync(join(folder, each), { recursive: true });
  }
  // As in Debian: one place under four names.
  for (const each of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${each}`, join(folder, each));
  symlinkSync('usr/bin', join(folder, 'sbin'));
  symlinkSync('bin', join(folder, 'usr/sbin'));
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/tmp:/bin/sh\n');
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
  for (const program of programs) {
    const path = find(program);
    copyFileSync(path, join(folder, 'usr/bin', basename(program)));
    for (const library of librariesOf(path)) {
      const target = join(folder, library);
      mkdirSync(dirname(target), { recursive: true });
      if (!existsSync(target)) copyFileSync(library, target);
    }
  }
}

function find(program: string): string {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  const candidates = program.startsWith('/') ? [program] : folders.map((folder) => join(folder, program));
  const found = candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`${program} is not installed: node test/compose/set-up.mjs`);
  return realpathSync(found);
}

/** Absolute paths of what the dynamic loader would load, the loader among them. */
function librariesOf(program: string): string[] {
  try {
    const text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.match(/\/[^\s)]+/g)?.filter((path) => path !== program) ?? [];
  } catch {
    // Statically linked.
    return [];
  }
}
