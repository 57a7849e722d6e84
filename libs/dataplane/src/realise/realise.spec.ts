import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { DataplaneObjectSchema } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import fc from 'fast-check';
import type { DriverObject, Realisation, Underlay } from '../driver.js';
import * as d from '../testing/documents.js';
import { canonicalAddress, contains, formatPrefix, parsePrefix, prefixBounds } from './addresses.js';
import { LINUX_ORDER } from './linux-kinds.js';
import type { LinuxSpec } from './linux-objects.js';
import { aliasOf, isNamespaceName, namespaceName, parseAlias } from './names.js';
import { realiseLinux } from './realise.js';

const UNDERLAY: Underlay = { device: 'p0', address: '10.254.0.1', mtu: 1600 };
const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const MAC = '02:00:5e:00:10:05';

function realise(
  [key, bytes]: d.Entry,
  others: readonly d.Entry[] = [d.bridgeDomain(NET)],
  underlay: Underlay | 'none' = UNDERLAY,
  lacks: ReadonlyMap<string, string> = new Map(),
): Realisation<LinuxSpec> {
  const known = new Map(others);
  const parse = (found: Uint8Array) => fromBinary(DataplaneObjectSchema, found);
  return realiseLinux(
    key,
    parse(bytes),
    (reference) => {
      const found = known.get(reference);
      return found === undefined ? undefined : parse(found);
    },
    {
      dpu: 'dpu-1',
      underlay: underlay === 'none' ? undefined : underlay,
      lacks,
    },
  );
}

function objectsOf(entry: d.Entry, others?: readonly d.Entry[]): readonly DriverObject<LinuxSpec>[] {
  const realisation = realise(entry, others);
  if (realisation.kind !== 'realised') throw new Error(JSON.stringify(realisation));
  return realisation.objects;
}

function problemsOf(entry: d.Entry, others?: readonly d.Entry[]): string[] {
  try {
    realise(entry, others);
  } catch (failure) {
    if (failure instanceof AppError) return failure.violations.map(({ field }) => field);
    throw failure;
  }
  return [];
}

const endpoint = (fields: Partial<Parameters<typeof d.endpoint>[2]> = {}): d.Entry =>
  d.endpoint('port-1', NET, { macAddress: MAC, representor: 'pf0vf0', ipAddresses: ['10.0.1.5'], ...fields });

describe('a bridge domain', () => {
  it('is a bridge and a VXLAN device in the namespace of its router, behind the guards', () => {
    const objects = objectsOf(d.bridgeDomain(NET));
    const kinds = objects.map(({ spec }) => spec.kind);
    expect(kinds).toEqual(['namespace', 'guard', 'guard', 'guard', 'bridge', 'tunnel']);
    const [namespace, ports, policies, gateways, bridge, tunnel] = objects;
    expect(bridge?.after).toEqual([namespace?.key, ports?.key, policies?.key, gateways?.key]);
    expect(tunnel?.spec).toMatchObject({ vni: 100, local: '10.254.0.1', learning: false, flood: false });
  });

  it('is unsupported without an underlay, or where packets would not fit into it', () => {
    expect(realise(d.bridgeDomain(NET), [], 'none')).toMatchObject({ kind: 'unsupported' });
    const small = { ...UNDERLAY, mtu: 1499 };
    expect(realise(d.bridgeDomain(NET), [], small)).toMatchObject({
      kind: 'unsupported',
      why: 'packets of 1450 bytes need 1500 when encapsulated, p0 carries 1499',
    });
    expect(realise(d.bridgeDomain(NET), [], { ...UNDERLAY, mtu: 1500 })).toMatchObject({ kind: 'realised' });
    const v6 = { ...UNDERLAY, address: 'fd00::1', mtu: 1519 };
    expect(realise(d.bridgeDomain(NET), [], v6)).toMatchObject({ kind: 'unsupported' });
  });
});

