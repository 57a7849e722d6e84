import { describe, expect, it } from '@jest/globals';
import { checkInvariants } from '../../test/invariants.js';
import { identityOf, Lab } from '../../test/lab.js';

/** blue on dpu-1 with subnets of both families. */
function world(): Lab {
  const lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2'], 3);
  lab.apply('Network', 'blue', {});
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/28' });
  lab.apply('Subnet', 'blue-v6', { network: 'blue', cidr: '2001:db8::/64' });
  return lab;
}

const ipsOf = (lab: Lab, port: string) => lab.port(port).status.addresses.map(({ ip }) => ip);

describe('allocation', () => {
  it('gives a port one address of every subnet, the lowest, and what the host needs to use them', () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue' });
    lab.apply('Port', 'web-1', { network: 'blue' });
    expect(lab.port('web-0').status.addresses).toEqual([
      { subnet: 'blue-v4', ip: '10.0.0.2', prefixLength: 28, gateway: '10.0.0.1' },
      { subnet: 'blue-v6', ip: '2001:db8::2', prefixLength: 64, gateway: '2001:db8::1' },
    ]);
    expect(ipsOf(lab, 'web-1')).toEqual(['10.0.0.3', '2001:db8::3']);
    expect(lab.port('web-0').status.segment).toEqual({ networkType: 'VXLAN', segmentationId: 4096 });
  });

  it('gives networks the lowest segment that is free, within the range', () => {
    const lab = new Lab({ vniRange: { first: 10, last: 12 } });
    const vniOf = (name: string) => {
      const record = lab.rows.get(`Network/acme/${name}`);
      return record?.kind === 'Network' ? record.resource.status.segment?.segmentationId : undefined;
    };
    lab.apply('Network', 'a', { segment: { segmentationId: 11 } });
    lab.apply('Network', 'b', {});
    lab.apply('Network', 'c', {});
    expect(['a', 'b', 'c'].map(vniOf)).toEqual([11, 10, 12]);
    lab.delete('Network', 'b');
    lab.apply('Network', 'd', {});
    expect(vniOf('d')).toBe(10);
  });

  it('stays over updates, restarts and being asked for what is there', () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue' });
    lab.apply('Port', 'web-1', { network: 'blue' });
    const { macAddress, addresses } = lab.port('web-1').status;
    lab.delete('Port', 'web-0');
    lab.restart();
    for (const spec of [
      { adminState: 'DOWN' },
      { addresses: [{ subnet: 'blue-v6' }, { subnet: 'blue-v4' }], function: identityOf('dpu-1', 0) },
      { addresses: [{ subnet: 'blue-v4', ip: '10.0.0.3' }, { subnet: 'blue-v6' }], macAddress },
      { function: identityOf('dpu-2', 0) },
      {},
    ]) {
      lab.apply('Port', 'web-1', { network: 'blue', ...spec });
      expect(lab.port('web-1').status.macAddress).toBe(macAddress);
      expect(ipsOf(lab, 'web-1').sort()).toEqual(addresses.map(({ ip }) => ip).sort());
    }
  });

  it('follows what is asked for, and frees what no port has', () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue', addresses: [{ subnet: 'blue-v4', ip: '10.0.0.2' }] });
    lab.apply('Port', 'web-0', { network: 'blue', addresses: [{ subnet: 'blue-v4', ip: '10.0.0.9' }] });
    lab.apply('Port', 'web-1', { network: 'blue', addresses: [{ subnet: 'blue-v4' }] });
    expect([ipsOf(lab, 'web-0'), ipsOf(lab, 'web-1')]).toEqual([['10.0.0.9'], ['10.0.0.2']]);
    lab.apply('Port', 'web-0', { network: 'blue', addresses: [{ subnet: 'blue-v6' }] });
    lab.apply('Port', 'web-2', { network: 'blue', addresses: [{ subnet: 'blue-v4', ip: '10.0.0.9' }] });
    expect(ipsOf(lab, 'web-2')).toEqual(['10.0.0.9']);
    checkInvariants(lab);
  });

  it('takes addresses only of the ranges of the subnet, but gives others when asked', () => {
    const lab = world();
    lab.apply('Subnet', 'small', {
      network: 'blue',
      cidr: '10.1.0.0/24',
      allocationRanges: [{ start: '10.1.0.50', end: '10.1.0.51' }],
    });
    const addresses = [{ subnet: 'small' }];
    lab.apply('Port', 'a', { network: 'blue', addresses });
    lab.apply('Port', 'b', { network: 'blue', addresses: [{ subnet: 'small', ip: '10.1.0.200' }] });
    lab.apply('Port', 'c', { network: 'blue', addresses });
    expect(['a', 'b', 'c'].flatMap((name) => ipsOf(lab, name))).toEqual([
      '10.1.0.50',
      '10.1.0.200',
      '10.1.0.51',
    ]);
    expect(lab.tryApply('Port', 'd', { network: 'blue', addresses }).ok).toBe(false);
    lab.apply('Subnet', 'small', { network: 'blue', cidr: '10.1.0.0/24', gateway: '10.1.0.2' });
    lab.apply('Port', 'd', { network: 'blue', addresses });
    expect(ipsOf(lab, 'd')).toEqual(['10.1.0.1']);
    checkInvariants(lab);
  });

  it('leaves the addresses of a port alone when its network gets another subnet', () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue' });
    lab.apply('Subnet', 'blue-more', { network: 'blue', cidr: '10.2.0.0/24' });
    lab.apply('Port', 'web-0', { network: 'blue', adminState: 'DOWN' });
    expect(ipsOf(lab, 'web-0')).toEqual(['10.0.0.2', '2001:db8::2']);
    lab.apply('Port', 'web-1', { network: 'blue' });
    expect(ipsOf(lab, 'web-1')).toEqual(['10.2.0.2', '10.0.0.3', '2001:db8::3']);
  });

  it("tells a subnet's ports of a new gateway, and each DPU's gateway of its new address", () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    const changes = lab.changes.length;
    lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/28', gateway: '10.0.0.14' });
    expect(lab.port('web-0').status.addresses[0]?.gateway).toBe('10.0.0.14');
    const [change] = lab.changes.slice(changes);
    expect(change?.upserts.map(({ key }) => key.split('/')[0])).toEqual(['routerinterface']);
    lab.apply('Port', 'web-1', { network: 'blue' });
    expect(ipsOf(lab, 'web-1')[0]).toBe('10.0.0.1');
  });
});

