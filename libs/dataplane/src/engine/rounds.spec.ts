import { describe, expect, it } from '@jest/globals';
import { Rounds } from './rounds.js';

const sections = { names: ['link', 'route', 'gate'], of: () => undefined };

/** The pauses of a round in which each look takes so many milliseconds, and whether everything was seen after it. */
const roundOf = (rounds: Rounds, took: readonly number[]): [pause: number, isOver: boolean][] =>
  took.map((each) => {
    const isOver = rounds.advance();
    return [rounds.pauseAfter(each), isOver];
  });

describe('rounds of comparisons', () => {
  it('take the sections in their order, in equal parts of the time, again and again', () => {
    const rounds = new Rounds(sections, 60_000);
    const seen: unknown[] = [];
    for (let look = 0; look < 4; look++) {
      seen.push(rounds.next);
      roundOf(rounds, [1]);
    }
    expect(seen).toEqual(['link', 'route', 'gate', 'link'].map((section) => ({ kind: 'section', section })));
    expect(roundOf(new Rounds(sections, 60_000), [1, 2, 3])).toEqual([
      [20_000, false],
      [20_000, false],
      [20_000, true],
    ]);
  });

  it('pause 400 times as long as each look took', () => {
    expect(roundOf(new Rounds(sections, 60_000), [100, 1, 51]).map(([pause]) => pause)).toEqual([
      40_000, 20_000, 20_400,
    ]);
  });

  it('take ten minutes at most, where one look would need more than all of it', () => {
    const rounds = new Rounds(sections, 60_000);
    const pauses = (): number[] => roundOf(rounds, [1_000, 900, 800]).map(([pause]) => pause);
    expect(pauses()).toEqual([400_000, 200_000, 320_000]);
    // The pause after the last look of a round is the first of the next.
    expect(pauses()).toEqual([280_000, 20_000, 320_000]);
  });

  it('begin anew when everything was looked at at once', () => {
    const rounds = new Rounds(sections, 60_000);
    roundOf(rounds, [1_000]);
    expect([rounds.restart(1), rounds.restart(300), rounds.restart(9_000)]).toEqual([
      60_000, 120_000, 600_000,
    ]);
    expect(rounds.next).toEqual({ kind: 'section', section: 'link' });
  });

  it('are one look at everything where there are no sections', () => {
    const rounds = new Rounds(undefined, 60_000);
    expect(rounds.next).toEqual({ kind: 'all' });
    expect(roundOf(rounds, [1])).toEqual([[60_000, true]]);
  });
});