describe('a gateway', () => {
  const gateway = d.routerInterface(NET, ['10.0.1.1/24', 'FD00:1:0::1/64']);

  it('is the bridge, with its address, as a host of each subnet', () => {
    const objects = objectsOf(gateway);
    expect(objects.map(({ key }) => key.replace(/obb\w+/, 'bridge'))).toEqual([
      'address/bridge/10.0.1.1/24',
      'address/bridge/fd00:1::1/64',
      // What hosts know it by as their router.
      'address/bridge/fe80::1/64',
    ]);
    const [bridge] = objectsOf(d.bridgeDomain(NET), [gateway]).filter(({ spec }) => spec.kind === 'bridge');
    expect(bridge?.spec).toMatchObject({ mac: d.GATEWAY_MAC });
    expect(objects.map(({ after }) => after)).toEqual([[bridge?.key], [bridge?.key], [bridge?.key]]);
  });

  it('is refused with all that is wrong of it', () => {
    const wrong = ['10.0.1.1', '10.0.1.1/33', 'here/24', '10.0.1.1/24'];
    expect(problemsOf(d.routerInterface(NET, wrong, { macAddress: '01:00:00:00:00:00' }))).toEqual([
      'macAddress',
      'addresses[0]',
      'addresses[1]',
      'addresses[2]',
    ]);
  });
});

describe('a bridge domain of GENEVE', () => {
  const domain = d.bridgeDomain(NET, { networkType: 'GENEVE' });

  it('is a bridge, with a port for each peer that sends nothing on to another peer', () => {
    expect(objectsOf(domain).at(-1)?.spec.kind).toBe('bridge');
    const [first, ...none] = objectsOf(d.tunnelPeer(NET, '10.254.0.2'), [domain]);
    const [second] = objectsOf(d.tunnelPeer(NET, '10.254.0.3'), [domain]);
    expect(none).toEqual([]);
    expect(first?.key).not.toBe(second?.key);
    expect(first?.spec).toMatchObject({
      kind: 'geneve',
      vni: 100,
      remote: '10.254.0.2',
      destinationPort: 6081,
      learning: false,
      flood: false,
      isolated: true,
    });
  });

  it('knows a remote port behind the device to its DPU', () => {
    const remote = { macAddress: MAC, tunnelEndpoint: '10.254.0.2', ipAddresses: ['10.0.1.5'] };
    const objects = objectsOf(d.remoteEndpoint('p', NET, remote), [domain]);
    const [device] = objectsOf(d.tunnelPeer(NET, '10.254.0.2'), [domain]);
    expect(objects.map(({ spec }) => spec.kind)).toEqual(['bridgeentry', 'neighbour']);
    expect(objects[0]?.after).toEqual([device?.key]);
  });

  it('is unsupported where the kernel lacks the device, telling why', () => {
    const lacks = new Map([['geneve', 'Unknown device type (EOPNOTSUPP)']]);
    expect(realise(domain, [], UNDERLAY, lacks)).toMatchObject({
      kind: 'unsupported',
      why: 'this machine has no geneve: Unknown device type (EOPNOTSUPP)',
    });
    expect(realise(d.bridgeDomain(NET), [], UNDERLAY, lacks)).toMatchObject({ kind: 'realised' });
  });
});

describe('a bridge domain on a fabric', () => {
  const vlan = d.bridgeDomain(NET, { networkType: 'VLAN', vlanId: 101, uplink: 'p1', mtu: 1500 });
  const flat = d.bridgeDomain(NET, { networkType: 'FLAT', uplink: 'p1', mtu: 1500 });

  it('needs no underlay', () => {
    for (const domain of [vlan, flat]) {
      expect(realise(domain, [], 'none')).toMatchObject({ kind: 'realised' });
    }
  });

  it('is a bridge with the VLAN of the uplink as a port that learns', () => {
    const port = objectsOf(vlan).at(-1);
    expect(port?.spec).toMatchObject({
      kind: 'vlan',
      uplink: 'p1',
      vlanId: 101,
      learning: true,
      flood: true,
    });
    expect(port?.requires).toEqual(['link/p1']);
  });

  it('or a veth to the untagged frames of the uplink, gates last', () => {
    const objects = objectsOf(flat).slice(-4);
    expect(objects.map(({ spec }) => spec.kind)).toEqual(['veth', 'port', 'gate', 'gate']);
    const [veth, port, inward, outward] = objects;
    expect(inward?.spec).toMatchObject({ device: 'p1', passTagged: true });
    for (const gate of [inward, outward]) expect(gate?.after).toEqual([veth?.key, port?.key]);
  });

  it('does not take all of the uplink that carries the tunnels', () => {
    const domain = d.bridgeDomain(NET, { networkType: 'FLAT', uplink: UNDERLAY.device });
    expect(realise(domain)).toMatchObject({
      kind: 'unsupported',
      why: 'p0 carries the tunnels of this DPU, and a FLAT network takes all of it',
    });
    const tagged = d.bridgeDomain(NET, { networkType: 'VLAN', vlanId: 101, uplink: UNDERLAY.device });
    expect(realise(tagged)).toMatchObject({ kind: 'realised' });
  });

  it('has no tunnels', () => {
    const remote = { macAddress: MAC, tunnelEndpoint: '10.254.0.2' };
    for (const entry of [d.tunnelPeer(NET, '10.254.0.2'), d.remoteEndpoint('p', NET, remote)]) {
      expect(problemsOf(entry, [vlan])).toEqual(['networkUid']);
    }
  });

  it.each<[fields: Parameters<typeof d.bridgeDomain>[1], problem: string]>([
    [{ networkType: 'GRE' }, 'networkType'],
    [{ networkType: 'VLAN', vlanId: 4095, uplink: 'p1' }, 'vlanId'],
    [{ networkType: 'VLAN', vlanId: 1 }, 'uplink'],
    [{ networkType: 'FLAT', uplink: 'a/b' }, 'uplink'],
    [{ networkType: 'GENEVE', vni: 0 }, 'vni'],
  ])('is refused with %j', (fields, problem) => {
    expect(problemsOf(d.bridgeDomain(NET, fields))).toEqual([problem]);
  });
});

