import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ResourceClient } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import { LocalStack } from '@outboard/local-stack';
import type { NetworkNamespace } from '@outboard/netlink';
import {
  EchoServer,
  type Endpoint,
  type Pod,
  ping,
  tcpEcho,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import { mustRunIn } from '../cni/run.js';
import { type CniHost, callPlugin } from './debian-plugins.js';
import { DpuNetworks } from './dpu-networks.js';

const DPU = 'dpu-1';
const HOST = 'host-dpu-1';
const INFRA = 'infra-dns';
const BRIDGE = 'cni0';
const PORT = 5_353;

const DPUS = [
  { name: DPU, serialNumber: 'OB-BROWN-1', pfMacAddress: '02:0b:00:00:01:00', functions: 2 },
  // Where the control plane runs in one of the placements, as a DPU of its own.
  { name: 'dpu-2', serialNumber: 'OB-BROWN-2', pfMacAddress: '02:0b:00:00:02:00', functions: 1 },
];

/** Everything of the control plane in one place. */
const everythingIn = (place: string | undefined) =>
  place === undefined ? {} : { nats: place, admin: place, 'network-intent': place };

/**
 * The whole CNI has moved to the DPU: Debian's `bridge` plugin, unmodified, makes the network of an infra pod there, and
 * `host-device` gives pods on the host their functions. Outboard lists the functions and plugs their representors into
 * the plugin's bridge; of pods it knows nothing.
 */
describe.each([
  ['beside both', undefined],
  ['on the host', HOST],
  ['on a DPU', 'dpu-2'],
])('an unmodified CNI on a DPU, with the control plane %s', (_, place) => {
  let stack: LocalStack;
  let networks: DpuNetworks;
  let infraNamespace: NetworkNamespace;
  let infra: Endpoint;
  let pods: Pod[];
  let state: string;
  let added: { readonly ips: readonly { readonly address: string }[] } | undefined;
  let dpuSide: CniHost;
  let hostSide: CniHost;

  const ipam = (start: string, end: string) => ({
    type: 'host-local',
    dataDir: join(state, start),
    ranges: [[{ subnet: '10.88.0.0/24', rangeStart: start, rangeEnd: end, gateway: '10.88.0.1' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  });
  const bridgeCall = (command: 'ADD' | 'CHECK' | 'DEL') => ({
    command,
    containerId: INFRA,
    netns: `/run/netns/${INFRA}`,
    ifname: 'eth0',
    configuration: {
      cniVersion: '0.4.0',
      name: 'infra',
      type: 'bridge',
      bridge: BRIDGE,
      isGateway: true,
      ipam: ipam('10.88.0.10', '10.88.0.99'),
      ...(command !== 'ADD' && { prevResult: added }),
    },
  });
  const functions = async () => {
    const client = new ResourceClient(await stack.operator(), systemClock);
    const selection = { fieldSelector: `status.dpu=${DPU}` };
    const listed = unwrap(await client.list({ api: 'admin', kind: 'Function' }, '_', selection));
    return listed as unknown as readonly {
      readonly status: { readonly vfNumber?: number; readonly representor: { readonly netdev: string } };
    }[];
  };

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'brownfield', dpus: DPUS, placement: everythingIn(place) });
    networks = await DpuNetworks.open(stack);
    state = join(stack.testbed.directory, 'cni');
    const dpu = stack.testbed.dpu(DPU);
    dpuSide = { namespace: dpu.namespace, enter: await dpu.machine.enter() };
    hostSide = { namespace: stack.testbed.host(HOST).namespace, enter: [] };
    const [enter = '', ...more] = dpuSide.enter;
    await mustRunIn(dpu.namespace, [enter, ...more, 'ip', 'netns', 'add', INFRA], {});
    infraNamespace = await dpu.machine.openNamespace(INFRA);
    pods = [];
    for (const name of ['web', 'db']) pods.push(await stack.testbed.createPod({ name, host: HOST }));
  }, 60_000);

  afterAll(async () => {
    infraNamespace?.close();
    await stack?.[Symbol.asyncDispose]();
    rmSync(state, { recursive: true, force: true });
  }, 30_000);

  it('waits for the bridge of the plugin, and then has the representors of the functions in it', async () => {
    const representors: string[] = [];
    await waitUntil('functions of the DPU', async () => {
      const virtual = (await functions()).filter(({ status }) => status.vfNumber !== undefined);
      representors.splice(0, representors.length, ...virtual.map(({ status }) => status.representor.netdev));
      return representors.length === 2 ? undefined : `there are ${representors.length}`;
    });
    expect(representors.sort()).toEqual(['pf0vf0', 'pf0vf1']);
    const interfaces = representors.map((device) => ({ device, adminState: 'UP', master: BRIDGE }));
    const generation = await networks.apply(DPU, { interfaces });
    const [, message] = await networks.settled(DPU, generation, ['Waiting']);
    expect(message).toContain(`there is no device ${BRIDGE}`);

    added = (await callPlugin(dpuSide, bridgeCall('ADD'))) as typeof added;
    infra = { name: INFRA, namespace: infraNamespace, addresses: ['10.88.0.10'] };
    expect(added?.ips[0]?.address).toBe('10.88.0.10/24');
    await networks.settled(DPU, generation);
    const bridge = await networks.device(DPU, BRIDGE);
    for (const device of representors) {
      expect((await networks.device(DPU, device)).master).toBe(bridge.ifiIndex);
    }
  }, 60_000);

  it('lets pods on the host talk to each other and to the infra pod on the DPU, by real packets', async () => {
    for (const [index, pod] of pods.entries()) {
      await callPlugin(hostSide, {
        command: 'ADD',
        containerId: pod.name,
        netns: `/run/netns/${pod.namespace.name}`,
        ifname: 'eth0',
        configuration: {
          cniVersion: '0.4.0',
          name: 'pods',
          type: 'host-device',
          device: `enp1s0f0v${index}`,
          ipam: ipam('10.88.0.100', '10.88.0.199'),
        },
      });
    }
    const [web, db] = pods as [Pod, Pod];
    const addresses = ['10.88.0.100', '10.88.0.101'];
    await waitReachable(web, addresses[1] ?? '');
    for (const pod of [web, db])
      for (const ip of ['10.88.0.1', '10.88.0.10', ...addresses])
        expect([ip, (await ping(pod, ip)).received]).toEqual([ip, 1]);
    const server = await EchoServer.listen(infra, PORT);
    for (const pod of [web, db]) {
      const echoed = await tcpEcho(pod, { ip: '10.88.0.10', port: PORT });
      expect(echoed).toMatchObject({ kind: 'echoed', server: INFRA });
    }
    server[Symbol.dispose]();
  }, 60_000);

  it('puts a representor back into the bridge that somebody has taken out, and lets go of all when asked', async () => {
    const [web] = pods as [Pod];
    await callPlugin(dpuSide, bridgeCall('CHECK'));
    await mustRunIn(dpuSide.namespace, ['ip', 'link', 'set', 'pf0vf0', 'nomaster'], {});
    await waitReachable(web, '10.88.0.10');
    await networks.delete(DPU);
    await networks.unmastered(DPU, 'pf0vf0');
    await callPlugin(dpuSide, bridgeCall('DEL'));
  }, 60_000);
});
