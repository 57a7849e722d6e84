import { beforeEach, describe, expect, it } from '@jest/globals';
import { findCondition } from '@outboard/model';
import { identityOf, Lab } from '../../test/lab.js';
import { readable } from '../../test/oracle.js';
import { present } from '../index.js';

const WEB = { matchLabels: { app: 'web' } };
const DB = { matchLabels: { app: 'db' } };

let lab: Lab;

const connect = (name: string, dpu: string, vfNumber: number, app: string, more: object = {}) =>
  lab.apply(
    'Port',
    name,
    { network: 'blue', function: identityOf(dpu, vfNumber), ...more },
    { labels: { app } },
  );

/** What the last decision changed, by DPU. */
function changed(run: () => unknown): Record<string, { upserts: string[]; deletes: string[] }> {
  const before = lab.changes.length;
  run();
  return Object.fromEntries(
    lab.changes.slice(before).map(({ dpu, upserts, deletes }) => [
      dpu,
      {
        upserts: upserts.map(({ key }) => kindAndEnd(key)).sort(),
        deletes: deletes.map(kindAndEnd).sort(),
      },
    ]),
  );
}

const kindAndEnd = (key: string): string => `${key.split('/')[0]} ${key.split('/').at(-1)}`;

/** Database ports on dpu-1 may be reached by web ports, of which there is one on dpu-2; dpu-3 has neither. */
beforeEach(() => {
  lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2', 'dpu-3'], 4);
  lab.apply('Network', 'blue', {});
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/16' });
  lab.apply('AddressSet', 'office', { addresses: ['192.0.2.0/24'] });
  lab.apply('SecurityPolicy', 'db', { portSelector: DB, ingress: [{ peers: [{ portSelector: WEB }] }] });
  connect('db-0', 'dpu-1', 0, 'db');
  connect('web-0', 'dpu-2', 0, 'web');
  connect('other', 'dpu-3', 0, 'other');
});

const endpoints = (dpu: string) =>
  [...(lab.published.get(dpu) ?? [])]
    .filter(([key]) => key.startsWith('endpoint/'))
    .map(([, object]) => (readable(object) as { endpoint: { ruleSets?: string[] } }).endpoint);