describe('a way out', () => {
  const objects = objectsOf(d.egressGateway());

  it('opens with its default route, behind the tables that say what may pass', () => {
    const route = objects.at(-1);
    expect(route?.spec).toMatchObject({ kind: 'route', destination: '0.0.0.0/0' });
    const byKey = new Map(objects.map((object) => [object.key, object]));
    const before = (key: string): string[] => [
      key,
      ...(byKey.get(key)?.after ?? []).flatMap((other) => before(other)),
    ];
    const guards = objects.filter(({ spec }) => spec.kind === 'guard').map(({ key }) => key);
    expect(guards).toHaveLength(2);
    expect(before(route?.key ?? '')).toEqual(expect.arrayContaining(guards));
  });

  it('has an address of its own for each router, that nobody else has', () => {
    const doors = ['router/acme/a', 'router/acme/b'].map(
      (router) =>
        objectsOf(d.egressGateway(router)).find(
          ({ spec }) => spec.kind === 'address' && spec.namespace === '',
        )?.spec,
    );
    const [one, other] = doors.map((spec) => (spec?.kind === 'address' ? spec.peer : undefined));
    expect(one).toMatch(/^24[0-7]\./);
    expect(one).not.toBe(other);
  });

  it('is unsupported without an uplink that has an IPv4 address', () => {
    const entry = d.egressGateway();
    expect(realise(entry, [], 'none')).toMatchObject({ kind: 'unsupported' });
    expect(realise(entry, [], { ...UNDERLAY, address: 'fd00::1' })).toMatchObject({
      kind: 'unsupported',
      why: 'p0 has no IPv4 address that packets could leave with',
    });
    expect(realise(d.egressGateway(d.ROUTER, 'IPV6'))).toMatchObject({
      kind: 'unsupported',
      why: 'p0 has no IPv6 address that packets could leave with',
    });
    expect(realise(d.egressGateway(d.ROUTER, 'IPV6'), [], { ...UNDERLAY, ipv6: true })).toMatchObject({
      kind: 'realised',
    });
  });
});

describe('a member of a network', () => {
  it('needs the network, and names it as what it refers to', () => {
    const key = `bridgedomain/${NET}`;
    for (const [entry, ...more] of [
      [endpoint(), `hostconfiguration/${NET}`] as const,
      [d.remoteEndpoint('p', NET, { macAddress: MAC, tunnelEndpoint: '10.254.0.2' })] as const,
      [d.tunnelPeer(NET, '10.254.0.2')] as const,
    ]) {
      const references = [key, ...more];
      expect(realise(entry, [])).toEqual({ kind: 'missing', dependency: key, references });
      expect(realise(entry)).toMatchObject({ kind: 'realised', references });
    }
  });

  it('takes MTU and place from the network', () => {
    const others = [d.bridgeDomain(NET, { mtu: 1400, router: 'router/red/edge' })];
    const objects = objectsOf(endpoint(), others);
    const namespace = namespaceName('dpu-1', 'router/red/edge');
    for (const { spec } of objects) {
      if ('mtu' in spec) expect(spec.mtu).toBe(1400);
      if ('namespace' in spec) expect(spec.namespace).toBe(namespace);
    }
  });
});

