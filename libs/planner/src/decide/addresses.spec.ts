import { describe, expect, it } from '@jest/globals';
import { eui64Address, type IpPrefix, type MacAddress, type Subnet } from '@outboard/model';
import { identityOf, Lab } from '../../test/lab.js';
import { present } from '../index.js';

const CIDR = '10.1.0.0/29';

/** A network on one DPU with a subnet that has the hosts 10.1.0.1 (the gateway) to 10.1.0.6. */
function labWith(spec: object = {}): Lab {
  const lab = new Lab();
  lab.fleet(['dpu-1'], 6);
  lab.apply('Network', 'blue', {});
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: CIDR, ...spec });
  return lab;
}

const addressesOf = (lab: Lab, name: string): string[] => lab.port(name).status.addresses.map(({ ip }) => ip);

function portsGet(lab: Lab, ...names: readonly string[]): string[] {
  for (const name of names) lab.apply('Port', name, { network: 'blue' });
  return names.flatMap((name) => addressesOf(lab, name));
}

function capacityOf(lab: Lab, name = 'blue-v4'): Subnet['status']['capacity'] {
  const record = lab.rows.get(`Subnet/acme/${name}`);
  if (record?.kind !== 'Subnet') throw new Error(`no subnet ${name}`);
  return present(lab.world, record.resource).status.capacity;
}

const refusalOf = (lab: Lab, name: string, spec: object = {}) => {
  const result = lab.tryApply('Port', name, { network: 'blue', ...spec });
  return result.ok ? undefined : result.error;
};

describe('addresses of a subnet', () => {
  it('come from the allocation ranges, never excluded, never the gateway, never the network or broadcast', () => {
    const range = { start: '10.1.0.1', end: '10.1.0.5' };
    const lab = labWith({
      allocationRanges: [range],
      excludedRanges: [{ start: '10.1.0.3', end: '10.1.0.4' }],
    });
    expect(portsGet(lab, 'a', 'b')).toEqual(['10.1.0.2', '10.1.0.5']);
    expect(refusalOf(lab, 'c')?.reason).toBe('SUBNET_EXHAUSTED');
    // What is outside the ranges can be asked for, what is excluded cannot.
    expect(refusalOf(lab, 'd', { addresses: [{ subnet: 'blue-v4', ip: '10.1.0.6' }] })).toBeUndefined();
    expect(refusalOf(lab, 'e', { addresses: [{ subnet: 'blue-v4', ip: '10.1.0.4' }] })?.violations).toEqual([
      { field: 'spec.addresses[0].ip', description: '10.1.0.4 is excluded by subnet acme/blue-v4' },
    ]);
  });

  it('that are exhausted are refused with the subnet, its size and what has become of it', () => {
    const lab = labWith({ reservations: [{ name: 'printer', ip: '10.1.0.6' }] });
    portsGet(lab, 'a', 'b', 'c');
    lab.apply('Port', 'd', { network: 'blue', function: identityOf('dpu-1', 0) });
    lab.report('dpu-1');
    lab.delete('Port', 'd');
    const refusal = refusalOf(lab, 'e');
    expect(refusal?.code).toBe('RESOURCE_EXHAUSTED');
    expect(refusal?.violations).toEqual([
      {
        field: 'spec.addresses',
        description: `subnet blue-v4 (${CIDR}) has no free address: of 5, 3 are in use, 1 reserved, 1 wait for dpu-1, where they may still be known`,
      },
    ]);
    expect(refusal?.metadata).toEqual({
      subnet: 'blue-v4',
      total: '5',
      used: '3',
      reserved: '1',
      quarantined: '1',
    });
    expect(capacityOf(lab)).toEqual({ total: 5, used: 3, reserved: 1, quarantined: 1, free: 0 });
    lab.report('dpu-1');
    expect(capacityOf(lab)).toEqual({ total: 5, used: 3, reserved: 1, quarantined: 0, free: 1 });
    expect(portsGet(lab, 'e')).toEqual(['10.1.0.5']);
  });
});