describe('a policy', () => {
  it('is known where there are ports that it applies to, with the groups that it means', () => {
    const policies = [...lab.published].map(([dpu, document]) => [
      dpu,
      [...document.keys()].map(kindAndEnd).filter((key) => /^(ruleset|addressgroup)/.test(key)).length,
    ]);
    expect(policies).toEqual([
      ['dpu-1', 3],
      ['dpu-2', 0],
      ['dpu-3', 0],
    ]);
  });

  it('that changes touches only where it applies, and no port', () => {
    const rules = [{ peers: [{ portSelector: WEB }], services: [{ protocol: 'TCP', port: 5432 }] }];
    expect(changed(() => lab.apply('SecurityPolicy', 'db', { portSelector: DB, ingress: rules }))).toEqual({
      'dpu-1': { upserts: ['ruleset default'], deletes: [] },
    });
  });

  it('that comes to apply to a port makes it unready until its DPU has that', () => {
    for (const dpu of ['dpu-1', 'dpu-2', 'dpu-3']) lab.report(dpu);
    const appliedOf = (name: string) => findCondition(lab.port(name).status.conditions, 'Applied')?.reason;
    expect(appliedOf('web-0')).toBe('AppliedAndReadBack');
    lab.apply('SecurityPolicy', 'web', { portSelector: WEB });
    expect([appliedOf('web-0'), appliedOf('db-0')]).toEqual(['Applying', 'AppliedAndReadBack']);
    lab.report('dpu-2');
    expect(appliedOf('web-0')).toBe('AppliedAndReadBack');
  });

  it('stands among others by tier, priority and name', () => {
    lab.apply('SecurityPolicy', 'a-last', { tier: 'BASELINE', priority: 0, portSelector: {} });
    lab.apply('SecurityPolicy', 'a-late', { tier: 'ADMIN', priority: 9, portSelector: {} });
    lab.apply('SecurityPolicy', 'z-early', { tier: 'ADMIN', priority: 1, portSelector: {} });
    lab.apply('SecurityPolicy', 'a', { portSelector: {}, isolates: ['EGRESS'] });
    const [endpoint] = endpoints('dpu-1');
    const uidOf = new Map(
      lab.records('SecurityPolicy').map(({ resource: { metadata } }) => [metadata.uid, metadata.name]),
    );
    expect(endpoint?.ruleSets?.map((key) => uidOf.get(key.split('/')[1] as never))).toEqual([
      'z-early',
      'a-late',
      'a',
      'db',
      'a-last',
    ]);
    expect(endpoint).toMatchObject({ isolatedIngress: true, isolatedEgress: true });
  });

  it('counts its ports and their DPUs, an address set its policies', () => {
    const peers = [{ addressSet: 'office' }];
    const { resource } = lab.apply('SecurityPolicy', 'all', { portSelector: {}, ingress: [{ peers }] });
    expect(resource.status).toMatchObject({ ports: 3, dpus: 3 });
    const [office] = lab.records('AddressSet');
    expect(office && present(lab.world, office.resource).status).toMatchObject({ policies: 1 });
  });

  it('that a port names applies to it, and cannot be deleted before the port names it no longer', () => {
    lab.apply('SecurityPolicy', 'named', {});
    connect('other', 'dpu-3', 0, 'other', { securityPolicies: ['named'] });
    expect(endpoints('dpu-3')[0]?.ruleSets).toHaveLength(1);
    expect(lab.tryDelete('SecurityPolicy', 'named')).toMatchObject({
      error: {
        code: 'FAILED_PRECONDITION',
        reason: 'IN_USE',
        message: expect.stringContaining('port acme/other'),
      },
    });
    connect('other', 'dpu-3', 0, 'other');
    lab.delete('SecurityPolicy', 'named');
    expect(endpoints('dpu-3')[0]?.ruleSets).toBeUndefined();
  });
});

describe('a member', () => {
  it('that comes, goes, or has other labels touches its group where rules mean it, by one object', () => {
    const { 'dpu-1': come } = changed(() => connect('web-1', 'dpu-2', 1, 'web'));
    expect(come?.upserts).toEqual(['addressgroupmember 10.0.0.5', expect.stringMatching(/^remoteendpoint/)]);
    expect(changed(() => connect('web-1', 'dpu-2', 1, 'worker'))).toEqual({
      'dpu-1': { upserts: [], deletes: ['addressgroupmember 10.0.0.5'] },
    });
    expect(changed(() => connect('web-1', 'dpu-2', 1, 'web'))).toEqual({
      'dpu-1': { upserts: ['addressgroupmember 10.0.0.5'], deletes: [] },
    });
    const { 'dpu-1': gone } = changed(() => lab.delete('Port', 'web-1'));
    expect(gone?.deletes).toEqual(['addressgroupmember 10.0.0.5', expect.stringMatching(/^remoteendpoint/)]);
  });

  it('of an address set is one object, too', () => {
    lab.apply('SecurityPolicy', 'office', {
      portSelector: DB,
      ingress: [{ peers: [{ addressSet: 'office' }] }],
    });
    expect(
      changed(() => lab.apply('AddressSet', 'office', { addresses: ['192.0.2.0/24', '198.51.100.1'] })),
    ).toEqual({
      'dpu-1': { upserts: ['addressgroupmember 198.51.100.1'], deletes: [] },
    });
  });

  it('gives its address to nobody before the DPUs whose rules mean it have forgotten it', () => {
    lab.apply('Network', 'green', {});
    lab.apply('Subnet', 'green-v4', { network: 'green', cidr: '10.1.0.0/29' });
    const address = { addresses: [{ subnet: 'green-v4', ip: '10.1.0.2' }] };
    const spec = { network: 'green', function: identityOf('dpu-2', 2), ...address };
    lab.apply('Port', 'web-green', spec, { labels: { app: 'web' } });
    lab.delete('Port', 'web-green');
    // They had the port: the one at home, the other as it routes to green.
    for (const dpu of ['dpu-2', 'dpu-3']) lab.report(dpu);
    lab.apply('Port', 'successor', spec);
    const reason = () => findCondition(lab.port('successor').status.conditions, 'Planned');
    expect(reason()).toMatchObject({
      reason: 'AddressQuarantined',
      message: expect.stringContaining('dpu-1'),
    });
    lab.report('dpu-1');
    expect(reason()).toMatchObject({ reason: 'Planned' });
  });

  it('is one object of a change whatever the number of policies and members', () => {
    lab.group(() => {
      for (let index = 0; index < 2000; index++) {
        lab.apply('SecurityPolicy', `policy-${index}`, {
          portSelector: { matchLabels: { app: `app-${index}` } },
          ingress: [{ peers: [{ portSelector: WEB }] }],
        });
      }
      for (let index = 0; index < 200; index++)
        lab.apply('Port', `web-x-${index}`, { network: 'blue' }, { labels: WEB.matchLabels });
    });
    expect(changed(() => connect('other', 'dpu-3', 0, 'web'))).toEqual({
      'dpu-1': { upserts: ['addressgroupmember 10.0.0.4'], deletes: [] },
    });
  });
});

