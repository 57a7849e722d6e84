import { describe, expect, it } from '@jest/globals';
import { AppError, err, ok } from '@outboard/core';
import { integerOption, parsedOptions, UsageError } from './command-line.js';

describe('a whole number on the command line', () => {
  it('is between its bounds, these included', () => {
    expect([integerOption('dpus', '1', 1, 10), integerOption('dpus', '10', 1, 10)]).toEqual([1, 10]);
  });

  it.each(['0', '11', '1.5', 'many', '', ' ', 'Infinity'])(
    'is not %j: the option and the rule are named',
    (text) => {
      const read = (): number => integerOption('dpus', text, 1, 10);
      expect(read).toThrow(UsageError);
      expect(read).toThrow(`--dpus must be 1-10, not ${text}`);
    },
  );
});

describe('options that something else reads', () => {
  it('are what that has read', () => {
    expect(parsedOptions(ok(5))).toBe(5);
  });

  it('are refused with all of their problems', () => {
    const broken = AppError.invalid([
      { field: 'latency: call', description: 'must be a number' },
      { field: 'faults: speed', description: 'must be call' },
    ]);
    const read = (): unknown => parsedOptions(err(broken));
    expect(read).toThrow(UsageError);
    expect(read).toThrow('--latency: call must be a number; --faults: speed must be call');
  });
});
