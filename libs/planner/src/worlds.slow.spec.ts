import { describe, expect, it } from '@jest/globals';
import { expectGolden, pictureOf } from '../test/golden.js';
import { checkApplied, checkInvariants } from '../test/invariants.js';
import { Lab } from '../test/lab.js';
import { type NamedWorld, WALKS, type Walk, WORLDS, walkTo } from '../test/worlds.js';

const [PLAIN] = WALKS as readonly [Walk, ...Walk[]];

/** A tour on which every world follows every other, and itself. */
function tour(): (readonly [string, NamedWorld])[] {
  const worlds = Object.entries(WORLDS);
  return worlds.flatMap((world, index) => [
    world,
    world,
    ...worlds.slice(index + 1).flatMap((other) => [other, world]),
  ]);
}

describe('any world can become any other', () => {
  it.each(WALKS)('$name', (walk) => {
    const lab = new Lab();
    for (const [name, world] of tour()) {
      walkTo(lab, world, walk);
      checkApplied(lab);
      expectGolden(name, pictureOf(lab));
    }
    checkInvariants(lab);
    expect(lab.changes.length).toBeGreaterThan(100);
  });

  it('from a service that has just started', () => {
    const lab = new Lab();
    for (const [name, world] of tour()) {
      lab.restart();
      walkTo(lab, world, PLAIN);
      checkApplied(lab);
      expectGolden(name, pictureOf(lab));
    }
  });
});
