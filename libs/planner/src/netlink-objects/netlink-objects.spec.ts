import { describe, expect, it } from '@jest/globals';
import { findCondition, type NetlinkObject } from '@outboard/model';
import { gatewayMacAddress } from '../../test/gateway-mac-address.js';
import { checkInvariants } from '../../test/invariants.js';
import { identityOf, Lab } from '../../test/lab.js';
import { readable } from '../../test/oracle.js';
import { present } from '../index.js';

const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'];

/** Blue and red are routed, with a port each on the first and second DPU; fabric is a VLAN. */
function world(): Lab {
  const lab = new Lab();
  lab.fleet(DPUS, 4);
  lab.apply('PhysicalNetwork', 'physnet1', {
    vlanRanges: [{ minimum: 100, maximum: 103 }],
    attachments: [{ uplink: 'up1', dpus: DPUS }],
  });
  const vlan = { networkType: 'VLAN', physicalNetwork: 'physnet1' };
  lab.apply('EncapsulationPolicy', 'default', {
    defaultSegment: { networkType: 'VXLAN' },
    allowed: [{ networkType: 'VXLAN' }, vlan],
  });
  for (const [index, name] of ['blue', 'red', 'fabric'].entries()) {
    lab.apply('Network', name, { segment: name === 'fabric' ? vlan : {} });
    lab.apply('Subnet', `${name}-v4`, { network: name, cidr: `10.0.${index}.0/24` });
  }
  lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
  lab.apply('Port', 'db-0', { network: 'red', function: identityOf('dpu-2', 0) });
  for (const dpu of DPUS) lab.report(dpu);
  return lab;
}

const LLADDR = '02:00:00:00:0a:01';
const ROUTE = { route: { dst: '172.20.0.0/16', gateway: '10.0.0.2' } };
const NEIGH = { network: 'blue', neigh: { dst: '10.0.0.200', lladdr: LLADDR } };
const FDB = { network: 'blue', port: 'web-0', fdb: { lladdr: LLADDR } };
const ADDR = { network: 'blue', addr: { address: '10.9.0.1', ifaPrefixlen: 24 } };

function placed(lab: Lab, name = 'one'): NetlinkObject {
  const record = lab.rows.get(`NetlinkObject/acme/${name}`);
  if (record?.kind !== 'NetlinkObject') throw new Error(`no object ${name}`);
  return present(lab.world, record.resource);
}

const standing = (lab: Lab, name?: string): string[] =>
  (['Planned', 'Applied', 'Ready'] as const).map((type) => {
    const { reason, message } = findCondition(placed(lab, name).status.conditions, type) ?? {};
    return `${reason}${message ? `: ${message}` : ''}`;
  });

/** What each DPU's document has of the kind. */
const found = (lab: Lab, kind: string): Record<string, unknown> =>
  Object.fromEntries(
    DPUS.flatMap((dpu) =>
      [...(lab.published.get(dpu) ?? [])]
        .filter(([key]) => key.startsWith(`${kind}/`))
        .map(([, object]) => [dpu, Object.values(readable(object))[1]]),
    ),
  );

const refusal = (lab: Lab, spec: object, name = 'two') => {
  const result = lab.tryApply('NetlinkObject', name, spec);
  checkInvariants(lab);
  return result.ok ? undefined : [result.error.reason, ...result.error.violations.map(({ field }) => field)];
};