describe('an endpoint', () => {
  it('opens its gates behind everything that guards them, and its representor behind the gates', () => {
    const objects = objectsOf(endpoint({ ipAddresses: ['10.0.1.5', 'fd00:1::5'] }));
    const senders = objects.filter(({ spec }) => spec.kind === 'sender').map(({ key }) => key);
    const gates = objects.filter(({ spec }) => spec.kind === 'gate');
    expect(senders).toHaveLength(3);
    expect(gates).toHaveLength(2);
    for (const gate of gates) {
      expect(gate.after).toEqual(expect.arrayContaining(senders));
      expect(gate.requires).toEqual(['link/pf0vf0']);
    }
    const representor = objects.find(({ spec }) => spec.kind === 'representor');
    expect(representor?.after).toEqual(gates.map(({ key }) => key));
  });

  it('that is down has no gates, and its representor and veth are down', () => {
    const objects = objectsOf(endpoint({ adminUp: false }));
    expect(objects.filter(({ spec }) => spec.kind === 'gate')).toEqual([]);
    for (const kind of ['representor', 'veth'])
      expect(objects.find(({ spec }) => spec.kind === kind)?.spec).toMatchObject({ up: false });
  });

  it('is known by its pairs as by a guess: their MAC addresses, and who has a host address; here and elsewhere', () => {
    const other = '02:00:5e:00:00:99';
    const allowedAddressPairs = [
      { ip: '10.0.1.50', macAddress: other },
      { ip: '10.0.1.51', macAddress: '' },
      { ip: 'fd00::50', macAddress: other },
      { ip: '10.9.0.0/16', macAddress: other },
      // Its own, and one that could be either's.
      { ip: '10.0.1.5', macAddress: other },
      { ip: '10.0.1.52', macAddress: '' },
      { ip: '10.0.1.52', macAddress: other },
    ];
    const fields = { macAddress: MAC, ipAddresses: ['10.0.1.5'], allowedAddressPairs };
    const remote = d.remoteEndpoint('port-1', NET, { ...fields, tunnelEndpoint: '10.254.0.2' });
    const told = (entry: d.Entry): string[] =>
      objectsOf(entry).flatMap(({ spec, guess }) => {
        const text = guess ? 'maybe' : 'surely';
        if (spec.kind === 'bridgeentry' || spec.kind === 'tunnelentry')
          return `${text} ${spec.kind} ${spec.mac}`;
        return spec.kind === 'neighbour' ? `${text} ${spec.address} ${spec.mac}` : [];
      });
    const everywhere = [
      `surely bridgeentry ${MAC}`,
      `surely 10.0.1.5 ${MAC}`,
      `maybe bridgeentry ${other}`,
      `maybe 10.0.1.50 ${other}`,
      `maybe 10.0.1.51 ${MAC}`,
      `maybe fd00::50 ${other}`,
    ];
    expect(told(endpoint({ allowedAddressPairs })).sort()).toEqual(everywhere.toSorted());
    const tunnels = [`surely tunnelentry ${MAC}`, `maybe tunnelentry ${other}`];
    expect(told(remote).sort()).toEqual([...everywhere, ...tunnels].sort());
  });

  it('may send as its pairs; a prefix within a wider one of the same MAC address is left out', () => {
    const pairs = [
      { ip: '10.9.0.0/16', macAddress: '' },
      { ip: '10.9.8.0/24', macAddress: '' },
      { ip: '10.9.8.0/24', macAddress: '02:00:5e:00:00:99' },
      { ip: '10.8.7.6/24', macAddress: '' },
    ];
    const objects = objectsOf(endpoint({ allowedAddressPairs: pairs, ipAddresses: [] }));
    const senders = objects.flatMap(({ spec }) =>
      spec.kind === 'sender' ? [`${spec.mac} ${spec.source ?? '*'}`] : [],
    );
    expect(senders.sort()).toEqual(
      [
        `${MAC} *`,
        `${MAC} 10.8.7.0/24`,
        `${MAC} 10.9.0.0/16`,
        '02:00:5e:00:00:99 *',
        '02:00:5e:00:00:99 10.9.8.0/24',
      ].sort(),
    );
  });

  it('waits for nothing that is guessed: what several ports guess of one address is never there', () => {
    const pairs = [{ ip: '10.0.1.9', macAddress: '00:00:5e:00:01:07' }];
    const objects = objectsOf(endpoint({ allowedAddressPairs: pairs }));
    const guesses = objects.filter(({ guess }) => guess).map(({ key }) => key);
    expect(guesses.length).toBeGreaterThan(0);
    const awaited = objects.flatMap(({ after, requires = [] }) => [...after, ...requires]);
    expect(awaited.filter((key) => guesses.includes(key))).toEqual([]);
  });

  it('learns and floods only where it may send with another MAC address', () => {
    const port = (entry: d.Entry) => objectsOf(entry).find(({ spec }) => spec.kind === 'port')?.spec;
    expect(port(endpoint())).toMatchObject({ learning: false, flood: false });
    const pairs = [{ ip: '10.0.1.9', macAddress: '00:00:5e:00:01:07' }];
    expect(port(endpoint({ allowedAddressPairs: pairs }))).toMatchObject({ learning: true, flood: true });
  });

  it('with anything wrong is refused with every field that is', () => {
    const wrong = endpoint({
      macAddress: '01:00:5e:00:00:01',
      representor: 'much-too-long-for-a-device',
      ipAddresses: ['10.0.1.5', '10.0.1'],
      allowedAddressPairs: [{ ip: '10.0.0.0/33', macAddress: 'x' }],
    });
    expect(problemsOf(wrong)).toEqual([
      'representor',
      'macAddress',
      'ipAddresses[1]',
      'allowedAddressPairs[0].ip',
      'allowedAddressPairs[0].macAddress',
    ]);
  });
});