describe('is refused', () => {
  it('a policy that names address sets that do not exist, with all of them', () => {
    const peers = [{ addressSet: 'office' }, { addressSet: 'x' }, { addressSet: 'y' }];
    expect(lab.tryApply('SecurityPolicy', 'p', { ingress: [{ peers }], egress: [{ peers }] })).toMatchObject({
      error: {
        code: 'NOT_FOUND',
        reason: 'ADDRESS_SET_NOT_FOUND',
        violations: ['ingress', 'egress'].flatMap((direction) =>
          [1, 2].map((index) => ({ field: `spec.${direction}[0].peers[${index}].addressSet` })),
        ),
      },
    });
  });

  it('a port that names a policy that does not exist', () => {
    expect(lab.tryApply('Port', 'p', { network: 'blue', securityPolicies: ['db', 'x'] })).toMatchObject({
      error: { reason: 'POLICY_NOT_FOUND', violations: [{ field: 'spec.securityPolicies[1]' }] },
    });
  });

  it('to delete an address set that policies use', () => {
    lab.apply('SecurityPolicy', 'office', { ingress: [{ peers: [{ addressSet: 'office' }] }] });
    expect(lab.tryDelete('AddressSet', 'office')).toMatchObject({
      error: {
        reason: 'IN_USE',
        message: 'addressset acme/office is in use by 1: securitypolicy acme/office',
      },
    });
    lab.apply('SecurityPolicy', 'office', {});
    lab.delete('AddressSet', 'office');
  });

  it('the 257th policy of a port, whoever brings it', () => {
    lab.group(() => {
      for (let index = 0; index < 255; index++)
        lab.apply('SecurityPolicy', `p${index}`, { portSelector: DB });
    });
    expect(lab.tryApply('SecurityPolicy', 'more', { portSelector: DB })).toMatchObject({
      error: { reason: 'TOO_MANY_POLICIES', violations: [{ field: 'spec.portSelector' }] },
    });
    lab.apply('SecurityPolicy', 'more', {});
    const spec = { network: 'blue', securityPolicies: ['more'] };
    expect(lab.tryApply('Port', 'db-1', spec, { labels: { app: 'db' } })).toMatchObject({
      error: { reason: 'TOO_MANY_POLICIES', violations: [{ field: 'metadata.labels' }] },
    });
  });
});
