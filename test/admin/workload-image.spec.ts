import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { WorkloadLab } from '@outboard/workloads/testing';
import { makeRootFileSystem } from '../cni/root-file-system.js';

let lab: WorkloadLab;
let directory: string;

beforeAll(() => {
  lab = new WorkloadLab();
  directory = mkdtempSync(join(tmpdir(), 'outboard-root-'));
  makeRootFileSystem(directory);
});
afterAll(async () => {
  await lab.close();
  rmSync(directory, { recursive: true, force: true });
}, 20_000);

it('a program runs from an image on the DPU, sees nothing else of it, and cannot change it', async () => {
  const script =
    'echo "$OUTBOARD_DIRECTORY"; cat /etc/motto; ls /usr; touch /bin/x; echo x > /tmp/x; echo end; exec sleep 600';
  const wanted = lab.workload({
    image: directory,
    command: ['/bin/sh', '-c'],
    arguments: [script],
    files: [{ path: '/etc/motto', content: 'from outside\n', mode: 0o600 }],
  });
  lab.host.want(wanted.uid, wanted);
  const said = await lab.saidUntil(wanted.uid, /^end$/);
  expect(said.split('\n').sort()).toEqual(
    [
      '/run/outboard',
      'from outside',
      'ls: /usr: No such file or directory',
      'touch: /bin/x: Read-only file system',
      'end',
    ].sort(),
  );
  await lab.until(wanted.uid, ({ ready }) => ready);
}, 20_000);