describe('a route', () => {
  it('is written as the kernel writes it', () => {
    const [object] = objectsOf(
      d.route('2001:DB8:0::1/32', [
        { gateway: 'fd00:0:0::2', weight: 2, networkUid: NET },
        { gateway: 'fd00::1', weight: 1, networkUid: NET },
      ]),
    );
    expect(object?.spec).toMatchObject({
      destination: '2001:db8::/32',
      nextHops: [{ gateway: 'fd00::1' }, { gateway: 'fd00::2', weight: 2 }],
    });
  });

  it('of one hop has no weight to speak of, and without hops is unreachable', () => {
    expect(objectsOf(d.route('10.0.0.0/8', [{ gateway: '10.1.0.1', weight: 7 }]))[0]?.spec).toMatchObject({
      nextHops: [{ gateway: '10.1.0.1', weight: 1 }],
    });
    expect(objectsOf(d.route('10.0.0.0/8'))[0]?.spec).toMatchObject({ nextHops: [] });
  });

  it('with anything wrong is refused with every field that is', () => {
    const hops = [{ gateway: 'nowhere', weight: 300 }];
    expect(problemsOf(d.route('10.0.0.0/40', hops, 'main'))).toEqual([
      'router',
      'destination',
      'nextHops[0].gateway',
      'nextHops[0].weight',
    ]);
  });
});

describe('what callers have placed', () => {
  it('is an entry of the bridge, towards a port or a tunnel', () => {
    const towards = (target: Parameters<typeof d.forwardingEntry>[2]) =>
      objectsOf(d.forwardingEntry(NET, '02:00:00:00:0A:01', target)).map(({ spec }) => spec.kind);
    expect(towards({ case: 'portUid', value: 'web-0' })).toEqual(['bridgeentry']);
    expect(towards({ case: 'tunnelEndpoint', value: '10.254.0.2' })).toEqual(['tunnelentry', 'bridgeentry']);
  });

  it('is a neighbour or an address of the bridge', () => {
    const [known] = objectsOf(d.neighbour(NET, 'FD00:0::A', MAC));
    expect(known?.spec).toMatchObject({ kind: 'neighbour', address: 'fd00::a', mac: MAC });
    const [own] = objectsOf(d.interfaceAddress(NET, '10.9.0.1/24'));
    expect(own?.spec).toMatchObject({ kind: 'address', address: '10.9.0.1/24' });
  });

  it('with anything wrong is refused with every field that is', () => {
    expect(problemsOf(d.neighbour(NET, '10.0.1', 'x'))).toEqual(['macAddress', 'address']);
    expect(problemsOf(d.interfaceAddress(NET, '10.9.0.1'))).toEqual(['address']);
    const nowhere = { case: 'tunnelEndpoint', value: 'here' } as const;
    expect(problemsOf(d.forwardingEntry(NET, '01:00:00:00:00:01', nowhere))).toEqual([
      'macAddress',
      'tunnelEndpoint',
    ]);
  });
});

