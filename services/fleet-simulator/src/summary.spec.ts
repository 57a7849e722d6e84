import { describe, expect, it } from '@jest/globals';
import { summaryLines } from './summary.js';

describe('the summary of a load, for people', () => {
  it('has a row for each part that was asked for, and what has failed, once each', () => {
    const lines = summaryLines({
      boot: { count: 3, p50: 120, p90: 130, p99: 140, max: 150 },
      pods: { count: 0 },
      intents: 12,
      intentsPerSecond: 3.21,
      failures: ['no', 'no', 'never'],
    });
    const words = lines.map((line) => line.trim().split(/\s{2,}/));
    expect(words).toEqual([
      ['milliseconds', 'count', 'p50', 'p90', 'p99', 'max'],
      ['a DPU, started with all others to ready', '3', '120', '130', '140', '150'],
      ['a pod, published to applied', '0', '-', '-', '-', '-'],
      ['12 intents, 3.2/s; 3 failed'],
      ['no'],
      ['never'],
    ]);
  });
});