describe('an object that a caller has placed', () => {
  it.each([
    ['route', 'placedroute', ROUTE],
    ['neighbour', 'neighbour', NEIGH],
    ['forwarding entry', 'forwardingentry', FDB],
    ['address', 'interfaceaddress', ADDR],
  ])(
    '(%s) is on every DPU that it concerns, or on those that are named, and ready when these have it',
    (_, kind, spec) => {
      const lab = world();
      lab.apply('NetlinkObject', 'one', spec);
      expect(Object.keys(found(lab, kind))).toEqual(['dpu-1', 'dpu-2']);
      expect(standing(lab)).toEqual(['Planned', 'Applying', 'Applying']);
      lab.report('dpu-1');
      expect(standing(lab)[2]).toBe('Applying');
      lab.report('dpu-2');
      expect(standing(lab)[2]).toBe('AppliedAndReadBack');
      expect(placed(lab).status.dpus).toBe(2);
      lab.apply('NetlinkObject', 'one', { ...spec, dpus: ['dpu-2', 'dpu-3'] });
      expect(Object.keys(found(lab, kind))).toEqual(['dpu-2']);
      expect(standing(lab)).toEqual([
        'DpuNotConcerned: dpu-3',
        'AppliedAndReadBack',
        'DpuNotConcerned: dpu-3',
      ]);
      // The DPU comes to the router's networks.
      lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-3', 0) });
      expect(Object.keys(found(lab, kind))).toEqual(['dpu-2', 'dpu-3']);
      expect(standing(lab)).toEqual(['Planned', 'Applying', 'Applying']);
      checkInvariants(lab);
      lab.delete('NetlinkObject', 'one');
      expect(found(lab, kind)).toEqual({});
      checkInvariants(lab);
    },
  );

  it('tells the problems of DPUs, and is rid of them', () => {
    const lab = world();
    lab.apply('NetlinkObject', 'one', NEIGH);
    for (const dpu of DPUS) lab.report(dpu);
    const key = `neighbour/${lab.network('blue').metadata.uid}/10.0.0.200`;
    lab.report('dpu-2', [{ key, state: 'FAILED', message: 'no room' }]);
    expect(standing(lab)).toEqual(['Planned', 'DpuProblems: dpu-2', 'DpuProblems: dpu-2']);
    expect(placed(lab).status.problems).toEqual([
      { dpu: 'dpu-2', object: key, state: 'FAILED', message: 'no room' },
    ]);
    lab.report('dpu-2');
    expect(standing(lab)[2]).toBe('AppliedAndReadBack');
    checkInvariants(lab);
  });

  it('is known as not applied after a restart until its DPUs have told', () => {
    const lab = world();
    lab.apply('NetlinkObject', 'one', NEIGH);
    lab.restart();
    lab.report('dpu-1');
    expect(standing(lab)[2]).toBe('Applying');
    lab.report('dpu-2');
    expect(standing(lab)[2]).toBe('AppliedAndReadBack');
  });

  it('leads to its port wherever that is, and nowhere without one', () => {
    const lab = world();
    lab.apply('NetlinkObject', 'one', FDB);
    const { uid } = lab.port('web-0').metadata;
    expect(found(lab, 'forwardingentry')).toMatchObject({
      'dpu-1': { portUid: uid },
      'dpu-2': { tunnelEndpoint: '192.0.2.1' },
    });
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-2', 1) });
    expect(found(lab, 'forwardingentry')).toMatchObject({ 'dpu-2': { portUid: uid } });
    lab.delete('Port', 'web-0');
    expect(found(lab, 'forwardingentry')).toEqual({});
    expect(standing(lab)).toEqual([
      'PortNotConnected: port web-0',
      'NeverReported',
      'PortNotConnected: port web-0',
    ]);
    checkInvariants(lab);
  });

  it('shares the flows of a route among the next hops that can be there', () => {
    const lab = world();
    const multipath = [{ gateway: '10.0.0.2', rtnhHops: 2 }, { gateway: '10.77.0.1' }];
    lab.apply('NetlinkObject', 'one', { route: { dst: '172.20.0.0/16', multipath } });
    expect(found(lab, 'placedroute')).toMatchObject({
      'dpu-1': { nextHops: [{ gateway: '10.0.0.2', weight: 3 }] },
    });
    expect(standing(lab)[0]).toBe('NextHopUnknown: 10.77.0.1');
    lab.apply('NetlinkObject', 'one', { route: { dst: '172.20.0.0/16', gateway: '10.77.0.1' } });
    expect(found(lab, 'placedroute')).toEqual({});
    lab.apply('NetlinkObject', 'one', { route: { dst: '172.20.0.0/16', rtmType: 'unreachable' } });
    expect(found(lab, 'placedroute')).toMatchObject({ 'dpu-1': { destination: '172.20.0.0/16' } });
    lab.apply('NetlinkObject', 'one', { route: { dst: '172.20.0.0/16', rtmType: 'blackhole' } });
    expect(found(lab, 'placedroute')).toMatchObject({ 'dpu-1': { rtmType: 'blackhole' } });
    const metrics = { mtu: 1300 };
    lab.apply('NetlinkObject', 'one', { route: { dst: '172.20.0.0/16', gateway: '10.0.0.2', metrics } });
    expect(found(lab, 'placedroute')).toMatchObject({ 'dpu-1': { mtu: 1300 } });
    checkInvariants(lab);
  });
});