describe('an apply', () => {
  it('that says what is stored changes nothing at all', () => {
    const lab = world();
    const specs = [
      ['Network', 'blue', {}],
      ['Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/28' }],
      ['Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) }],
    ] as const;
    for (const [kind, name, spec] of specs) lab.apply(kind, name, spec);
    lab.restart();
    const changes = lab.changes.length;
    for (const [kind, name, spec] of specs) {
      const before = lab.rows.get(`${kind}/acme/${name}`);
      const { resource, changes: rows } = lab.apply(kind, name, spec);
      expect(rows).toEqual([]);
      expect(before && 'resource' in before && before.resource.metadata).toEqual(resource.metadata);
    }
    expect(lab.changes).toHaveLength(changes);
  });

  it('of other labels keeps the generation and the documents; of another spec counts up', () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    const changes = lab.changes.length;
    const labelled = lab.apply(
      'Port',
      'web-0',
      { network: 'blue', function: identityOf('dpu-1', 0) },
      { labels: { app: 'web' } },
    );
    expect(labelled.resource.metadata).toMatchObject({ generation: 1, labels: { app: 'web' } });
    expect(labelled.resource.metadata.resourceVersion).toBe(`${lab.revision}`);
    expect(lab.changes).toHaveLength(changes);
    const changed = lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 1) });
    expect(changed.resource.metadata.generation).toBe(2);
    expect(changed.resource.status.observedGeneration).toBe(2);
  });

  it('decides upon what was decided before in the same commit', () => {
    const lab = new Lab();
    lab.fleet(['dpu-1'], 2);
    lab.group(() => {
      lab.apply('Network', 'blue', {});
      lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/28' });
      lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
      lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 1) });
      expect(lab.tryApply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-1', 1) }).ok).toBe(
        false,
      );
    });
    expect(lab.changes).toHaveLength(1);
    expect(lab.changes[0]).toMatchObject({ dpu: 'dpu-1', sequence: lab.revision, deletes: [] });
    expect(lab.changes[0]?.upserts).toHaveLength(4);
    checkInvariants(lab);
  });
});

