import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RESOURCES } from '../test/arbitraries/resources.js';
import { checkPreconditions } from './decide/index.js';
import { type AnyResource, checkUpdate, type Network, type SegmentationId } from './index.js';
import type { IntentMetadata } from './resource.js';

describe('an update', () => {
  const [port] = fc.sample(RESOURCES.Port, 1);
  const [base] = fc.sample(RESOURCES.Network, 1);
  if (port === undefined || base === undefined) throw new Error('no sample');

  const intentOf = (resource: AnyResource, spec: object) =>
    ({ kind: resource.kind, metadata: resource.metadata, spec: { ...resource.spec, ...spec } }) as Parameters<
      typeof checkUpdate
    >[1];

  it('cannot change an immutable field', () => {
    expect(checkUpdate(port, intentOf(port, { network: 'other-network' }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'IMMUTABLE_FIELD',
      violations: [{ field: 'spec.network', description: `cannot change; it is ${port.spec.network}` }],
    });
    expect(checkUpdate(port, intentOf(port, { adminState: 'DOWN', function: undefined }))).toBeUndefined();
  });

  it('may repeat the allocated segment or leave it out, not change it', () => {
    const before: Network = {
      ...base,
      status: {
        ...base.status,
        segment: {
          networkType: 'VXLAN',
          segmentationId: 5001 as SegmentationId,
          physicalNetwork: undefined,
        },
      },
    };
    const asking = (segmentationId: number | undefined) =>
      checkUpdate(before, intentOf(before, { segment: { networkType: undefined, segmentationId } }));
    expect(asking(5001)).toBeUndefined();
    const onPhysical = { networkType: 'VLAN', segmentationId: undefined, physicalNetwork: 'physnet1' };
    expect(checkUpdate(before, intentOf(before, { segment: onPhysical }))?.violations).toEqual([
      { field: 'spec.segment.networkType', description: 'must be VXLAN, as allocated, or absent' },
      { field: 'spec.segment.physicalNetwork', description: 'must be absent' },
    ]);
    expect(asking(undefined)).toBeUndefined();
    expect(asking(5002)?.violations).toEqual([
      { field: 'spec.segment.segmentationId', description: 'must be 5001, as allocated, or absent' },
    ]);
  });

  it('is ABORTED when its preconditions do not hold', () => {
    const check = (metadata: Partial<IntentMetadata>, existing: typeof port | undefined = port) => {
      const { tenant, name } = port.metadata;
      const none = { uid: undefined, resourceVersion: undefined };
      const target = { kind: 'Port', metadata: { tenant, name, ...none, ...metadata } };
      return checkPreconditions(target, existing, undefined);
    };
    const { uid, resourceVersion } = port.metadata;
    expect(check({})).toBeUndefined();
    expect(check({ uid, resourceVersion })).toBeUndefined();
    const other = 'other' as typeof uid;
    expect(check({ uid: other })).toMatchObject({ code: 'ABORTED', reason: 'UID_MISMATCH' });
    expect(check({ resourceVersion: 'other' })).toMatchObject({
      code: 'ABORTED',
      reason: 'STALE',
      metadata: { resourceVersion },
    });
  });
});
