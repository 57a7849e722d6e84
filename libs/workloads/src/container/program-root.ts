import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n';
const GROUP = 'root:x:0:\nnogroup:x:65534:\n';

/** An empty root file system in which this machine's programs can be shown; returns its path. */
export async function makeProgramRoot(root: string): Promise<string> {
  for (const name of ['usr', 'etc', 'proc', 'dev', 'sys', 'tmp', 'run', 'root', 'var'])
    await mkdir(join(root, name), { recursive: true, mode: 0o755 });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(root, name));
  // Where older programs write what lasts as long as they run (FHS 3.0).
  await symlink('../run', join(root, 'var/run'));
  await writeFile(join(root, 'etc/passwd'), PASSWD);
  await writeFile(join(root, 'etc/group'), GROUP);
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  return root;
}
