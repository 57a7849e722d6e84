import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NetworkNamespace } from '@outboard/ffi';
import {
  AF,
  address,
  filter,
  filterInfo,
  IFF,
  link,
  linkByName,
  NetlinkSocket,
  NLM_F,
  NTF,
  NUD,
  namespaceId,
  neighbour,
  nexthop,
  qdisc,
  RTN,
  redirectAll,
  route,
  rule,
  setUp,
  TC_CLSACT,
  TC_H,
  tokenBucket,
  upFlags,
} from '../src/index.js';
import { Namespaces, run, show } from './namespaces.js';

const OWNER = 200;
const namespaces = new Namespaces();
let dpu: NetworkNamespace;
let pod: NetworkNamespace;
let socket: NetlinkSocket;

/** A bridge (2) with a VXLAN device (3) and one end of a veth (4), whose other end is eth0 (2) in the pod. */
async function build(): Promise<void> {
  const result = await socket.batch([
    setUp(1),
    link.create({
      ifname: 'br0',
      ifiIndex: 2,
      address: '02:00:00:00:00:01',
      linkinfo: { kind: 'bridge', data: { mcastSnooping: false, ageingTime: 0 } },
      ...upFlags(),
    }),
    link.create({
      ifname: 'vx1001',
      ifiIndex: 3,
      master: 2,
      mtu: 1500,
      linkinfo: {
        kind: 'vxlan',
        data: { id: 1001, local: '10.254.0.1', port: 4789, learning: false, ttl: 64 },
      },
      ...upFlags(),
    }),
    link.change({
      ifiIndex: 3,
      linkinfo: { slaveKind: 'bridge', slaveData: { learning: false, neighSuppress: true } },
    }),
    link.create({
      ifname: 'pf0vf0',
      ifiIndex: 4,
      master: 2,
      mtu: 1450,
      group: 77,
      linkinfo: {
        kind: 'veth',
        data: {
          peer: {
            ifname: 'eth0',
            ifiIndex: 2,
            address: '02:00:5e:00:10:05',
            mtu: 1450,
            netNsFd: pod.descriptor,
          },
        },
      },
      ...upFlags(),
    }),
    link.change({
      ifiIndex: 4,
      ifalias: 'outboard:port/web-0',
      linkinfo: {
        slaveKind: 'bridge',
        slaveData: { isolated: true, mode: true, mcastFlood: false, bcastFlood: false, unicastFlood: false },
      },
    }),
    address.replace({
      ifaFamily: AF.INET,
      ifaPrefixlen: 24,
      ifaIndex: 2,
      local: '10.0.0.1',
      address: '10.0.0.1',
    }),
    address.replace({ ifaFamily: AF.INET6, ifaPrefixlen: 64, ifaIndex: 2, address: '2001:db8::1', flags: 2 }),
  ]);
  expect(result).toEqual({ total: 8, failures: [] });
}

beforeEach(async () => {
  dpu = namespaces.create('dpu');
  pod = namespaces.create('pod');
  socket = NetlinkSocket.open({ namespace: dpu });
  await build();
});

afterEach(() => {
  socket.close();
  namespaces.clear();
});

