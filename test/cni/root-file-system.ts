import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BUSYBOX = '/bin/busybox';
const COMMANDS = ['sh', 'sleep', 'ip', 'ping', 'nc', 'cat'];

/** What a container sees as its root: busybox, and nothing that had to be fetched. */
export function makeRootFileSystem(directory: string): string {
  for (const folder of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'run']) {
    mkdirSync(join(directory, folder), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(directory, 'bin/busybox'));
  for (const command of COMMANDS) symlinkSync('busybox', join(directory, 'bin', command));
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  return directory;
}
