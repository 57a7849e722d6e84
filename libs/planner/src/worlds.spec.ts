import { describe, it } from '@jest/globals';
import { expectGolden, pictureOf } from '../test/golden.js';
import { checkInvariants } from '../test/invariants.js';
import { Lab } from '../test/lab.js';
import { WALKS, type Walk, WORLDS, walkTo } from '../test/worlds.js';

const [PLAIN] = WALKS as readonly [Walk, ...Walk[]];

describe('documents of named worlds', () => {
  it.each(Object.entries(WORLDS))('%s', (name, world) => {
    const lab = new Lab();
    walkTo(lab, world, PLAIN);
    checkInvariants(lab);
    expectGolden(name, pictureOf(lab));
  });
});