describe('what a change touches', () => {
  /** Keys that the last command changed, by DPU; uids cut off. */
  function touched(lab: Lab, act: () => void): Record<string, { upserts: string[]; deletes: string[] }> {
    const before = lab.changes.length;
    act();
    const kinds = (keys: readonly string[]) => keys.map((key) => key.slice(0, key.indexOf('/'))).sort();
    return Object.fromEntries(
      lab.changes
        .slice(before)
        .map(({ dpu, upserts, deletes }) => [
          dpu,
          { upserts: kinds(upserts.map(({ key }) => key)), deletes: kinds(deletes) },
        ]),
    );
  }

  /** web-0 on dpu-1, web-1 on dpu-2, web-2 on dpu-2. */
  function network(): Lab {
    const lab = world();
    lab.dpu('dpu-3');
    lab.function('dpu-3', 0);
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-2', 0) });
    lab.apply('Port', 'web-2', { network: 'blue', function: identityOf('dpu-2', 1) });
    return lab;
  }

  it('is only the home DPU when the others do not see it', () => {
    const lab = network();
    const act = () =>
      lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-2', 0), adminState: 'DOWN' });
    expect(touched(lab, act)).toEqual({ 'dpu-2': { upserts: ['endpoint'], deletes: [] } });
  });

  it('is one object on every DPU of the network when they see it', () => {
    const lab = network();
    const act = () =>
      lab.apply('Port', 'web-1', {
        network: 'blue',
        function: identityOf('dpu-2', 0),
        macAddress: '02:00:00:00:00:77',
      });
    expect(touched(lab, act)).toEqual({
      'dpu-1': { upserts: ['remoteendpoint'], deletes: [] },
      'dpu-2': { upserts: ['endpoint'], deletes: [] },
    });
  });

  it('is all of the network on a DPU with its first port, and a peer and the port elsewhere', () => {
    const lab = network();
    const act = () => lab.apply('Port', 'web-3', { network: 'blue', function: identityOf('dpu-3', 0) });
    expect(touched(lab, act)).toEqual({
      'dpu-1': { upserts: ['remoteendpoint', 'tunnelpeer'], deletes: [] },
      'dpu-2': { upserts: ['remoteendpoint', 'tunnelpeer'], deletes: [] },
      'dpu-3': {
        upserts: [
          'bridgedomain',
          'endpoint',
          'remoteendpoint',
          'remoteendpoint',
          'remoteendpoint',
          'router',
          'routerinterface',
          'tunnelpeer',
          'tunnelpeer',
        ],
        deletes: [],
      },
    });
    expect(touched(lab, () => lab.delete('Port', 'web-3'))['dpu-3']?.deletes).toHaveLength(9);
  });

  it('is both DPUs and nothing between when a port moves', () => {
    const lab = network();
    const act = () => lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-2', 2) });
    expect(touched(lab, act)).toEqual({
      'dpu-1': {
        upserts: [],
        deletes: [
          'bridgedomain',
          'endpoint',
          'remoteendpoint',
          'remoteendpoint',
          'router',
          'routerinterface',
          'tunnelpeer',
        ],
      },
      'dpu-2': { upserts: ['endpoint'], deletes: ['remoteendpoint', 'tunnelpeer'] },
    });
    checkInvariants(lab);
  });

  it('is the endpoint when a representor is renamed, peers and remote endpoints when tunnels end elsewhere', () => {
    const lab = network();
    expect(touched(lab, () => lab.function('dpu-2', 0, 'enp3s0f0v0'))).toEqual({
      'dpu-2': { upserts: ['endpoint'], deletes: [] },
    });
    expect(touched(lab, () => lab.dpu('dpu-2', { tunnelEndpoint: '192.0.2.200' as never }))).toEqual({
      'dpu-1': { upserts: ['remoteendpoint', 'remoteendpoint', 'tunnelpeer'], deletes: [] },
    });
    checkInvariants(lab);
  });

  it('is the bridge domain everywhere when the smallest underlay gives another MTU', () => {
    const lab = network();
    expect(touched(lab, () => lab.dpu('dpu-1', { underlayMtu: 1400 }))).toEqual({
      'dpu-1': { upserts: ['bridgedomain'], deletes: [] },
      'dpu-2': { upserts: ['bridgedomain'], deletes: [] },
    });
    expect(lab.port('web-1').status.mtu).toBe(1350);
    lab.delete('Port', 'web-0');
    expect(lab.port('web-1').status.mtu).toBe(1450);
  });
});
