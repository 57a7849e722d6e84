import { describe, expect, it } from '@jest/globals';
import { encodeError } from '@outboard/contracts';
import type { AppError, Result } from '@outboard/core';
import { findCondition, type Name } from '@outboard/model';
import { checkInvariants, summaryOf } from '../../test/invariants.js';
import { identityOf, Lab } from '../../test/lab.js';
import { present } from '../index.js';

const VLAN = { networkType: 'VLAN', physicalNetwork: 'physnet1' };
const FLAT = { networkType: 'FLAT', physicalNetwork: 'physnet1' };
const ANY_DPU = { uplink: 'p0', dpuSelector: {} };
const VLANS = { vlanRanges: [{ minimum: 100, maximum: 299 }], attachments: [ANY_DPU] };

/** What the network admin of the first slide says: geneve for all, and VLANs of a range for those who ask. */
const SEED_POLICY = {
  defaultSegment: { networkType: 'GENEVE' },
  allowed: [{ ...VLAN, minimum: 100, maximum: 199 }],
};

function world(policy: object = SEED_POLICY): Lab {
  const lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2'], 3);
  lab.apply('PhysicalNetwork', 'physnet1', VLANS);
  lab.apply('EncapsulationPolicy', 'default', policy);
  return lab;
}

const segmentOf = (lab: Lab, name: string, tenant = 'acme') => {
  const record = lab.rows.get(`Network/${tenant}/${name}`);
  return record?.kind === 'Network' ? record.resource.status.segment : undefined;
};

const ask = (lab: Lab, segment: object, name = 'blue', tenant = 'acme') =>
  lab.tryApply('Network', name, { segment }, { tenant });

function errorOf(result: Result<unknown, AppError>): AppError {
  if (result.ok) throw new Error('was accepted');
  return result.error;
}

/** That it is refused so, and nothing changes. */
function expectRefusal(
  lab: Lab,
  act: () => Result<unknown, AppError>,
  reason: string,
  ...problems: readonly string[]
): void {
  const before = summaryOf(lab.world);
  const error = errorOf(act());
  const found = error.violations.map(({ field, description }) => `${field}: ${description}`);
  expect([error.reason, ...(found.length > 0 ? found : [error.message])]).toEqual([reason, ...problems]);
  expect(summaryOf(lab.world)).toEqual(before);
  checkInvariants(lab);
}

const planned = (lab: Lab, port: string) => {
  const condition = findCondition(lab.port(port).status.conditions, 'Planned');
  return [condition?.reason, condition?.message].join(': ');
};