describe('a reserved address', () => {
  it('waits for its port, and goes to nobody else', () => {
    const reservations = [
      { name: 'web', ip: '10.1.0.2', port: 'web-0' },
      { name: 'printer', ip: '10.1.0.3' },
    ];
    const lab = labWith({ reservations });
    expect(portsGet(lab, 'a', 'web-0')).toEqual(['10.1.0.4', '10.1.0.2']);
    const asked = refusalOf(lab, 'b', { addresses: [{ subnet: 'blue-v4', ip: '10.1.0.3' }] });
    expect([asked?.code, asked?.reason]).toEqual(['FAILED_PRECONDITION', 'ADDRESS_RESERVED']);
    expect(asked?.message).toBe(
      'spec.addresses[0].ip: 10.1.0.3 is reserved as printer in subnet acme/blue-v4',
    );
    lab.delete('Port', 'web-0');
    expect(portsGet(lab, 'c')).toEqual(['10.1.0.5']);
    expect(portsGet(lab, 'web-0')).toEqual(['10.1.0.2']);
  });

  it('cannot be taken from the port that has it, neither can an excluded one', () => {
    const lab = labWith();
    expect(portsGet(lab, 'a', 'b')).toEqual(['10.1.0.2', '10.1.0.3']);
    const update = {
      network: 'blue',
      cidr: CIDR,
      gateway: '10.1.0.3',
      excludedRanges: [{ start: '10.1.0.3', end: '10.1.0.4' }],
      reservations: [{ name: 'web', ip: '10.1.0.2', port: 'web-0' }],
    };
    const refused = lab.tryApply('Subnet', 'blue-v4', update);
    expect(refused.ok ? [] : refused.error.violations).toEqual([
      { field: 'spec.gateway', description: '10.1.0.3 is held by port acme/b' },
      { field: 'spec.reservations[0].ip', description: '10.1.0.2 is held by port acme/a' },
      { field: 'spec.excludedRanges[0]', description: '10.1.0.3 is held by port acme/b' },
    ]);
    const own = { network: 'blue', cidr: CIDR, reservations: [{ name: 'a', ip: '10.1.0.2', port: 'a' }] };
    expect(lab.tryApply('Subnet', 'blue-v4', own).ok).toBe(true);
  });
});

describe('an address that a subnet retains', () => {
  it('comes back to a port of the same name, though others have come meanwhile', () => {
    const lab = labWith({ retentionSeconds: 60 });
    expect(portsGet(lab, 'db-0', 'db-1')).toEqual(['10.1.0.2', '10.1.0.3']);
    lab.delete('Port', 'db-0');
    lab.now += 50_000;
    expect(portsGet(lab, 'other')).toEqual(['10.1.0.4']);
    lab.restart();
    expect(portsGet(lab, 'db-0')).toEqual(['10.1.0.2']);
    expect(lab.records('Retention')).toEqual([]);
  });

  it('is not kept for longer, and counts as free', () => {
    const lab = labWith({ retentionSeconds: 60 });
    portsGet(lab, 'db-0', 'db-1');
    lab.delete('Port', 'db-0');
    expect(capacityOf(lab)).toEqual({ total: 5, used: 1, reserved: 0, quarantined: 0, free: 4 });
    lab.now += 61_000;
    lab.delete('Port', 'db-1');
    expect(lab.records('Retention').map(({ port }) => port)).toEqual(['db-1']);
    expect(portsGet(lab, 'other')).toEqual(['10.1.0.2']);
  });

  it('is given to others when nothing else is free, the one that was given up first before the others', () => {
    const lab = labWith({ retentionSeconds: 60 });
    portsGet(lab, 'a', 'b', 'c', 'd', 'e');
    lab.delete('Port', 'c');
    lab.now += 1000;
    lab.delete('Port', 'a');
    expect(portsGet(lab, 'x', 'y')).toEqual(['10.1.0.4', '10.1.0.2']);
    expect(refusalOf(lab, 'a')?.reason).toBe('SUBNET_EXHAUSTED');
  });

  it('is one of 4096 at most: then the one that was given up first is forgotten', () => {
    const lab = labWith();
    lab.apply('Subnet', 'blue-wide', { network: 'blue', cidr: '10.2.0.0/16', retentionSeconds: 3600 });
    const spec = { network: 'blue', addresses: [{ subnet: 'blue-wide' }] };
    const names = Array.from({ length: 4097 }, (_, index) => `job-${index}`);
    lab.group(() => {
      for (const name of names) lab.apply('Port', name, spec);
    });
    lab.group(() => {
      for (const name of names) lab.delete('Port', name);
    });
    // All at the same time: by name.
    expect(lab.records('Retention')).toHaveLength(4096);
    expect(lab.records('Retention').some(({ port }) => port === 'job-0')).toBe(false);
    expect(capacityOf(lab, 'blue-wide')).toMatchObject({ total: 65_533, used: 0, free: 65_533 });
  });

  it('is not waited for where a DPU that is away may still have it', () => {
    const lab = labWith({ retentionSeconds: 3600 });
    const spec = { network: 'blue', function: identityOf('dpu-1', 0) };
    lab.apply('Port', 'db-0', spec);
    lab.report('dpu-1');
    lab.dpu('dpu-1', { reachable: false });
    lab.delete('Port', 'db-0');
    expect(portsGet(lab, 'db-0')).toEqual(['10.1.0.3']);
  });

  it('is forgotten when the subnet keeps nothing any more', () => {
    const lab = labWith({ retentionSeconds: 60 });
    portsGet(lab, 'db-0');
    lab.delete('Port', 'db-0');
    lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: CIDR });
    expect(lab.records('Retention')).toEqual([]);
    expect(portsGet(lab, 'other')).toEqual(['10.1.0.2']);
  });
});

