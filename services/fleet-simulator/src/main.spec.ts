import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { MAX_DPUS, MAX_FUNCTIONS } from './fleet.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

const fleet = (...args: string[]) => {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env });
  return { status, stdout, stderr };
};

describe('the command line of a fleet', () => {
  it('is told by --help, with every option and what may be said on standard input', () => {
    const { status, stdout, stderr } = fleet('--help');
    expect([status, stderr]).toEqual([0, '']);
    for (const option of ['--dpus', '--first', '--functions', '--nats', '--credentials'])
      expect(stdout).toMatch(new RegExp(`^  ${option} +\\S`, 'm'));
    expect(stdout).toContain('reboot COUNT; status');
  });

  it.each([
    [[], `--dpus must be 1-${MAX_DPUS}, not `],
    [['--dpus', 'many'], `--dpus must be 1-${MAX_DPUS}, not many`],
    [['--dpus', '0'], `--dpus must be 1-${MAX_DPUS}, not 0`],
    [['--dpus', '10', '--first', `${MAX_DPUS}`], `--first must be 1-${MAX_DPUS - 9}, not ${MAX_DPUS}`],
    [
      ['--dpus', '1', '--functions', `${MAX_FUNCTIONS + 1}`],
      `--functions must be 1-${MAX_FUNCTIONS}, not ${MAX_FUNCTIONS + 1}`,
    ],
    [['--pods', '3'], "Unknown option '--pods'"],
  ])('%j is refused with what it must be and the usage, before anything is started', (args, rule) => {
    const { status, stdout, stderr } = fleet(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(rule);
    expect(stderr).toContain('usage: npm run outboard -- fleet --dpus COUNT');
  });
});
