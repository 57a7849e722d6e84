import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type OvsSpec, VLAN_PRESENT } from '../driver-ovs/realise/ovs-objects.js';
import { HopHealthBoard } from '../hop-health.js';
import { countsOfChain } from '../realise/hop-counters.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { SimDriver } from './sim-driver.js';
import { SimSwitch } from './sim-switch.js';
import { type Headers, Packet } from './switch/packet.js';

const NET = '0192f3c1-7a2e-7c1b-9d40-000000000001';
const VFS = { client: 0, server: 1, in: 2, out: 3, spared: 4 } as const;
type PortName = keyof typeof VFS;
const PORTS = Object.keys(VFS) as PortName[];
const macOf = (name: PortName): string => `02:00:5e:00:00:0${VFS[name]}`;
/** Where a port is: on a function of its own, or (all but the server and the spared one) a VLAN of one function. */
const placeOf = (name: PortName, areVlans: boolean): { representor: string; vlanId: number } =>
  areVlans && name !== 'server' && name !== 'spared'
    ? { representor: 'pf0vf9', vlanId: 100 + VFS[name] }
    : { representor: `pf0vf${VFS[name]}`, vlanId: 0 };
const ipOf = (name: PortName): string => `10.0.1.${VFS[name] + 5}`;

describe('a service chain on a simulated switch', () => {
  let vswitch: SimSwitch;
  let probe: EngineProbe<OvsSpec>;
  const hops = new HopHealthBoard();
  let sequence = 0;
  let areVlans = false;

  const apply = (options: { failOpen: boolean; policed: boolean }) =>
    probe.apply(
      d.document(++sequence, [
        d.router(),
        d.bridgeDomain(NET),
        d.ruleSet('any', { ingress: [{ name: 'a', action: 'ALLOW' }] }),
        d.serviceChain('chain', {
          destinations: ['10.0.1.0/24'],
          exceptions: [ipOf('spared')],
          hops: [['in', 'out']],
          failOpen: options.failOpen,
        }),
        d.endpoint('parent', NET, { macAddress: '02:00:5e:00:00:99', representor: 'pf0vf9' }),
        ...PORTS.map((name) =>
          d.endpoint(name, NET, {
            macAddress: macOf(name),
            ipAddresses: [ipOf(name)],
            ...placeOf(name, areVlans),
            ...(name === 'client' && { serviceChains: [d.serviceChainKey('chain')] }),
            ...(name === 'client' &&
              options.policed && { ruleSets: [d.ruleSetKey('any')], isolatedIngress: true }),
          }),
        ),
      ]),
    );

  /** The ports by which a datagram leaves that comes in by one, whoever it says that it is from. */
  function through(by: PortName, from: PortName, to: PortName, more: Headers = {}): string[] {
    const headers: Headers = {
      eth_type: 0x0800,
      eth_src: macOf(from),
      eth_dst: macOf(to),
      ipv4_src: ipOf(from),
      ipv4_dst: ipOf(to),
      ip_proto: 17,
      ip_ttl: 64,
      udp_src: 4000,
      udp_dst: 4000,
      ...tagOf(placeOf(by, areVlans)),
      ...more,
    };
    const { outputs } = vswitch.receive(Packet.of(placeOf(by, areVlans).representor, headers, { probe: 1 }));
    return outputs.map(({ port, packet }) => {
      const isAt = (name: PortName): boolean => {
        const place = placeOf(name, areVlans);
        return port === place.representor && packet.get('vlan_vid') === BigInt(tagOf(place).vlan_vid);
      };
      return PORTS.find(isAt) ?? port;
    });
  }
  const tagOf = ({ vlanId }: { vlanId: number }) => ({ vlan_vid: vlanId === 0 ? 0 : VLAN_PRESENT + vlanId });

  beforeEach(async () => {
    vswitch = new SimSwitch();
    for (const vf of [...Object.values(VFS), 9]) vswitch.plug(`pf0vf${vf}`);
    probe = await EngineProbe.start(new SimDriver({ vswitch }), undefined, hops);
  });
  afterEach(async () => {
    areVlans = false;
    hops.report('in', 'up');
    await probe[Symbol.asyncDispose]();
  });

  it.each([
    { policed: false, vlans: false },
    { policed: true, vlans: false },
    { policed: false, vlans: true },
    { policed: true, vlans: true },
  ])(
    'leads packets in and out, and the answers in reverse; with policies: $policed; by VLANs of one function: $vlans',
    async ({ policed, vlans }) => {
      areVlans = vlans;
      await apply({ failOpen: false, policed });
      expect(through('client', 'client', 'server')).toEqual(['in']);
      expect(through('out', 'client', 'server')).toEqual(['server']);
      expect(through('server', 'server', 'client')).toEqual(['out']);
      expect(through('in', 'server', 'client')).toEqual(['client']);
      expect(through('client', 'client', 'spared')).toEqual(['spared']);
      expect(through('spared', 'spared', 'client')).toEqual(['client']);
      const counted = countsOfChain(vswitch.counters(), 'chain', ['in']);
      expect(counted.map(({ packets, passedPackets }) => [packets, passedPackets])).toEqual([
        [1n, 1n],
        [1n, 1n],
      ]);
    },
  );

  it('leads in nothing that the port may not send, and takes from a hop only what is of the port and its destination', async () => {
    await apply({ failOpen: false, policed: false });
    expect(through('client', 'spared', 'server', { eth_src: macOf('client') })).toEqual([]);
    expect(through('client', 'client', 'server', { vlan_vid: 0x1064 })).toEqual([]);
    expect(through('out', 'spared', 'server')).toEqual([]);
    expect(through('in', 'client', 'server')).toEqual([]);
    // What comes out of the last hop enters the network as the port's own, and is judged so.
    expect(through('out', 'client', 'server', { eth_src: macOf('spared') })).toEqual([]);
  });

  it.each([
    [true, ['server'], ['client']],
    [false, [], []],
  ])('with a hop that is down, and FAIL_OPEN %s', async (failOpen, there, back) => {
    await apply({ failOpen, policed: false });
    hops.report('in', 'down');
    await probe.engine.settled();
    expect(through('client', 'client', 'server')).toEqual(there);
    expect(through('server', 'server', 'client')).toEqual(back);
    expect(through('out', 'client', 'server')).toEqual([]);
    hops.report('in', 'up');
    await probe.engine.settled();
    expect(through('client', 'client', 'server')).toEqual(['in']);
  });
});