it('a network whose gateway is on the fabric advertises no routers', () => {
  const lab = new Lab();
  lab.fleet(['dpu-1'], 1);
  lab.apply('PhysicalNetwork', 'physnet1', {
    vlanRanges: [{ minimum: 100, maximum: 103 }],
    attachments: [{ uplink: 'up1', dpus: ['dpu-1'] }],
  });
  const segment = { networkType: 'VLAN', physicalNetwork: 'physnet1' };
  lab.apply('EncapsulationPolicy', 'default', {
    defaultSegment: { networkType: 'VXLAN' },
    allowed: [segment],
  });
  lab.apply('Network', 'blue', { segment });
  const spec = { network: 'blue', cidr: '2001:db8::/64' };
  const refused = lab.tryApply('Subnet', 'blue-v6', { ...spec, routerAdvertisement: {} });
  expect(refused.ok ? [] : refused.error.violations).toEqual([
    {
      field: 'spec.routerAdvertisement',
      description: 'must be absent: the gateway of network acme/blue is on the fabric',
    },
  ]);
  expect(lab.tryApply('Subnet', 'blue-v6', { ...spec, dhcp: {} }).ok).toBe(true);
});

describe('addresses made of MAC addresses', () => {
  const spec = { network: 'blue', cidr: '2001:db8::/64', allocationMode: 'EUI64' };

  it('are those that hosts make themselves, and change with the MAC address', () => {
    const lab = labWith();
    lab.apply('Subnet', 'blue-v6', spec);
    const port = { network: 'blue', macAddress: '02:00:5e:00:10:05' };
    lab.apply('Port', 'a', port);
    expect(addressesOf(lab, 'a')).toEqual(['10.1.0.2', '2001:db8::5eff:fe00:1005']);
    lab.apply('Port', 'a', { ...port, macAddress: '02:00:5e:00:10:06' });
    expect(addressesOf(lab, 'a')).toEqual(['10.1.0.2', '2001:db8::5eff:fe00:1006']);
    expect(capacityOf(lab, 'blue-v6')).toBeUndefined();
    lab.apply('Port', 'b', { network: 'blue' });
    const { macAddress } = lab.port('b').status;
    expect(addressesOf(lab, 'b')[1]).toBe(eui64Address(spec.cidr as IpPrefix, macAddress as MacAddress));
  });

  it('are refused where another port has asked for them', () => {
    const lab = labWith();
    lab.apply('Subnet', 'blue-v6', spec);
    lab.apply('Port', 'a', {
      network: 'blue',
      addresses: [{ subnet: 'blue-v6', ip: '2001:db8::5eff:fe00:1005' }],
    });
    const port = { macAddress: '02:00:5e:00:10:05', addresses: [{ subnet: 'blue-v6' }] };
    expect(refusalOf(lab, 'b', port)?.violations).toEqual([
      { field: 'spec.addresses[0]', description: '2001:db8::5eff:fe00:1005 is held by port acme/a' },
    ]);
  });
});
