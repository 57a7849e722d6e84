import { describe, expect, it } from '@jest/globals';
import { AppError, err, ok } from '@outboard/core';
import { integerOption, parsedOption, UsageError } from './command-line.js';

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

describe('an option that something else reads', () => {
  it('is what that has read', () => {
    expect(parsedOption('latency', ok(5))).toBe(5);
  });

  it('is refused with all of its problems', () => {
    const broken = AppError.invalid([
      { field: 'call', description: 'must be a number' },
      { field: 'speed', description: 'must be call' },
    ]);
    const read = (): unknown => parsedOption('latency', err(broken));
    expect(read).toThrow(UsageError);
    expect(read).toThrow('--latency: call must be a number; speed must be call');
  });
});