describe('names', () => {
  it('of devices fit into IFNAMSIZ, of namespaces into what ip-netns takes, whatever they stand for', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (dpu, tenant, router) => {
        const name = namespaceName(dpu, `router/${tenant}/${router}`);
        expect(name.length).toBeLessThanOrEqual(64);
        expect(isNamespaceName(name)).toBe(true);
      }),
    );
    for (const { spec } of objectsOf(endpoint()))
      if ('name' in spec && spec.kind !== 'namespace') expect(spec.name.length).toBeLessThanOrEqual(15);
  });

  it('of namespaces differ by DPU and by router, also where what is readable of them does not', () => {
    const names = ['dpu-1', 'dpu-11'].flatMap((dpu) =>
      ['router/a/b-c', 'router/a/bc'].map((router) => namespaceName(dpu, router)),
    );
    expect(new Set(names).size).toBe(4);
  });

  it('in aliases are read back', () => {
    expect(parseAlias(aliasOf('network', 'endpoint/1:2'))).toEqual({ owner: 'network', key: 'endpoint/1:2' });
    for (const other of ['', 'outboard', 'outboard:x', undefined]) expect(parseAlias(other)).toBeUndefined();
  });
});

describe('addresses', () => {
  const ip = fc.oneof(fc.ipV4(), fc.ipV6());

  it('have one spelling', () => {
    fc.assert(
      fc.property(ip, (text) => {
        const canonical = canonicalAddress(text);
        expect(canonical).toBeDefined();
        expect(canonicalAddress(canonical ?? '')).toBe(canonical);
        expect(canonicalAddress(text.toUpperCase())).toBe(canonical);
      }),
    );
  });

  it('of a prefix lose their host bits, and its bounds are its own first and last address', () => {
    fc.assert(
      fc.property(ip, fc.nat(128), (text, nat) => {
        const length = text.includes(':') ? nat : nat % 33;
        const prefix = parsePrefix(`${text}/${length}`);
        if (prefix === undefined) throw new Error(`${text}/${length}`);
        expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
        const { first, last } = prefixBounds(prefix);
        const differing = [...first].map((byte, index) => byte ^ (last[index] ?? 0));
        const bits = differing.map((byte) => byte.toString(2).padStart(8, '0')).join('');
        expect(bits).toBe('0'.repeat(length) + '1'.repeat(prefix.bits - length));
      }),
    );
  });

  it('are in the prefixes that are wider, and not in the narrower', () => {
    const prefix = (text: string) => {
      const parsed = parsePrefix(text);
      if (parsed === undefined) throw new Error(text);
      return parsed;
    };
    expect(contains(prefix('10.0.0.0/8'), prefix('10.9.0.0/16'))).toBe(true);
    expect(contains(prefix('10.9.0.0/16'), prefix('10.0.0.0/8'))).toBe(false);
    expect(contains(prefix('0.0.0.0/0'), prefix('::/0'))).toBe(false);
    expect(contains(prefix('fd00::/16'), prefix('fd00:1::5'))).toBe(true);
  });
});

describe('every object', () => {
  it('has a kind in the order, a key of its own, and stands after what comes before it in the order', () => {
    const entries = [
      d.router(),
      d.bridgeDomain(NET),
      endpoint(),
      d.tunnelPeer(NET, '10.254.0.2'),
      d.route('10.0.0.0/8'),
    ];
    const objects = new Map(
      entries.flatMap((entry) => objectsOf(entry).map((each) => [each.key, each] as const)),
    );
    const rank = (key: string): number => {
      const kind = objects.get(key)?.spec.kind;
      return kind === undefined ? -1 : LINUX_ORDER.indexOf(kind);
    };
    for (const { key, after, spec } of objects.values()) {
      expect(LINUX_ORDER).toContain(spec.kind);
      for (const needed of after) expect(rank(needed)).toBeLessThan(rank(key));
    }
  });
});