describe('what a network gets', () => {
  it('is VXLAN while there is no policy, GENEVE by asking, and the fabric by no means', () => {
    const lab = new Lab();
    lab.apply('PhysicalNetwork', 'physnet1', VLANS);
    lab.apply('Network', 'a', {});
    lab.apply('Network', 'b', { segment: { networkType: 'GENEVE' } });
    lab.apply('Network', 'c', { segment: { networkType: 'GENEVE', segmentationId: 4096 } });
    expect(segmentOf(lab, 'a')).toEqual({ networkType: 'VXLAN', segmentationId: 4096 });
    expect(segmentOf(lab, 'b')).toEqual({ networkType: 'GENEVE', segmentationId: 1 });
    expect(segmentOf(lab, 'c')).toEqual({ networkType: 'GENEVE', segmentationId: 4096 });
    const types = 'must be one of VXLAN, GENEVE';
    expectRefusal(lab, () => ask(lab, VLAN), 'SEGMENT_OUTSIDE_POLICY', `spec.segment.networkType: ${types}`);
  });

  it('is the default of the policy, or what it allows and is asked for, each counted for itself', () => {
    const lab = world();
    for (const [name, segment] of Object.entries({ a: {}, b: VLAN, c: {}, d: { networkType: 'VLAN' } })) {
      lab.apply('Network', name, { segment });
    }
    expect(['a', 'b', 'c', 'd'].map((name) => segmentOf(lab, name))).toEqual([
      { networkType: 'GENEVE', segmentationId: 4096 },
      { ...VLAN, segmentationId: 100 },
      { networkType: 'GENEVE', segmentationId: 4097 },
      { ...VLAN, segmentationId: 101 },
    ]);
  });

  it('is what the policy of its own tenant says, which replaces the one of everybody', () => {
    const lab = world();
    const policy = { tenant: 'umbrella', defaultSegment: { ...VLAN, minimum: 200 } };
    lab.apply('EncapsulationPolicy', 'umbrella', policy);
    lab.apply('Network', 'blue', {}, { tenant: 'umbrella' });
    lab.apply('Network', 'blue', {});
    expect(segmentOf(lab, 'blue', 'umbrella')).toEqual({ ...VLAN, segmentationId: 200 });
    expect(segmentOf(lab, 'blue')).toEqual({ networkType: 'GENEVE', segmentationId: 4096 });
    const asked = () => ask(lab, { ...VLAN, segmentationId: 100 }, 'red', 'umbrella');
    const rule = 'must be absent: the system chooses the identifiers of VLAN';
    expectRefusal(lab, asked, 'SEGMENT_OUTSIDE_POLICY', `spec.segment.segmentationId: ${rule}`);
  });

  it('goes on with the next range that is allowed, within the VLANs of the physical network', () => {
    const lab = world({
      defaultSegment: { networkType: 'GENEVE' },
      allowed: [
        { ...VLAN, minimum: 99, maximum: 101 },
        { ...VLAN, minimum: 299, maximum: 310 },
      ],
    });
    for (const name of ['a', 'b', 'c']) lab.apply('Network', name, { segment: VLAN });
    expect(['a', 'b', 'c'].map((name) => segmentOf(lab, name)?.segmentationId)).toEqual([100, 101, 299]);
    const none = 'no identifier of 99-101 on physnet1, 299-310 on physnet1 is free';
    expectRefusal(lab, () => ask(lab, VLAN), 'SEGMENTS_EXHAUSTED', `spec.segment.segmentationId: ${none}`);
    lab.delete('Network', 'b');
    lab.apply('Network', 'd', { segment: VLAN });
    expect(segmentOf(lab, 'd')?.segmentationId).toBe(101);
  });

  it('is one FLAT network for each physical network', () => {
    const lab = world({ ...SEED_POLICY, allowed: [FLAT] });
    lab.apply('Network', 'blue', { segment: { networkType: 'FLAT' } });
    expect(segmentOf(lab, 'blue')).toEqual(FLAT);
    const taken = 'spec.segment.physicalNetwork: its FLAT network is held by network acme/blue';
    expectRefusal(lab, () => ask(lab, FLAT, 'red'), 'SEGMENT_TAKEN', taken);
  });

  it('is not given again before the DPUs that had it have let it go', () => {
    const lab = world();
    lab.apply('Network', 'blue', { segment: VLAN });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    lab.report('dpu-1');
    lab.delete('Port', 'web-0');
    lab.delete('Network', 'blue');
    lab.apply('Network', 'red', { segment: VLAN });
    lab.apply('Network', 'late', { segment: { ...VLAN, segmentationId: 100 } });
    lab.apply('Port', 'web-1', { network: 'late', function: identityOf('dpu-2', 0) });
    expect(segmentOf(lab, 'red')?.segmentationId).toBe(101);
    const waits = 'SegmentQuarantined: VLAN 100 on physnet1 may still be used by dpu-1';
    expect(planned(lab, 'web-1')).toBe(waits);
    lab.report('dpu-1');
    expect(planned(lab, 'web-1')).toBe('Planned: dpu-2');
  });
});

