import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { NetworkNamespace } from '@outboard/ffi';

const PROJECT = join(import.meta.dirname, '..');
const PATIENCE_MILLISECONDS = 30_000;

beforeAll(() => {
  const compiler = join(PROJECT, '../../node_modules/.bin/tsc');
  execFileSync(compiler, ['-b', join(PROJECT, 'examples')], { stdio: 'inherit' });
}, 60_000);

it(
  'the example of the README shows what it says and leaves nothing behind',
  () => {
    expect(readFileSync(join(PROJECT, 'README.md'), 'utf8')).toContain('examples/two-dpus.ts');
    const { pid, stdout, stderr, status } = spawnSync(
      process.execPath,
      [join(PROJECT, 'dist/examples/two-dpus.js')],
      { encoding: 'utf8', timeout: PATIENCE_MILLISECONDS, env: { PATH: process.env.PATH } },
    );
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout.trimEnd().split('\n')).toEqual([
      'pairs: 2, not connected: 0',
      'TCP: echoed',
      'bulk moved bytes: true true',
      'the flow lost packets: true, its longest gap is at least 90 ms: true',
      'lost by the probe itself: 0',
    ]);
    expect(NetworkNamespace.list(`ob-ex${pid.toString(36)}.`)).toEqual([]);
  },
  2 * PATIENCE_MILLISECONDS,
);
