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
    for (const option of [
      ...['--dpus', '--mix', '--seconds', '--rate', '--rebooting', '--tenant', '--first', '--functions'],
      ...[
        '--latency',
        '--table-entries',
        '--hardware',
        '--faults',
        '--nats',
        '--credentials',
        '-o, --output',
      ],
    ])
      expect(stdout).toMatch(new RegExp(`^  ${option} +\\S`, 'm'));
    expect(stdout).toContain('reboot COUNT; status');
  });

  it.each([
    [[], `--dpus must be 1-${MAX_DPUS}, not `],
    [['--dpus', 'many'], `--dpus must be 1-${MAX_DPUS}, not many`],
    [['--dpus', '0'], `--dpus must be 1-${MAX_DPUS}, not 0`],
    [['--dpus', '10', '--first', `${MAX_DPUS}`], `--first must be 1-${MAX_DPUS - 9}, not ${MAX_DPUS}`],
    [
      ['--dpus', '1', '--mix', 'none', '--functions', `${MAX_FUNCTIONS + 1}`],
      `--functions must be 1-${MAX_FUNCTIONS}, not ${MAX_FUNCTIONS + 1}`,
    ],
    [['--dpus', '1', '--functions', '4'], `--functions must be 5-${MAX_FUNCTIONS}, not 4`],
    [
      ['--dpus', '1', '--mix', 'boot,storms,pods,rain'],
      '--mix must be none or some of boot,pods,policies,reboot, not storms,rain',
    ],
    [['--dpus', '1', '--mix', ''], '--mix must be none or some of boot,pods,policies,reboot, not '],
    [['--dpus', '1', '--seconds', '0'], '--seconds must be 1-86400, not 0'],
    [['--dpus', '1', '--rate', '1.5'], '--rate must be 1-1000, not 1.5'],
    [['--dpus', '9', '--rebooting', '10'], '--rebooting must be 1-9, not 10'],
    [['--dpus', '1', '--tenant', 'Acme'], '--tenant must be a label'],
    [
      ['--dpus', '1', '--latency', 'fast'],
      '--latency: fast must be call, operation, read, jitter, or a kind',
    ],
    [['--dpus', '1', '-o', 'yaml'], '--output must be text or json, not yaml'],
    [['--pods', '3'], "Unknown option '--pods'"],
  ])('%j is refused with what it must be and the usage, before anything is started', (args, rule) => {
    const { status, stdout, stderr } = fleet(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(rule);
    expect(stderr).toContain('usage: npm run outboard -- fleet --dpus COUNT');
  });
});