describe('what is there already', () => {
  it.each([
    ['the prefix of a subnet', { route: { dst: '10.0.1.0/24', gateway: '10.0.0.2' } }, 'spec.route.dst'],
    ['a destination of the router', { route: { dst: '10.8.0.0/16', gateway: '10.0.0.2' } }, 'spec.route.dst'],
    [
      'a destination of the router from addresses',
      { network: 'blue', addr: { address: '10.8.0.1', ifaPrefixlen: 16 } },
      'spec.addr.address',
    ],
    ['the way out', { route: { dst: '0.0.0.0/0', gateway: '10.0.0.2' } }, 'spec.route.dst'],
    [
      'the address of a port',
      { network: 'blue', neigh: { dst: '10.0.0.2', lladdr: LLADDR } },
      'spec.neigh.dst',
    ],
    ['a gateway', { network: 'blue', neigh: { dst: '10.0.0.1', lladdr: LLADDR } }, 'spec.neigh.dst'],
    [
      'a prefix that overlaps a subnet',
      { network: 'blue', addr: { address: '10.0.1.129', ifaPrefixlen: 25 } },
      'spec.addr.address',
    ],
  ])('keeps %s', (_, spec, field) => {
    const lab = world();
    const routes = [{ destination: '10.8.0.0/16', nextHops: [{ address: '10.0.0.2' }] }];
    lab.apply('Router', 'default', { routes, externalGateway: { sourceNat: 'DPU_ADDRESS' } });
    expect(refusal(lab, spec)).toEqual(['PLACE_TAKEN', field]);
  });

  it('keeps the MAC address of a port and of the gateway', () => {
    const lab = world();
    for (const lladdr of [lab.port('web-0').status.macAddress, gatewayMacAddress('router/acme/default')]) {
      expect(refusal(lab, { ...FDB, fdb: { lladdr } })).toEqual(['PLACE_TAKEN', 'spec.fdb.lladdr']);
    }
  });

  it.each([
    ['a route', ROUTE, { route: { dst: '172.20.0.0/16', rtmType: 'unreachable' } }],
    ['a neighbour', NEIGH, { ...NEIGH, neigh: { ...NEIGH.neigh, lladdr: '02:00:00:00:0a:02' } }],
    ['a forwarding entry', FDB, { ...FDB, port: 'db-0' }],
    ['an address', ADDR, { network: 'red', addr: { address: '10.9.0.129', ifaPrefixlen: 25 } }],
    ['a neighbour that is an address', ADDR, { network: 'blue', neigh: { dst: '10.9.0.1', lladdr: LLADDR } }],
    [
      'an address that a neighbour has',
      { network: 'blue', neigh: { dst: '10.9.0.1', lladdr: LLADDR } },
      ADDR,
    ],
    ['a route to what is on the link', ADDR, { route: { dst: '10.9.0.0/24', gateway: '10.0.0.2' } }],
    ['an address of what is routed', { route: { dst: '10.9.0.0/24', gateway: '10.0.0.2' } }, ADDR],
  ])('is not placed twice on a DPU: %s', (_, first, second) => {
    const lab = world();
    lab.apply('NetlinkObject', 'one', { ...first, dpus: ['dpu-1'] });
    expect(refusal(lab, second)?.[0]).toBe('PLACE_TAKEN');
    expect(refusal(lab, { ...second, dpus: ['dpu-1', 'dpu-2'] })?.[0]).toBe('PLACE_TAKEN');
    expect(refusal(lab, { ...second, dpus: ['dpu-2'] })).toBeUndefined();
  });

  it('has to be there: routers and networks', () => {
    const lab = world();
    expect(refusal(lab, { ...ROUTE, router: 'edge' })).toEqual(['ROUTER_NOT_FOUND', 'spec.router']);
    expect(refusal(lab, { ...NEIGH, network: 'green' })).toEqual(['NETWORK_NOT_FOUND', 'spec.network']);
    for (const spec of [NEIGH, ADDR]) {
      expect(refusal(lab, { ...spec, network: 'fabric' })).toEqual(['NOT_TUNNELLED', 'spec.network']);
    }
  });

  it('is not deleted under what was placed in it, and the place does not move', () => {
    const lab = world();
    lab.apply('Network', 'green', {});
    lab.apply('NetlinkObject', 'one', { ...NEIGH, network: 'green' });
    expect(lab.tryDelete('Network', 'green')).toMatchObject({
      error: { reason: 'IN_USE', metadata: { users: 'netlinkobject acme/one' } },
    });
    lab.apply('Router', 'edge', {});
    lab.apply('NetlinkObject', 'two', { ...ROUTE, router: 'edge' });
    expect(lab.tryDelete('Router', 'edge')).toMatchObject({ error: { reason: 'IN_USE' } });
    expect(refusal(lab, { ...ROUTE, router: 'default' })).toEqual(['IMMUTABLE_FIELD', 'spec.router']);
  });
});