describe('what we create, iproute2 shows; what it shows, we read', () => {
  it('bridges, VXLAN devices and bridge ports with their settings', async () => {
    const [bridge, vxlan, port] = show(dpu, 'ip', '-j', '-d', 'link', 'show').slice(1);
    expect(bridge).toMatchObject({
      ifname: 'br0',
      address: '02:00:00:00:00:01',
      linkinfo: { info_kind: 'bridge' },
    });
    expect(bridge).toMatchObject({ linkinfo: { info_data: { mcast_snooping: 0, ageing_time: 0 } } });
    expect(vxlan).toMatchObject({
      ifname: 'vx1001',
      master: 'br0',
      mtu: 1500,
      linkinfo: {
        info_data: { id: 1001, local: '10.254.0.1', port: 4789, learning: false, ttl: 64 },
        info_slave_kind: 'bridge',
        info_slave_data: { learning: false, neigh_suppress: true },
      },
    });
    expect(port).toMatchObject({
      ifname: 'pf0vf0',
      ifalias: 'outboard:port/web-0',
      group: '77',
      linkinfo: {
        info_slave_data: {
          isolated: true,
          hairpin: true,
          flood: false,
          mcast_flood: false,
          bcast_flood: false,
        },
      },
    });
    const links = await socket.dump(link.dump());
    expect(links.map(({ ifname, ifiIndex }) => [ifname, ifiIndex])).toEqual([
      ['lo', 1],
      ['br0', 2],
      ['vx1001', 3],
      ['pf0vf0', 4],
    ]);
    expect(links[2]).toMatchObject({
      master: 2,
      linkinfo: {
        kind: 'vxlan',
        data: { id: 1001, local: '10.254.0.1', port: 4789, learning: false, ttl: 64 },
        slaveKind: 'bridge',
        slaveData: { learning: false, neighSuppress: true },
      },
    });
    expect(links[3]).toMatchObject({
      ifalias: 'outboard:port/web-0',
      group: 77,
      mtu: 1450,
      linkinfo: { kind: 'veth', slaveData: { isolated: true, mode: true, unicastFlood: false } },
    });
  });

  it('a veth peer appears in its namespace with the index, name and address given', async () => {
    const inside = NetlinkSocket.open({ namespace: pod });
    expect(await inside.get(link.get({ ifiIndex: 2 }))).toMatchObject({
      ifname: 'eth0',
      address: '02:00:5e:00:10:05',
      mtu: 1450,
      ifiFlags: IFF.BROADCAST | IFF.MULTICAST,
    });
    await inside.send(setUp(2));
    inside.close();
    expect(show(pod, 'ip', '-j', 'link', 'show', 'eth0')[0]).toMatchObject({ operstate: 'UP' });
    expect((await linkByName(socket, 'pf0vf0'))?.linkNetnsid).toEqual(expect.any(Number));
    expect(await linkByName(socket, 'eth0')).toBeUndefined();
  });

  it('routes: gateways, several hops, nexthop groups, metrics, tables, blackholes, both families', async () => {
    const common = { rtmFamily: AF.INET, rtmProtocol: OWNER, rtmType: RTN.UNICAST };
    const result = await socket.batch([
      route.replace({
        ...common,
        rtmTable: 254,
        rtmDstLen: 32,
        dst: '10.9.0.1',
        gateway: '10.0.0.9',
        priority: 7,
      }),
      route.replace({
        ...common,
        table: 1000,
        rtmDstLen: 16,
        dst: '10.8.0.0',
        metrics: { mtu: 1400 },
        multipath: [
          { rtnhIfindex: 2, rtnhHops: 1, gateway: '10.0.0.2' },
          { rtnhIfindex: 2, gateway: '10.0.0.3' },
        ],
      }),
      nexthop.replace({ nhFamily: AF.INET, nhProtocol: OWNER, id: 7, oif: 2, gateway: '10.0.0.7' }),
      nexthop.replace({ id: 9, group: [{ id: 7, weight: 2 }] }),
      route.replace({ ...common, rtmTable: 254, rtmDstLen: 16, dst: '10.7.0.0', nhId: 9 }),
      route.replace({ ...common, rtmType: RTN.BLACKHOLE, rtmTable: 254, rtmDstLen: 16, dst: '10.6.0.0' }),
      route.replace({
        ...common,
        rtmFamily: AF.INET6,
        rtmTable: 254,
        rtmDstLen: 48,
        dst: '2001:db8:1::',
        gateway: '2001:db8::2',
      }),
    ]);
    expect(result.failures).toEqual([]);
    const shown = [
      ...show(dpu, 'ip', '-j', '-N', 'route', 'show', 'table', 'all', 'proto', String(OWNER)),
      ...show(dpu, 'ip', '-j', '-N', '-6', 'route', 'show', 'table', 'all', 'proto', String(OWNER)),
    ];
    expect(shown).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ dst: '10.9.0.1', gateway: '10.0.0.9', metric: 7 }),
        expect.objectContaining({
          dst: '10.8.0.0/16',
          table: '1000',
          metrics: [{ mtu: 1400 }],
          nexthops: [
            expect.objectContaining({ gateway: '10.0.0.2', weight: 2 }),
            expect.objectContaining({ gateway: '10.0.0.3', weight: 1 }),
          ],
        }),
        expect.objectContaining({ dst: '10.7.0.0/16', nhid: 9 }),
        expect.objectContaining({ type: '6', dst: '10.6.0.0/16' }),
        expect.objectContaining({ dst: '2001:db8:1::/48', gateway: '2001:db8::2' }),
      ]),
    );
    const read = await socket.dump(route.dump({ rtmFamily: AF.INET, rtmProtocol: OWNER }));
    expect(read.map(({ dst, table }) => `${dst} ${table}`).sort()).toEqual([
      '10.6.0.0 254',
      '10.7.0.0 254',
      '10.8.0.0 1000',
      '10.9.0.1 254',
    ]);
    expect(read.find(({ table }) => table === 1000)).toMatchObject({
      metrics: { mtu: 1400 },
      multipath: [
        { gateway: '10.0.0.2', rtnhHops: 1 },
        { gateway: '10.0.0.3', rtnhHops: 0 },
      ],
    });
    expect(await socket.dump(nexthop.dump())).toMatchObject([
      { id: 7, gateway: '10.0.0.7' },
      { id: 9, group: [{ id: 7, weight: 2 }] },
    ]);
    const looked = await socket.get(route.get({ rtmFamily: AF.INET, rtmDstLen: 32, dst: '10.9.0.1' }));
    expect(looked).toMatchObject({ gateway: '10.0.0.9', oif: 2 });
  });

  it('neighbours with their owner, VXLAN destinations and bridge entries', async () => {
    const mac = '02:00:5e:00:10:06';
    const flood = { ndmFamily: AF.BRIDGE, ndmIfindex: 3, ndmState: NUD.PERMANENT, ndmFlags: NTF.SELF };
    const result = await socket.batch([
      neighbour.replace({
        ndmFamily: AF.INET,
        ndmIfindex: 2,
        ndmState: NUD.PERMANENT,
        dst: '10.0.0.6',
        lladdr: mac,
        protocol: OWNER,
      }),
      neighbour.append({ ...flood, lladdr: '00:00:00:00:00:00', dst: '10.254.0.2' }),
      neighbour.append({ ...flood, lladdr: '00:00:00:00:00:00', dst: '10.254.0.3' }),
      neighbour.replace({ ...flood, lladdr: mac, dst: '10.254.0.2' }),
      neighbour.replace({
        ndmFamily: AF.BRIDGE,
        ndmIfindex: 3,
        ndmState: NUD.NOARP,
        ndmFlags: NTF.MASTER | NTF.EXT_LEARNED,
        lladdr: mac,
      }),
    ]);
    expect(result.failures).toEqual([]);
    const [shown] = show(dpu, 'ip', '-j', 'neigh', 'show', 'proto', String(OWNER));
    expect(shown).toMatchObject({ dst: '10.0.0.6', lladdr: mac, state: ['PERMANENT'] });
    const entries = show(dpu, 'bridge', '-j', 'fdb', 'show', 'dev', 'vx1001').filter(
      ({ mac: own, dst }) => own === mac || dst !== undefined,
    );
    expect(entries).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ mac, master: 'br0', flags: ['extern_learn'] }),
        expect.objectContaining({ mac, dst: '10.254.0.2', flags: ['self'] }),
        expect.objectContaining({ mac: '00:00:00:00:00:00', dst: '10.254.0.2' }),
        expect.objectContaining({ mac: '00:00:00:00:00:00', dst: '10.254.0.3' }),
      ]),
    );
    expect(entries).toHaveLength(4);
    const read = await socket.dump(neighbour.dump({ ndmFamily: AF.BRIDGE, ndmIfindex: 3 }));
    expect(read.filter(({ dst }) => dst !== undefined)).toHaveLength(3);
    const [owned] = (await socket.dump(neighbour.dump({ ndmFamily: AF.INET }))).filter(
      ({ protocol }) => protocol === OWNER,
    );
    expect(owned).toMatchObject({ dst: '10.0.0.6', lladdr: mac, ndmState: NUD.PERMANENT });
    // All of one device at once.
    await socket.send(
      neighbour.remove({ ndmFamily: AF.BRIDGE, ndmIfindex: 3, ndmFlags: NTF.SELF }, NLM_F.BULK),
    );
    expect(
      show(dpu, 'bridge', '-j', 'fdb', 'show', 'dev', 'vx1001').filter(({ dst }) => dst !== undefined),
    ).toEqual([]);
  });

  it('rules, addresses and the ids of namespaces', async () => {
    await socket.send(
      rule.create({
        family: AF.INET,
        action: 1,
        priority: 100,
        iifname: 'br0',
        table: 1000,
        fwmark: 16,
        fwmask: 255,
        protocol: OWNER,
      }),
    );
    expect(show(dpu, 'ip', '-j', '-N', 'rule', 'show', 'pref', '100')[0]).toMatchObject({
      priority: 100,
      iif: 'br0',
      table: '1000',
      fwmark: '0x10',
      fwmask: '0xff',
      protocol: String(OWNER),
    });
    const owned = (await socket.dump(rule.dump({ family: AF.INET }))).filter(
      ({ protocol }) => protocol === OWNER,
    );
    expect(owned).toMatchObject([{ table: 1000, iifname: 'br0', priority: 100 }]);
    const addresses = await socket.dump(address.dump({ ifaIndex: 2 }));
    expect(addresses).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ local: '10.0.0.1', ifaPrefixlen: 24 }),
        expect.objectContaining({ address: '2001:db8::1', ifaPrefixlen: 64 }),
      ]),
    );
    const vrf = namespaces.create('vrf');
    expect(await socket.get(namespaceId.get({ fd: vrf.descriptor }))).toMatchObject({ nsid: -1 });
    await socket.send(namespaceId.create({ fd: vrf.descriptor, nsid: 42 }));
    expect(await socket.get(namespaceId.get({ fd: vrf.descriptor }))).toMatchObject({ nsid: 42 });
  });

  it('clsact with a redirecting u32 filter, and a token bucket', async () => {
    const result = await socket.batch([
      qdisc.create({ ifindex: 4, parent: TC_H.CLSACT, handle: 0xffff0000, kind: 'clsact' }),
      filter.create({
        ifindex: 4,
        parent: TC_CLSACT.INGRESS,
        info: filterInfo(1, 3),
        kind: 'u32',
        options: redirectAll(2),
      }),
      qdisc.replace({
        ifindex: 4,
        parent: TC_H.ROOT,
        handle: 0x10000,
        kind: 'tbf',
        options: tokenBucket(62_500_000, 65_536, 614_400),
      }),
    ]);
    expect(result.failures).toEqual([]);
    const text = run(dpu, 'tc', ['filter', 'show', 'dev', 'pf0vf0', 'ingress']);
    expect(text).toMatch(/match 00000000\/00000000 at 0/);
    expect(text).toMatch(/mirred \(Egress Redirect to device br0\) stolen/);
    expect(run(dpu, 'tc', ['qdisc', 'show', 'dev', 'pf0vf0'])).toMatch(
      /tbf 1: root .*rate 500Mbit burst 65500b/,
    );
    const read = await socket.dump(filter.dump({ ifindex: 4, parent: TC_CLSACT.INGRESS }));
    expect(read.find(({ options }) => options?.sel !== undefined)).toMatchObject({
      kind: 'u32',
      info: filterInfo(1, 3),
      options: { act: [{ kind: 'mirred', options: { parms: { ifindex: 2, eaction: 1 } } }] },
    });
    const disciplines = (await socket.dump(qdisc.dump())).filter(({ ifindex }) => ifindex === 4);
    expect(disciplines.map(({ kind }) => kind).sort()).toEqual(['clsact', 'tbf']);
    expect(disciplines.find(({ kind }) => kind === 'tbf')).toMatchObject({
      options: { parms: { rate: 62_500_000, limit: 614_400 } },
    });
  });

  it('a create with ECHO answers with what was made', async () => {
    const made = await socket.get(link.create({ ifname: 'br1', linkinfo: { kind: 'bridge' } }, NLM_F.ECHO));
    expect(made).toMatchObject({ ifname: 'br1', ifiIndex: expect.any(Number), linkinfo: { kind: 'bridge' } });
    expect((await linkByName(socket, 'br1'))?.ifiIndex).toBe(made.ifiIndex);
  });

  it('devices of a group go away together, off the main thread', async () => {
    const created = await socket.batch(
      Array.from({ length: 10 }, (_, count) =>
        link.create({
          ifname: `g${count}`,
          group: 78,
          linkinfo: { kind: 'veth', data: { peer: { ifname: `p${count}` } } },
        }),
      ),
    );
    expect(created.failures).toEqual([]);
    expect(await socket.batchOffThread([link.remove({ group: 78 })])).toEqual({ total: 1, failures: [] });
    const names = (await socket.dump(link.dump())).map(({ ifname }) => ifname);
    expect(names).toEqual(['lo', 'br0', 'vx1001', 'pf0vf0']);
  });
});
