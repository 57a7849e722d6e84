import { describe, expect, it } from '@jest/globals';
import { ENOUGH_BYTES, LONGEST_HOLD_MILLISECONDS, WakeModeration } from './wake-moderation.js';

const wanting = (completions: number): WakeModeration => {
  const moderation = new WakeModeration();
  moderation.wanted = true;
  moderation.completed(completions);
  return moderation;
};

describe('a client that would rather be woken for several completions', () => {
  it.each([
    ['fewer than half of its jobs are done', 3, 4, 100, true],
    ['half of its jobs are done', 4, 4, 100, false],
    ['nothing of it is left to do', 1, 0, 100, false],
    ['it has enough to take in', 1, 8, ENOUGH_BYTES, false],
  ])('when %s: is held back: %#', (_, completions, waiting, bytes, held) => {
    expect(wanting(completions).holds(0, waiting, bytes)).toBe(held);
  });

  it('is woken when the first completion has waited long enough, and then anew', () => {
    const moderation = wanting(1);
    expect(moderation.holds(10, 8, 100)).toBe(true);
    moderation.completed(1);
    expect(moderation.holds(10 + LONGEST_HOLD_MILLISECONDS / 2, 8, 100)).toBe(true);
    expect(moderation.holds(10 + LONGEST_HOLD_MILLISECONDS, 8, 100)).toBe(false);
    moderation.sent();
    moderation.completed(1);
    expect(moderation.holds(20, 8, 100)).toBe(true);
  });

  it('is not what others are', () => {
    const moderation = new WakeModeration();
    moderation.completed(1);
    expect(moderation.holds(0, 8, 100)).toBe(false);
  });
});
