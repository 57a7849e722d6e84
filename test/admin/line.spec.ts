import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import {
  encapsulated,
  FrameCapture,
  type Pod,
  ping,
  TcpBulk,
  UdpFlow,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import { manifests } from './examples.js';
import { applyAsOperator, CnfInPod } from './sites.js';
import { WireTap } from './wire.js';

const allow = (protocol: string) => ({
  name: protocol.toLowerCase(),
  direction: 'OUTBOUND',
  protocol,
  action: 'ACCEPT',
});
const PING = allow('ICMP');
const ANY_TCP = allow('TCP');
const ANY_UDP = allow('UDP');
const KEY = 'correct horse battery staple';
const FAR = ['10.2.0.11', 'fd00:2::b'] as const;

/** Everything runs for real: nats-server, the services, a worker on each DPU, and strongSwan in each gateway. */
describe('two sites with an IPsec gateway each, one of them behind a firewall', () => {
  let stack: LocalStack;
  let acme: Workspace;
  let pods: readonly [Pod, Pod];
  let gateways: readonly [CnfInPod, CnfInPod];
  let firewall: CnfInPod;
  let wire: WireTap;
  let tunnels: FrameCapture;

  /** A function on dpu-<site>, in a pod that has the ports `<name>-<device>`. */
  const startCnf = async (cnf: string, name: string, devices: readonly string[], site = 'a') => {
    const { testbed } = stack;
    const pod = await testbed.createPod({ name, host: `host-dpu-${site}` });
    for (const device of devices) await acme.attachPod(pod, await acme.ready(`${name}-${device}`), device);
    const directory = join(testbed.directory, name);
    mkdirSync(directory);
    return CnfInPod.start(testbed, pod, cnf, directory);
  };

  /** What a worker sends again when a gateway has been started again. */
  const configure = (gateway: CnfInPod, own: number, other: number) =>
    gateway.ask('PUT', '/interfaces/ipsec/configuration', {
      peers: [
        {
          name: 'other',
          address: `198.51.100.${other}`,
          preSharedKey: 'sites',
          localSubnets: [`10.${own}.0.0/24`, `fd00:${own}::/64`],
          remoteSubnets: [`10.${other}.0.0/24`, `fd00:${other}::/64`],
        },
      ],
    });

  const configureFirewall = (...rules: readonly object[]) =>
    firewall.ask('PUT', '/interfaces/firewall/configuration', {
      rules,
      defaultAction: { outbound: 'DROP', inbound: 'DROP' },
    });
  const counters = async () =>
    (await firewall.ask('POST', '/interfaces/firewall/methods/counters')) as {
      readonly rules: Readonly<Record<string, { readonly packets: string }>>;
    };

  const status = async (gateway: CnfInPod) => {
    const { peers } = (await gateway.ask('POST', '/interfaces/ipsec/methods/status')) as {
      readonly peers: readonly { readonly state: string; readonly outbound?: { readonly spi: string } }[];
    };
    return peers[0];
  };

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'cnf-ipsec', providerNetwork: true, tenants: ['acme'] });
    await applyAsOperator(stack, ...manifests('fabric'), ...manifests('encapsulation'));
    acme = await stack.workspace('acme');
    await acme.apply(...manifests('acme'), ...manifests('chain'));
    pods = [await acme.connectPod('pod-a'), await acme.connectPod('pod-b')];
    wire = await WireTap.open(stack.testbed.fabric);
    tunnels = await FrameCapture.open(
      stack.testbed.fabric,
      'up-1',
      (frame) => encapsulated(frame) !== undefined,
    );
    const devices = ['inside', 'outside'];
    gateways = [
      await startCnf('ipsec', 'ipsec-a', devices),
      await startCnf('ipsec', 'ipsec-b', devices, 'b'),
    ];
    firewall = await startCnf('firewall', 'firewall', ['ingress', 'egress']);
    await configureFirewall(PING, ANY_TCP, ANY_UDP);
  });

  afterAll(async () => {
    wire?.[Symbol.dispose]();
    tunnels?.[Symbol.dispose]();
    await stack?.[Symbol.asyncDispose]();
  });

  it('do not reach each other before they have a tunnel, and nothing leaves', async () => {
    for (const ip of FAR) expect(await ping(pods[0], ip)).toMatchObject({ received: 0 });
    expect(wire.strange).toEqual([]);
    expect(wire.count('ESP')).toBe(0);
  });

  it('wait for keys that nobody has given them yet, by their names', async () => {
    await expect(configure(gateways[0], 1, 2)).rejects.toThrow('set-key to give it the keys sites');
  });

  it('reach each other over IPv4 and IPv6', async () => {
    for (const gateway of gateways) {
      await gateway.ask('POST', '/interfaces/ipsec/methods/set-key', { name: 'sites', key: KEY });
    }
    await configure(gateways[0], 1, 2);
    await configure(gateways[1], 2, 1);
    for (const ip of FAR) await waitReachable(pods[0], ip);
  });

  it('keep those out whom no rule of the firewall allows', async () => {
    expect(await ping(pods[1], '10.1.0.11', { timeoutMilliseconds: 300 })).toMatchObject({ received: 0 });
    await configureFirewall(PING, ANY_TCP, ANY_UDP, { ...PING, name: 'back', direction: 'INBOUND' });
    expect(await ping(pods[1], '10.1.0.11')).toMatchObject({ received: 1 });
    await configureFirewall(PING, ANY_TCP, ANY_UDP);
  });

  it('show ESP on the wire, packet by packet through the firewall, and nothing else', async () => {
    const before = wire.count('ESP');
    const passed = Number((await counters()).rules.icmp?.packets);
    expect(await ping(pods[0], FAR[0], { count: 20 })).toMatchObject({ received: 20 });
    expect(wire.count('ESP') - before).toBe(40);
    expect(Number((await counters()).rules.icmp?.packets) - passed).toBe(40);
    expect(wire.strange).toEqual([]);
    expect(tunnels.report).toMatchObject({ count: 0, drops: 0 });
  });

  it('learn how large packets may be', async () => {
    const refused = await ping(pods[0], FAR[0], { payloadBytes: 1420, doNotFragment: true });
    expect(refused.outcomes[0]).toMatchObject({ mtu: 1395 });
    const bulk = await TcpBulk.start(stack.testbed, { from: pods[0], to: pods[1] });
    await waitUntil('a megabyte each way', () =>
      Math.min(bulk.bytes('forward'), bulk.bytes('backward')) < 1 << 20 ? 'less' : undefined,
    );
    expect(await bulk.stop()).toMatchObject({ failure: undefined });
    expect(wire.strange).toEqual([]);
  });

  it('change their keys while packets flow, and lose none', async () => {
    const flow = UdpFlow.start({ from: pods[0], to: pods[1], rate: 500 });
    await flow.progress(100);
    const before = await status(gateways[0]);
    await gateways[0].ask('POST', '/interfaces/ipsec/methods/rekey', { peer: 'other' });
    await waitUntil('the tunnel has other keys', async () => {
      const { state, outbound } = (await status(gateways[0])) ?? {};
      return state === 'ESTABLISHED' && outbound?.spi !== before?.outbound?.spi ? undefined : state;
    });
    await flow.progress(200);
    expect(await flow.stop()).toMatchObject({ lost: 0, receiverDrops: 0 });
  });

  it('send nothing in clear when a gateway is killed, and go on when it is back', async () => {
    await gateways[0].program.kill();
    expect(await ping(pods[0], FAR[0], { timeoutMilliseconds: 300 })).toMatchObject({ received: 0 });
    await gateways[0].program.start();
    expect(await ping(pods[0], FAR[0], { timeoutMilliseconds: 300 })).toMatchObject({ received: 0 });
    await configure(gateways[0], 1, 2);
    await waitReachable(pods[0], FAR[0]);
    expect(wire.strange).toEqual([]);
    expect(tunnels.report).toMatchObject({ count: 0, drops: 0 });
  });
});
