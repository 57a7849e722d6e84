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
    for (const option of ['--once', '--dpus', '--latency', '--table-entries', '--hardware', '--faults'])
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
    [['--table-entries', '0'], '--table-entries must be 1-1000000, not 0'],
    [['--hardware', '0=x'], '--hardware: 0=x must be <table>=<entries>'],
    [['--faults', 'failing=2'], '--faults: failing must be a number of 0 to 1, not 2'],
    [['--pods', '3'], "Unknown option '--pods'"],
    [['--port', '4222'], "Unknown option '--port'"],
    [['once'], "Unexpected argument 'once'"],
  ])('%j is refused with the rule and the usage, before anything is started', (args, rule) => {
    const { status, stdout, stderr } = allInOne(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(rule);
    expect(stderr).toContain('usage: npm start -- --simulated');
  });

  it('has the tour through also on switches whose hardware is small and whose operations go wrong', () => {
    const hard = [
      '--hardware',
      '0=4:in_port',
      '--faults',
      'failing=0.05,lying=0.02',
      '--latency',
      'call=0.2',
    ];
    const { status, stdout, stderr } = allInOne('--once', ...hard);
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    expect(stdout).toMatch(/isolation: \d+ probes .* reached nobody/);
  });

  it('tells which table is full where switches have no room for what is asked for', () => {
    const { status, stderr } = allInOne('--once', '--table-entries', '3');
    expect(status).toBe(1);
    expect(stderr).toMatch(/Port acme\/\S+ is ready: it is not: .*table \d+ is full: 3 of 3 flows/);
  }, 60_000);
});