describe('what layers 2 and 3 make later', () => {
  it.each<[string, object, (lab: Lab) => void, (lab: Lab) => void, string]>([
    [
      'a port with the address of a neighbour',
      NEIGH,
      (lab) =>
        lab.apply('Port', 'late', { network: 'blue', addresses: [{ subnet: 'blue-v4', ip: '10.0.0.200' }] }),
      (lab) => lab.delete('Port', 'late'),
      'port acme/late',
    ],
    [
      'a port with the MAC address of a forwarding entry',
      FDB,
      (lab) => lab.apply('Port', 'late', { network: 'blue', macAddress: LLADDR }),
      (lab) => lab.delete('Port', 'late'),
      'port acme/late',
    ],
    [
      'a subnet over an address',
      ADDR,
      (lab) => lab.apply('Subnet', 'late', { network: 'red', cidr: '10.9.0.0/16' }),
      (lab) => lab.delete('Subnet', 'late'),
      'subnet acme/late',
    ],
    [
      'a static route',
      ROUTE,
      (lab) =>
        lab.apply('Router', 'default', {
          routes: [{ destination: '172.20.0.0/16', nextHops: [{ address: '10.0.1.2' }] }],
        }),
      (lab) => lab.delete('Router', 'default'),
      'router acme/default',
    ],
  ])('takes the place, and leaves it again: %s', (_, spec, come, go, holder) => {
    const lab = world();
    lab.apply('NetlinkObject', 'one', spec);
    for (const dpu of DPUS) lab.report(dpu);
    come(lab);
    const yields = `Conflict: yields to ${holder}`;
    expect(standing(lab)).toEqual([yields, 'NeverReported', yields]);
    expect(placed(lab).status.dpus).toBe(0);
    checkInvariants(lab);
    go(lab);
    for (const dpu of DPUS) lab.report(dpu);
    expect(standing(lab)).toEqual(['Planned', 'AppliedAndReadBack', 'AppliedAndReadBack']);
    checkInvariants(lab);
  });

  it('is not asked what a port is allowed besides: what was placed is preferred to a guess', () => {
    const lab = world();
    lab.apply('NetlinkObject', 'one', NEIGH);
    lab.apply('Port', 'late', {
      network: 'blue',
      allowedAddressPairs: [{ ip: '10.0.0.200', macAddress: LLADDR }],
    });
    expect(standing(lab)[0]).toBe('Planned');
  });
});
