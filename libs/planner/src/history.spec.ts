import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { histories, populate, removeEverything } from '../test/history.js';
import { checkInvariants, compiledDocuments } from '../test/invariants.js';
import { Lab } from '../test/lab.js';

describe('any history of commands, inventory and reports', () => {
  it('leaves documents that are the sum of their changes and what the rows say, and nothing else', () => {
    let documentChanges = 0;
    fc.assert(
      fc.property(histories(60), (steps) => {
        const lab = new Lab();
        populate(lab);
        for (const step of steps) {
          step.run(lab);
          checkInvariants(lab);
        }
        documentChanges += lab.changes.length;
      }),
      { numRuns: 60, seed: 20261122 },
    );
    expect(documentChanges).toBeGreaterThan(300);
  });

  it('ends empty, with everything free, when all is deleted and confirmed', () => {
    fc.assert(
      fc.property(histories(60), (steps) => {
        const lab = new Lab();
        populate(lab);
        for (const step of steps) step.run(lab);
        removeEverything(lab);
        for (const document of Object.values(compiledDocuments(lab.world))) expect(document).toEqual({});
        expect(lab.records('Release')).toEqual([]);
        expect(lab.world.lowestVni()).toBe(4096);
        checkInvariants(lab);
      }),
      { numRuns: 100, seed: 4096 },
    );
  });
});
