import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

const allInOne = (...args: string[]) => {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env });
  return { status, stdout, stderr };
};

describe('the command line of all-in-one', () => {
  it('is told by --help, with every option', () => {
    const { status, stdout, stderr } = allInOne('--help');
    expect([status, stderr]).toEqual([0, '']);
    for (const option of ['--once', '--dpus', '--latency'])
      expect(stdout).toMatch(new RegExp(`^  ${option} +\\S`, 'm'));
  });

  it.each([
    [['--dpus', 'many'], '--dpus must be 4-1000, not many'],
    [['--dpus', '3'], '--dpus must be 4-1000, not 3'],
    [['--dpus', ''], '--dpus must be 4-1000, not '],
    [
      ['--latency', 'call=1,speed=2,read=x'],
      '--latency: speed must be call, operation, read, jitter, or a kind',
    ],
    [['--latency', 'call=1,speed=2,read=x'], 'read must be a number of 0 to 60000, not x'],
    [['--pods', '3'], "Unknown option '--pods'"],
    [['--port', '4222'], "Unknown option '--port'"],
    [['once'], "Unexpected argument 'once'"],
  ])('%j is refused with the rule and the usage, before anything is started', (args, rule) => {
    const { status, stdout, stderr } = allInOne(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(rule);
    expect(stderr).toContain('usage: npm start -- --simulated');
  });
});
