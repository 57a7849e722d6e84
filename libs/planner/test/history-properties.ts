import { expect, it } from '@jest/globals';
import { findCondition, type Name, type Port, type SegmentationId } from '@outboard/model';
import fc from 'fast-check';
import { DEFAULT_WORLD_OPTIONS, present } from '../src/index.js';
import { contendedHistories, histories, policedHistories, populate, removeEverything } from './history.js';
import { checkApplied, checkClaims, checkInvariants, compiledDocuments } from './invariants.js';
import { Lab } from './lab.js';

/** What is planned on a DPU whose worker is well is ready, and known on all DPUs of its network. */
function checkReady(lab: Lab, { metadata, status }: Port): void {
  const dpu = lab.records('Dpu').find(({ name }) => name === status.dpu);
  if (!dpu) return;
  const ready = findCondition(status.conditions, 'Ready');
  expect([metadata.name, ready?.reason]).toEqual([
    metadata.name,
    dpu.reachable ? 'AppliedAndReadBack' : 'DpuUnreachable',
  ]);
  const { propagated } = present(lab.world, lab.port(metadata.name)).status;
  expect(propagated).toEqual({ applied: propagated?.total, total: propagated?.total, lagging: [] });
  expect(status.propagated?.lagging).toEqual([]);
}

const isOfPolicies = ({ key }: { readonly key: string }): boolean => /^(ruleset|addressgroup)/.test(key);

/** What holds for any history of commands, inventory and reports, tried for so many of each sort; seeds are kept. */
export function historyProperties(runs: {
  readonly sum: number;
  readonly contended: number;
  readonly removed: number;
}): void {
  it('leaves documents that are the sum of their changes and what the rows say, and nothing else', () => {
    let documentChanges = 0;
    let changesOfPolicies = 0;
    fc.assert(
      fc.property(histories(45), (steps) => {
        const lab = new Lab();
        populate(lab);
        for (const step of steps) {
          step.run(lab);
          checkInvariants(lab);
        }
        documentChanges += lab.changes.length;
        changesOfPolicies += lab.changes.filter(({ upserts }) => upserts.some(isOfPolicies)).length;
      }),
      { numRuns: runs.sum, seed: 20261122 },
    );
    expect(documentChanges).toBeGreaterThan(2 * runs.sum);
    expect(changesOfPolicies).toBeGreaterThan(runs.sum / 4);
  });

  it('claims nothing that no DPU has confirmed, though a decision tells one port only, and ends up telling all', () => {
    let parts = 0;
    fc.assert(
      fc.property(policedHistories(60), (steps) => {
        const lab = new Lab({ ...DEFAULT_WORLD_OPTIONS, toldAtOnce: 1 });
        populate(lab);
        for (const [index, step] of steps.entries()) {
          step.run(lab);
          checkClaims(lab);
          if (index % 3 < 2) continue;
          if (lab.retell()) parts++;
          checkClaims(lab);
        }
        while (lab.retell()) parts++;
        checkInvariants(lab);
      }),
      { numRuns: runs.contended, seed: 500 },
    );
    expect(parts).toBeGreaterThan(runs.contended);
  });

  it('gives no address and no segment a second meaning, however far the workers lag behind', () => {
    let quarantined = 0;
    fc.assert(
      fc.property(contendedHistories(40), (steps) => {
        const lab = new Lab();
        populate(lab);
        for (const step of steps) {
          step.run(lab);
          checkApplied(lab);
          quarantined += lab.records('Release').length;
        }
      }),
      { numRuns: runs.contended, seed: 7348 },
    );
    expect(quarantined).toBeGreaterThan(10 * runs.contended);
  });

  it('ends empty, with everything free, when all is deleted and confirmed', () => {
    fc.assert(
      fc.property(histories(45), (steps) => {
        const lab = new Lab();
        populate(lab);
        for (const step of steps) step.run(lab);
        // The second round is for what the first has freed.
        for (const { name } of [...lab.records('Dpu'), ...lab.records('Dpu')]) lab.report(name);
        for (const { resource } of lab.records('Port')) checkReady(lab, resource);
        removeEverything(lab);
        for (const document of Object.values(compiledDocuments(lab.world))) expect(document).toEqual({});
        expect(lab.records('Release')).toEqual([]);
        const { defaultSegment } = lab.world.encapsulationPolicies.inForceFor('acme');
        const vlans = {
          ...defaultSegment,
          networkType: 'VLAN',
          physicalNetwork: 'physnet1' as Name,
        } as const;
        expect(lab.world.segments.lowest(defaultSegment)).toBe(4096);
        expect(lab.world.segments.lowest({ ...vlans, minimum: 100 as SegmentationId })).toBe(100);
        checkInvariants(lab);
      }),
      { numRuns: runs.removed, seed: 4096 },
    );
  });
}