describe('asking for what the policy does not allow', () => {
  it('is refused with the policy and the range, as the architecture shows it', () => {
    const lab = world();
    const error = errorOf(ask(lab, { ...VLAN, segmentationId: 200 }));
    const { code, status, details } = JSON.parse(Buffer.from(encodeError(error).body).toString());
    expect({ code, status, details }).toEqual({
      code: 3,
      status: 'INVALID_ARGUMENT',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'SEGMENT_OUTSIDE_POLICY',
          domain: 'outboard.dev',
          metadata: { policy: 'default', range: '100-199' },
        },
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [
            { field: 'spec.segment.segmentationId', description: 'must be 100-199 on physnet1' },
          ],
        },
      ],
    });
  });

  it.each<[what: string, segment: object, problem: string]>([
    ['another type', { networkType: 'VXLAN' }, 'networkType: must be one of GENEVE, VLAN'],
    ['another physical network', { ...VLAN, physicalNetwork: 'x' }, 'physicalNetwork: must be physnet1'],
    [
      'an identifier of the default',
      { segmentationId: 5000 },
      'segmentationId: must be absent: the system chooses the identifiers of GENEVE',
    ],
  ])('is refused: %s', (_, segment, problem) => {
    const lab = world();
    expectRefusal(lab, () => ask(lab, segment), 'SEGMENT_OUTSIDE_POLICY', `spec.segment.${problem}`);
  });

  it('is refused also of a network that exists and asked for nothing', () => {
    const lab = world();
    lab.apply('Network', 'blue', {});
    lab.apply('Network', 'blue', { segment: { networkType: 'GENEVE' } });
    const repeated = () => ask(lab, { networkType: 'GENEVE', segmentationId: 4096 });
    const rule = 'must be absent: the system chooses the identifiers of GENEVE';
    expectRefusal(lab, repeated, 'SEGMENT_OUTSIDE_POLICY', `spec.segment.segmentationId: ${rule}`);
  });

  it('is refused where the fabric has no such VLAN', () => {
    const lab = world({ ...SEED_POLICY, allowed: [{ ...VLAN, minimum: 1 }] });
    expectRefusal(
      lab,
      () => ask(lab, { ...VLAN, segmentationId: 300 }),
      'SEGMENT_OUTSIDE_PHYSICAL_NETWORK',
      'spec.segment.segmentationId: must be of the VLANs that physnet1 carries: 100-299',
    );
  });

  it('is refused where somebody has it', () => {
    const lab = world();
    lab.apply('Network', 'blue', { segment: VLAN });
    expectRefusal(
      lab,
      () => ask(lab, { ...VLAN, segmentationId: 100 }, 'red', 'umbrella'),
      'SEGMENT_TAKEN',
      'spec.segment.segmentationId: 100 is held by network acme/blue',
    );
  });
});

describe('a policy', () => {
  it('changes no network that exists', () => {
    const lab = new Lab();
    lab.fleet(['dpu-1'], 1);
    lab.apply('Network', 'blue', {});
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    const before = segmentOf(lab, 'blue');
    const decision = lab.apply('EncapsulationPolicy', 'default', {
      defaultSegment: { networkType: 'GENEVE' },
    });
    expect(decision.changes.map(({ after }) => after?.kind)).toEqual(['EncapsulationPolicy']);
    lab.apply('Network', 'blue', { mtu: 1400 });
    expect(segmentOf(lab, 'blue')).toEqual(before);
    checkInvariants(lab);
  });

  it('is refused when the tenant, or everybody, has one', () => {
    const lab = world();
    const second = () => lab.tryApply('EncapsulationPolicy', 'second', SEED_POLICY);
    const rule = 'the policy for all tenants is encapsulationpolicy default';
    expectRefusal(lab, second, 'POLICY_EXISTS', `spec.tenant: ${rule}`);
    lab.apply('EncapsulationPolicy', 'acme', { ...SEED_POLICY, tenant: 'acme' });
    const third = () => lab.tryApply('EncapsulationPolicy', 'third', { ...SEED_POLICY, tenant: 'acme' });
    expectRefusal(lab, third, 'POLICY_EXISTS', 'spec.tenant: the policy of acme is encapsulationpolicy acme');
  });

  it('is refused when it names a physical network that does not exist', () => {
    const lab = new Lab();
    expectRefusal(
      lab,
      () => lab.tryApply('EncapsulationPolicy', 'default', SEED_POLICY),
      'PHYSICAL_NETWORK_NOT_FOUND',
      'spec.allowed[0].physicalNetwork: physical network physnet1 does not exist',
    );
  });

  it('cannot take away what a network asks for, until the network gives way by asking for nothing', () => {
    const lab = world();
    lab.apply('Network', 'blue', { segment: { ...VLAN, segmentationId: 150 } });
    const narrowed = { ...SEED_POLICY, allowed: [{ ...VLAN, minimum: 100, maximum: 149 }] };
    const narrow = () => lab.tryApply('EncapsulationPolicy', 'default', narrowed);
    const rule = '1 networks ask for what would not be allowed: network acme/blue';
    expectRefusal(lab, narrow, 'POLICY_IN_USE', `spec.allowed: ${rule}`);
    const ofAcme = { tenant: 'acme', defaultSegment: { networkType: 'VXLAN' } };
    const replace = () => lab.tryApply('EncapsulationPolicy', 'acme', ofAcme);
    expectRefusal(lab, replace, 'POLICY_IN_USE', `spec.allowed: ${rule}`);
    const used = 'encapsulationpolicy default is in use by 1: network acme/blue';
    expectRefusal(lab, () => lab.tryDelete('EncapsulationPolicy', 'default'), 'IN_USE', used);

    lab.apply('Network', 'blue', {});
    expect(narrow().ok && replace().ok).toBe(true);
    lab.delete('EncapsulationPolicy', 'acme');
    lab.delete('EncapsulationPolicy', 'default');
    expect(segmentOf(lab, 'blue')).toEqual({ ...VLAN, segmentationId: 150 });
    checkInvariants(lab);
  });

  it('of a tenant cannot go while the one of everybody does not allow what a network asks for', () => {
    const lab = world();
    const ofAcme = {
      tenant: 'acme',
      defaultSegment: { networkType: 'VXLAN' },
      allowed: [{ networkType: 'VXLAN' }],
    };
    lab.apply('EncapsulationPolicy', 'acme', ofAcme);
    lab.apply('Network', 'blue', { segment: { networkType: 'VXLAN' } });
    const used = 'encapsulationpolicy acme is in use by 1: network acme/blue';
    expectRefusal(lab, () => lab.tryDelete('EncapsulationPolicy', 'acme'), 'IN_USE', used);
  });
});

