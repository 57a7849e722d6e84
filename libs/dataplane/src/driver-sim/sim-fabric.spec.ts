import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { SimDriver } from './sim-driver.js';
import { SimFabric } from './sim-fabric.js';
import { type Probe, SimHost } from './sim-host.js';
import { SimSwitch } from './sim-switch.js';

const BLUE = '0192f3c1-7a2e-7c1b-9d40-000000000001';
const RED = '0192f3c1-7a2e-7c1b-9d40-000000000002';
const TAGGED = '0192f3c1-7a2e-7c1b-9d40-000000000003';
const UNDERLAY = { 'dpu-1': '10.254.0.1', 'dpu-2': '10.254.0.2' } as const;
type DpuName = keyof typeof UNDERLAY;

interface Pod {
  readonly name: string;
  readonly dpu: DpuName;
  /** A VF; the host's PF, or a function of the DPU itself, under the names of their representors. */
  readonly vf: number | 'hpf' | 'sf1';
  readonly network: string;
  readonly ipv4: string;
  readonly ipv6: string;
}
const pod = (name: string, dpu: DpuName, vf: Pod['vf'], network: string, number: number): Pod => {
  const third = network === BLUE ? 1 : 2;
  return { name, dpu, vf, network, ipv4: `10.0.${third}.${number}`, ipv6: `fd00:${third}::${number}` };
};
const PODS: readonly Pod[] = [
  pod('a', 'dpu-1', 0, BLUE, 5),
  pod('b', 'dpu-1', 1, BLUE, 6),
  pod('c', 'dpu-2', 0, BLUE, 7),
  pod('d', 'dpu-2', 1, RED, 8),
  pod('host', 'dpu-1', 'hpf', BLUE, 9),
  pod('own', 'dpu-2', 'sf1', BLUE, 10),
];
const macOf = ({ dpu, vf }: Pod): string =>
  `02:00:5e:00:0${dpu.slice(-1)}:${vf === 'hpf' ? 'ff' : vf === 'sf1' ? 'f1' : `0${vf}`}`;
const representorOf = ({ vf }: Pod): string => (typeof vf === 'number' ? `pf0vf${vf}` : `pf0${vf}`);

