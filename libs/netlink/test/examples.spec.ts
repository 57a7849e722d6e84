import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { NetworkNamespace } from '@outboard/ffi';

const PROJECT = join(import.meta.dirname, '..');
const COMPILER = join(PROJECT, '../../node_modules/.bin/tsc');
/** A program that has not ended by then hangs. */
const PATIENCE_MILLISECONDS = 30_000;

/** What each example prints: compiled and run as a user would, in a process of its own. */
const EXAMPLES: Record<string, RegExp[]> = {
  overlay: [/failures: \[\]/, /br1001 bridge/, /vx1001 vxlan in br1001/, /pf0vf3 veth in br1001/],
  routes: [
    /9999 of 10000 installed/,
    /route 4321: ENETUNREACH Nexthop has invalid gateway/,
    /9999 found, the last is 11\.0\.39\.15 via 10\.0\.0\.9/,
  ],
  watch: [/new intruder/, /delete intruder/],
  elements: [
    /first: \[\]/,
    /second: \[\]/,
    /third: message 1 EEXIST/,
    /10\.0\.1\.5 -> 2/,
    /10\.0\.1\.6 -> 3/,
  ],
};

beforeAll(() => {
  execFileSync(COMPILER, ['-b', join(PROJECT, 'examples')], { stdio: 'inherit' });
}, 60_000);

describe('the examples', () => {
  it('are all here, and in the README', () => {
    const files = readdirSync(join(PROJECT, 'examples')).filter((name) => name.endsWith('.ts'));
    expect(files.map((name) => name.replace('.ts', '')).sort()).toEqual(Object.keys(EXAMPLES).sort());
    const readme = readFileSync(join(PROJECT, 'README.md'), 'utf8');
    for (const file of files) expect(readme).toContain(`examples/${file}`);
  });

  it.each(Object.entries(EXAMPLES))(
    '%s runs, says what it should, ends and leaves nothing behind',
    (example, expected) => {
      const { pid, stdout, stderr, status, signal } = spawnSync(
        process.execPath,
        [join(PROJECT, `dist/examples/${example}.js`)],
        {
          encoding: 'utf8',
          timeout: PATIENCE_MILLISECONDS,
          env: { ...process.env, NODE_OPTIONS: '', FORCE_COLOR: '0' },
        },
      );
      expect({ stderr, status, signal }).toEqual({ stderr: '', status: 0, signal: null });
      for (const pattern of expected) expect(stdout).toMatch(pattern);
      expect(NetworkNamespace.list(`obex${pid}`)).toEqual([]);
    },
    2 * PATIENCE_MILLISECONDS,
  );
});