describe('a physical network', () => {
  function used(): Lab {
    const lab = world();
    lab.apply('Network', 'blue', { segment: { ...VLAN, segmentationId: 150 }, mtu: 1400 });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    return lab;
  }

  it('is not deleted while it carries networks or a policy names it', () => {
    const lab = used();
    expectRefusal(
      lab,
      () => lab.tryDelete('PhysicalNetwork', 'physnet1'),
      'IN_USE',
      'physicalnetwork physnet1 is in use by 2: encapsulationpolicy default, network acme/blue',
    );
  });

  it('cannot give up what is used of it, and tells every use at once', () => {
    const lab = used();
    const spec = { mtu: 1300, vlanRanges: [], attachments: [{ uplink: 'p0', dpus: ['dpu-2'] }] };
    expectRefusal(
      lab,
      () => lab.tryApply('PhysicalNetwork', 'physnet1', spec),
      'PHYSICAL_NETWORK_IN_USE',
      'spec.vlanRanges: must have the VLANs of its 1 networks: network acme/blue',
      'spec.mtu: must not be less than what 1 networks ask for: network acme/blue',
      'spec.attachments: must keep the DPUs of 1 ports: port acme/web-0',
    );
  });

  it('has its uplinks for itself', () => {
    const lab = used();
    expectRefusal(
      lab,
      () => lab.tryApply('PhysicalNetwork', 'physnet2', { attachments: [{ uplink: 'p0', dpus: ['dpu-1'] }] }),
      'UPLINK_TAKEN',
      'spec.attachments: p0 of dpu-1 leads to physnet1',
    );
  });

  it('tells whom it reaches and what it carries', () => {
    const lab = used();
    const record = lab.world.physicalNetworks.get('physnet1')?.record;
    expect(record && present(lab.world, record.resource).status).toMatchObject({ dpus: 2, networks: 1 });
  });

  it('gives networks its MTU, which they may ask to be less, not more', () => {
    const lab = world();
    lab.apply('Network', 'blue', { segment: VLAN });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    expect(lab.port('web-0').status.mtu).toBe(1500);
    lab.apply('PhysicalNetwork', 'physnet1', { ...VLANS, mtu: 9000 });
    expect(lab.port('web-0').status.mtu).toBe(9000);
    lab.apply('PhysicalNetwork', 'physnet1', VLANS);
    expectRefusal(
      lab,
      () => lab.tryApply('Network', 'red', { segment: VLAN, mtu: 1501 }),
      'MTU_EXCEEDS_PHYSICAL_NETWORK',
      'spec.mtu: its physical network carries 1500 bytes',
    );
  });
});