describe('frames on simulated switches', () => {
  let fabric: SimFabric;
  let hosts: Map<string, SimHost>;
  let probes: Map<DpuName, EngineProbe<OvsSpec>>;
  let sequence = 0;

  const host = (name: string): SimHost => hosts.get(name) as SimHost;
  const reaches = (from: string, destination: string, protocol: 'ICMP' | 'TCP' | 'UDP' = 'TCP') =>
    fabric.probe(host(from), { destination, protocol, port: 80 });

  beforeEach(async () => {
    fabric = new SimFabric();
    hosts = new Map();
    probes = new Map();
    for (const [name, underlayAddress] of Object.entries(UNDERLAY) as [DpuName, string][]) {
      const vswitch = new SimSwitch();
      for (const name of ['vf0', 'vf1', 'hpf', 'sf1']) vswitch.plug(`pf0${name}`);
      fabric.add({ name, vswitch, underlayAddress });
      const underlay = { device: 'up0', address: underlayAddress, mtu: 1600 };
      probes.set(name, await EngineProbe.start(new SimDriver({ vswitch, underlay })));
    }
    for (const each of PODS) {
      const third = each.ipv4.split('.')[2];
      const created = new SimHost({
        macAddress: macOf(each),
        addresses: [
          { ip: each.ipv4, prefixLength: 24, gateway: `10.0.${third}.1` },
          { ip: each.ipv6, prefixLength: 64, gateway: `fd00:${third}::1` },
        ],
      });
      hosts.set(each.name, created);
      fabric.attach(each.dpu, representorOf(each), created);
    }
  });
  afterEach(async () => {
    for (const probe of probes.values()) await probe[Symbol.asyncDispose]();
  });

  /** Every DPU gets the document that makes it part of the two networks. */
  async function apply(more: readonly d.Entry[] | ((dpu: DpuName) => d.Entry) = []): Promise<void> {
    for (const [dpu, probe] of probes) {
      const peers = Object.entries(UNDERLAY).filter(([name]) => name !== dpu);
      const entries = [
        d.router(),
        ...[BLUE, RED].flatMap((network, index) => [
          d.bridgeDomain(network, { vni: 100 + index }),
          d.routerInterface(network, [`10.0.${index + 1}.1/24`, `fd00:${index + 1}::1/64`]),
          ...peers.map(([, address]) => d.tunnelPeer(network, address)),
        ]),
        ...PODS.map((each) => {
          const ipAddresses = [each.ipv4, each.ipv6];
          return each.dpu === dpu
            ? d.endpoint(each.name, each.network, {
                macAddress: macOf(each),
                representor: representorOf(each),
                ipAddresses,
              })
            : d.remoteEndpoint(each.name, each.network, {
                macAddress: macOf(each),
                ipAddresses,
                tunnelEndpoint: UNDERLAY[each.dpu],
              });
        }),
        ...(typeof more === 'function' ? [more(dpu)] : more),
      ];
      expect(await probe.apply(d.document(++sequence, entries))).toMatchObject({ problems: [] });
    }
  }

  it('reach every pod of the router, the host by its PF and the DPU itself, on the same switch, across and routed, by IPv4 and IPv6', async () => {
    await apply();
    for (const from of PODS)
      for (const to of PODS.filter((each) => each !== from))
        for (const destination of [to.ipv4, to.ipv6])
          for (const protocol of ['ICMP', 'TCP', 'UDP'] as const)
            expect({ from, to, protocol, ...reaches(from.name, destination, protocol) }).toMatchObject({
              arrived: true,
              answered: true,
            });
  });

  it('of a VLAN of a function are those of another port: in its network, under its policies, with its addresses', async () => {
    const known = { macAddress: '02:00:5e:00:01:65', ipAddresses: ['10.0.2.101'] };
    const place = { representor: 'pf0vf0', vlanId: 101, isolatedIngress: true };
    await apply((dpu) =>
      dpu === 'dpu-1'
        ? d.endpoint('a-red', RED, { ...known, ...place })
        : d.remoteEndpoint('a-red', RED, { ...known, tunnelEndpoint: UNDERLAY['dpu-1'] }),
    );
    const vlan = new SimHost({
      ...known,
      addresses: [{ ip: '10.0.2.101', prefixLength: 24, gateway: '10.0.2.1' }],
    });
    const outcome = (probe: Partial<Probe>, from = vlan) => {
      const { arrived, by, answered } = fabric.probe(from, {
        protocol: 'TCP',
        port: 80,
        destination: '',
        ...probe,
      });
      return { arrived, by, answered };
    };
    // Nobody is behind the VLAN yet, and the holder of the function itself does not get what is for it.
    expect(outcome({ destination: '10.0.2.8' }).arrived).toBe(false);
    fabric.attach('dpu-1', 'pf0vf0', vlan, 101);
    for (const name of ['b', 'c', 'd']) {
      const { ipv4: destination } = PODS.find((each) => each.name === name) as Pod;
      expect(outcome({ destination })).toEqual({ arrived: true, by: host(name), answered: true });
    }
    expect(outcome({ destination: '10.0.2.101' }, host('d')).arrived).toBe(false);
    expect(outcome({ destination: '10.0.2.8', source: '10.0.1.5' }).arrived).toBe(false);
    expect(outcome({ destination: '10.0.1.7' }, host('a'))).toMatchObject({ by: host('c') });
    fabric.attach('dpu-1', 'pf0vf0', vlan, 102);
    expect(outcome({ destination: '10.0.2.8' }).arrived).toBe(false);
  });

  it('reach nobody before there is a document, and nobody who has no port', async () => {
    expect(reaches('a', '10.0.1.6')).toMatchObject({ arrived: false, answered: false, path: [] });
    await apply();
    expect(reaches('a', '10.0.1.99')).toMatchObject({ arrived: false, answered: false });
  });

  it('end where the sender is not who it says', async () => {
    await apply();
    const impostor = { destination: '10.0.1.6', protocol: 'UDP', source: '10.0.1.77' } as const;
    expect(fabric.probe(host('a'), impostor)).toMatchObject({ arrived: false });
  });

  it('show by which flows they went on each switch', async () => {
    await apply();
    const { path } = reaches('a', '10.0.2.8');
    expect(path.some(({ dpu, inPort }) => dpu === 'dpu-2' && inPort === 'obt-vxlan')).toBe(true);
    expect(path.find(({ inPort }) => inPort === 'pf0vf0')?.flows[0]).toMatch(/^0\/10$/);
  });

  it('of a VLAN network reach a device on the fabric, with its tag and no other', async () => {
    await apply([d.bridgeDomain(TAGGED, { networkType: 'VLAN', vlanId: 101, uplink: 'up0' })]);
    const device = new SimHost({
      macAddress: '02:00:00:00:99:01',
      addresses: [{ ip: '10.9.0.9', prefixLength: 24 }],
    });
    const stranger = new SimHost({
      macAddress: '02:00:00:00:99:02',
      addresses: [{ ip: '10.9.0.9', prefixLength: 24 }],
    });
    fabric.attachDevice(101, device);
    fabric.attachDevice(102, stranger);
    const entry = d.endpoint('a', TAGGED, {
      macAddress: '02:00:5e:00:01:00',
      representor: 'pf0vf0',
      ipAddresses: ['10.9.0.5'],
    });
    const probe = probes.get('dpu-1') as EngineProbe<OvsSpec>;
    expect(await probe.apply(d.delta(++sequence, [entry]))).toMatchObject({ problems: [] });
    const moved = new SimHost({
      macAddress: '02:00:5e:00:01:00',
      addresses: [{ ip: '10.9.0.5', prefixLength: 24 }],
    });
    fabric.attach('dpu-1', 'pf0vf0', moved);
    expect(fabric.probe(moved, { destination: '10.9.0.9', protocol: 'TCP' })).toMatchObject({
      answered: true,
    });
    expect(stranger.hasGot(1)).toBe(false);
  });
});
