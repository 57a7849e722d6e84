import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { UnderlayConfigurationSchema } from '@outboard/contracts';
import type { UnderlayStatus } from './underlay-keeper.js';
import { UnderlayPart } from './underlay-part.js';

describe('what is told of the network of a DPU', () => {
  const partWith = (status: UnderlayStatus) =>
    new UnderlayPart({ want: () => {}, status, onChange: () => {} });
  const source = { kind: 'DpuNetworkConfiguration', tenant: '_', name: 'dpu-1' };
  const wanted = { key: 'underlay', source, value: create(UnderlayConfigurationSchema, { uid: 'u' }) };
  const rolledBack = { kind: 'rolledBack', message: 'no answer in 30 s' } as const;

  it('is what became of its configuration, by that name', () => {
    const part = partWith(rolledBack);
    part.want([wanted], true);
    expect(part.problems()).toEqual([
      { key: 'underlay', source, state: 'FAILED', message: 'no answer in 30 s', isRolledBack: true },
    ]);
  });

  it('is what became of giving it back, when there is no configuration any more', () => {
    const part = partWith(rolledBack);
    part.want([wanted], true);
    part.want([], true);
    expect(part.problems()).toMatchObject([
      { key: 'underlay', state: 'FAILED', message: 'no answer in 30 s', isRolledBack: true },
    ]);
  });

  it('is nothing when it is as wanted, or when its owner does not know the DPU', () => {
    const well = partWith({ kind: 'applied' });
    well.want([], true);
    const unknown = partWith(rolledBack);
    unknown.want([], false);
    expect([well.problems(), unknown.problems()]).toEqual([[], []]);
  });
});