describe('a port on the fabric', () => {
  it('waits while its DPU is not attached, and goes on when the admin attaches it', () => {
    const lab = world();
    lab.apply('PhysicalNetwork', 'physnet1', { ...VLANS, attachments: [{ uplink: 'p0', dpus: ['dpu-2'] }] });
    lab.apply('Network', 'blue', { segment: VLAN });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    expect(planned(lab, 'web-0')).toBe('NotAttached: dpu-1 has no uplink to physnet1');
    lab.apply('PhysicalNetwork', 'physnet1', VLANS);
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    checkInvariants(lab);
  });

  it('moves with the uplink of its DPU, and leaves with the label that attached it', () => {
    const lab = world();
    const byRack = (uplink: string) => ({
      ...VLANS,
      attachments: [{ uplink, dpuSelector: { matchLabels: { rack: 'r1' } } }],
    });
    lab.dpu('dpu-1', { labels: { rack: 'r1' } });
    lab.apply('PhysicalNetwork', 'physnet1', byRack('p0'));
    lab.apply('Network', 'blue', { segment: VLAN });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    lab.changes.length = 0;
    lab.apply('PhysicalNetwork', 'physnet1', byRack('p1'));
    expect(lab.changes.map(({ upserts }) => upserts.length)).toEqual([1]);
    checkInvariants(lab);
    lab.dpu('dpu-1', { labels: { rack: 'r2' } });
    expect(planned(lab, 'web-0')).toBe('NotAttached: dpu-1 has no uplink to physnet1');
    expect(lab.published.get('dpu-1')?.size).toBe(0);
    checkInvariants(lab);
  });

  it('stays off an uplink that labels bring to two physical networks, the first of which has it', () => {
    const lab = world();
    const select = (label: string) => ({
      ...VLANS,
      attachments: [{ uplink: 'p0', dpuSelector: { matchLabels: { [label]: 'yes' } } }],
    });
    lab.apply('PhysicalNetwork', 'physnet1', select('one'));
    lab.apply('PhysicalNetwork', 'physnet0', select('zero'));
    lab.dpu('dpu-1', { labels: { one: 'yes' } });
    lab.apply('Network', 'blue', { segment: VLAN });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    lab.dpu('dpu-1', { labels: { one: 'yes', zero: 'yes' } });
    expect(planned(lab, 'web-0')).toBe('NotAttached: dpu-1 has no uplink to physnet1');
    checkInvariants(lab);
    lab.delete('PhysicalNetwork', 'physnet0');
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    checkInvariants(lab);
  });

  it('needs no underlay, and is known everywhere as soon as its own DPU has it', () => {
    const lab = world();
    lab.dpu('dpu-3', { tunnelEndpoint: undefined, underlayMtu: undefined });
    lab.function('dpu-3', 0);
    lab.apply('Network', 'blue', { segment: VLAN });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-3', 0) });
    lab.report('dpu-3');
    const status = present(lab.world, lab.port('web-1')).status;
    expect(findCondition(status.conditions, 'Ready')?.status).toBe('True');
    expect(status.propagated).toEqual({ applied: 1, total: 1, lagging: [] });
    checkInvariants(lab);
  });

  it('releases what it had as soon as its own DPU has let it go', () => {
    const lab = world();
    lab.apply('Network', 'blue', { segment: VLAN });
    for (const [index, dpu] of ['dpu-1', 'dpu-2'].entries()) {
      lab.apply('Port', `web-${index}`, { network: 'blue', function: identityOf(dpu, 0) });
    }
    for (const dpu of ['dpu-1', 'dpu-2']) lab.report(dpu);
    lab.delete('Port', 'web-0');
    expect(lab.records('Release')).toHaveLength(1);
    lab.report('dpu-1');
    expect(lab.records('Release')).toEqual([]);
  });
});

describe('a DPU that cannot encapsulate as the network is', () => {
  it('is refused to a port that asks for it, and takes a port that has it out of its documents', () => {
    const lab = world();
    lab.apply('Network', 'blue', {});
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    lab.dpu('dpu-1', { encapsulations: ['VXLAN'] });
    expect(planned(lab, 'web-0')).toBe('EncapsulationUnsupported: dpu-1 cannot realise GENEVE');
    expectRefusal(
      lab,
      () => lab.tryApply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-1' as Name, 1) }),
      'ENCAPSULATION_UNSUPPORTED',
      'spec.network: dpu-1 cannot realise GENEVE',
    );
    expect(lab.published.get('dpu-1')?.size).toBe(0);
  });
});
