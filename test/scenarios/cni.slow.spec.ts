import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_DENY_POLICY } from '@outboard/bus';
import { setSysctls } from '@outboard/ffi';
import { address, link, NetworkNamespace, upFlags, withSocket } from '@outboard/netlink';
import { type Pod, ping, waitReachable, waitUnreachable, waitUntil } from '@outboard/testbed';
import { parse } from 'yaml';
import type { CniResult, CniRuntime, Json } from '../cni/cni-runtime.js';
import { mustRunIn } from '../cni/run.js';
import { CniWorld, type HostName, OPEN } from '../cni/world.js';
import { BLUE, functionOf } from './manifests.js';

const DEFINITION = new URL('../../examples/cni/network-attachment-definition.yaml', import.meta.url);
const VFS = 4;
const CODE = {
  unsupported: 2,
  invalid: 7,
  tryAgain: 11,
  notAvailable: 50,
  refused: 100,
  attached: 101,
  notAsAdded: 102,
  internal: 999,
};

/** The plugin, agents on two hosts, the services, a worker on each of two DPUs: everything as it is in a data centre. */
describe('pods that a container runtime connects by the CNI plugin', () => {
  let world: CniWorld;
  let a: CniRuntime;
  let b: CniRuntime;
  const made: Pod[] = [];

  beforeAll(async () => {
    world = await CniWorld.start({
      name: 'cni',
      functions: VFS,
      configuration: { network: 'blue' },
      environment: { OUTBOARD_TENANTS: 'team-a=acme,_=acme' },
    });
    [a, b] = [world.runtimes['host-dpu-a'], world.runtimes['host-dpu-b']];
    await world.acme.apply(...BLUE);
  }, 60_000);

  afterEach(async () => {
    for (const pod of made.splice(0)) {
      await world.runtimeOf(pod).delete(pod);
      await world.stack.testbed.removePod(pod.name);
    }
  });

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  }, 30_000);

  const createPod = async (host: HostName = 'host-dpu-a'): Promise<Pod> => {
    const pod = await world.createPod(host);
    made.push(pod);
    return pod;
  };

  /** As the kernel gives a physical function back when its namespace ends: with all that the pod had but the name. */
  const giveBackAsKernel = async (pod: Pod): Promise<void> => {
    const port = (await world.ports()).find(
      ({ metadata }) => metadata.labels['outboard.dev/pod'] === pod.name,
    );
    await withSocket(pod.namespace, async (socket) => {
      const { ifiIndex } = await socket.get(link.get({ ifname: 'eth0' }));
      const ifname = `enp1s0f0v${port?.spec.function?.vfNumber}`;
      const netNsFd = pod.host.namespace.descriptor;
      await socket.send(link.change({ ifiIndex, ...upFlags(false), netNsFd, ifname }));
    });
  };

  const ports = () => world.ports();
  const devicesOf = () => world.devicesOf('host-dpu-a');

  const ipOf = ({ ips }: CniResult, family: 4 | 6): string => {
    const found = ips.map((each) => each.address).find((each) => each.includes(':') === (family === 6));
    return found?.split('/')[0] ?? '';
  };

  it('get an interface as their port says, and nobody reaches them until a policy allows it', async () => {
    const before = await devicesOf();
    const [web, db] = [await createPod(), await createPod('host-dpu-b')];
    const atWeb = await a.add(web, {
      args: { K8S_POD_NAMESPACE: 'team-a', K8S_POD_NAME: 'web-0' },
      configuration: { cniVersion: '1.1.0', labels: { app: 'web' } },
    });
    const atDb = await b.add(db);

    const port = (await ports()).find(({ metadata }) => metadata.name.startsWith('web-0-eth0-'));
    expect(port?.metadata.labels).toMatchObject({
      app: 'web',
      'outboard.dev/host': 'host-dpu-a',
      'outboard.dev/namespace': 'team-a',
      'outboard.dev/pod': 'web-0',
    });
    expect(port?.spec.securityPolicies).toEqual([DEFAULT_DENY_POLICY]);
    const { status } = port ?? { status: undefined };
    expect(atWeb).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        {
          name: 'eth0',
          mac: status?.macAddress,
          mtu: status?.mtu,
          sandbox: `/run/netns/${web.namespace.name}`,
        },
      ],
      ips: status?.addresses.map(({ ip, prefixLength, gateway }) => ({
        address: `${ip}/${prefixLength}`,
        gateway,
        interface: 0,
      })),
      routes: [
        { dst: '0.0.0.0/0', gw: '10.0.1.1' },
        { dst: '::/0', gw: 'fd00:0:1::1' },
      ],
      dns: {},
    });
    expect((await a.call('CHECK', web)).stdout).toBe('');

    const pings = ([4, 6] as const).flatMap((family) => [
      ping(web, ipOf(atDb, family)),
      ping(db, ipOf(atWeb, family)),
    ]);
    for (const report of await Promise.all(pings)) expect(report).toMatchObject({ received: 0 });
    await world.acme.apply(OPEN);
    for (const family of [4, 6] as const) await waitReachable(web, ipOf(atDb, family));
    await world.acme.delete('SecurityPolicy', 'open');
    await waitUnreachable(web, ipOf(atDb, 4));

    await a.delete(web);
    expect(await devicesOf()).toEqual(before);
    expect((await ports()).map(({ status: { dpu } }) => dpu)).toEqual(['dpu-b']);
  }, 60_000);

  it('are disconnected however often, whatever of them is left, and nothing else is touched', async () => {
    const before = await devicesOf();
    const pod = await createPod();
    await a.add(pod);
    await a.delete(pod, { containerId: 'somebody-else' });
    expect((await a.call('CHECK', pod)).exitCode).toBe(0);
    await a.delete(pod, { netns: '' });
    await a.delete(pod);
    await a.delete(pod, { netns: '/run/netns/never-was' });

    await a.add(pod);
    await giveBackAsKernel(pod);
    expect(await devicesOf()).not.toEqual(before);
    await a.delete(pod);
    expect(await devicesOf()).toEqual(before);
    expect(await ports()).toEqual([]);
  });

  it('may ask for addresses and bandwidth, and have several interfaces with one default route', async () => {
    const pod = await createPod();
    const first = await a.add(pod, {
      runtimeConfig: {
        Ips: ['10.0.1.77/24'],
        mac: '02:00:5E:00:10:05',
        bandwidth: { EgressRate: 8_000_000 },
        DeviceID: 'enp1s0f0v3',
      },
    });
    expect((await ports())[0]?.spec.function).toEqual(functionOf('dpu-a', 3));
    expect(first.interfaces[0]?.mac).toBe('02:00:5e:00:10:05');
    expect((await ports())[0]?.spec.bandwidth).toMatchObject({ egressKbps: 8_000 });
    expect(first.ips.map((each) => each.address)).toContain('10.0.1.77/24');
    const second = await a.add(pod, {
      ifname: 'net1',
      args: { IP: '10.0.1.78' },
      configuration: { cniVersion: '0.4.0' },
    });
    expect(second.ips).toContainEqual({
      address: '10.0.1.78/24',
      gateway: '10.0.1.1',
      interface: 0,
      version: '4',
    });
    expect(second.routes).toEqual([]);
    await a.delete(pod, { ifname: 'net1' });
    expect((await a.call('CHECK', pod)).exitCode).toBe(0);
  });

  it('are refused with code and reason, and leave nothing behind', async () => {
    const before = await devicesOf();
    const pod = await createPod();
    const refused = async (
      configuration: Json,
      args: Record<string, string> = {},
      runtimeConfig: Json = {},
    ) => {
      const { exitCode, json } = await a.call('ADD', pod, { configuration, args, runtimeConfig });
      expect(exitCode).toBe(1);
      return json;
    };
    expect(await refused({ network: 'nowhere' })).toMatchObject({
      code: CODE.refused,
      msg: expect.stringContaining('network nowhere does not exist'),
    });
    expect(await refused({}, { K8S_POD_NAMESPACE: 'team-b' })).toMatchObject({ code: CODE.invalid });
    expect(await refused({ tenant: 'globex' }, { K8S_POD_NAMESPACE: 'team-a' })).toMatchObject({
      code: CODE.invalid,
    });
    expect(await refused({}, {}, { ips: ['10.9.9.9'] })).toMatchObject({ code: CODE.invalid });
    expect(await refused({ deviceID: 'enp9s0f0v1' })).toMatchObject({ code: CODE.refused });
    expect(await refused({ pool: 'fast' })).toMatchObject({ code: CODE.tryAgain });
    expect(await refused({}, {}, { PortMappings: [{ HostPort: 80 }] })).toMatchObject({
      code: CODE.unsupported,
      msg: expect.stringContaining('runtimeConfig.portMappings'),
    });
    expect(await refused({ network: undefined, networkSelector: { tier: 'none' } })).toMatchObject({
      code: CODE.invalid,
    });
    expect(await refused({ cniVersion: '9.0.0' })).toMatchObject({ code: 1, cniVersion: '1.1.0' });
    expect((await a.call('ADD', pod, { netns: '/run/netns/never-was' })).json).toMatchObject({ code: 8 });
    expect((await a.call('ADD', pod, { ifname: 'lo' })).json).toMatchObject({ code: CODE.attached });
    await a.add(pod);
    expect((await a.call('ADD', pod)).json).toMatchObject({ code: CODE.attached });
    await a.delete(pod);
    expect(await devicesOf()).toEqual(before);
    expect(await ports()).toEqual([]);
  });

  it('are taken apart again when the kernel refuses half of what their port says', async () => {
    const before = await devicesOf();
    const pod = await createPod();
    // The port has an IPv6 address, which the pod's kernel then does not take.
    setSysctls(pod.namespace, { 'net/ipv6/conf/default/disable_ipv6': '1' });
    const { exitCode, json } = await a.call('ADD', pod);
    expect(exitCode).toBe(1);
    expect(json).toMatchObject({ code: CODE.internal, msg: expect.stringContaining('configure eth0') });
    expect(await devicesOf()).toEqual(before);
    expect(await ports()).toEqual([]);
    setSysctls(pod.namespace, { 'net/ipv6/conf/default/disable_ipv6': '0' });
    await a.add(pod);
  });

  it('are taken apart again when their interface cannot have its name', async () => {
    const before = await devicesOf();
    const pod = await createPod();
    // Another name of another device: the function is in the pod before the kernel finds that.
    await mustRunIn(pod.namespace, ['ip', 'link', 'property', 'add', 'dev', 'lo', 'altname', 'eth0'], {});
    expect((await a.call('ADD', pod)).exitCode).toBe(1);
    expect(await devicesOf()).toEqual(before);
    expect(await ports()).toEqual([]);
  });

  it('find their network by its labels, where exactly one has them', async () => {
    const metadata = { name: 'labelled', labels: { tier: 'front' } };
    await world.acme.apply(
      { kind: 'Network', metadata, spec: {} },
      {
        kind: 'Subnet',
        metadata: { name: 'labelled-v4' },
        spec: { network: 'labelled', cidr: '10.0.7.0/24' },
      },
    );
    const pod = await createPod();
    const selected = { network: undefined, networkSelector: { tier: 'front' } };
    const { ips } = await a.add(pod, { configuration: selected });
    expect(ips.map((each) => each.address)).toEqual([expect.stringMatching(/^10\.0\.7\.\d+\/24$/)]);
    expect((await ports()).map(({ spec }) => spec.network)).toEqual(['labelled']);
    await a.delete(pod);
    await world.acme.delete('Subnet', 'labelled-v4');
    await world.acme.delete('Network', 'labelled');
  });

  it('are spoken of in the versions that VERSION tells, and by the verbs that these have', async () => {
    const { json } = await a.run('VERSION', {}, { cniVersion: '1.1.0' });
    expect(json).toEqual({ cniVersion: '1.1.0', supportedVersions: ['0.4.0', '1.0.0', '1.1.0'] });
    for (const cniVersion of json.supportedVersions as string[]) {
      const pod = await createPod();
      const configuration = { cniVersion };
      const result = await a.add(pod, { configuration });
      expect(result).toMatchObject({ cniVersion });
      // In the shape of that version, and of no other.
      expect(result.interfaces.map((each) => Object.keys(each).sort())).toEqual([
        cniVersion === '1.1.0' ? ['mac', 'mtu', 'name', 'sandbox'] : ['mac', 'name', 'sandbox'],
      ]);
      const families = cniVersion === '0.4.0' ? ['4', '6'] : [undefined, undefined];
      expect(result.ips.map(({ version }) => version)).toEqual(families);
      expect((await a.call('CHECK', pod, { configuration })).stdout).toBe('');
      await a.delete(pod, { configuration });
      expect((await a.call('CHECK', pod, { configuration })).json).toMatchObject({ cniVersion });
    }
    for (const verb of ['STATUS', 'GC']) {
      const refused = await a.run(verb, {}, { cniVersion: '1.0.0', 'cni.dev/valid-attachments': [] });
      expect(refused.json).toMatchObject({ cniVersion: '1.0.0', code: 1 });
    }
  });

  it('take a port that is there, on the function that a device plugin has given them, and leave it there', async () => {
    const pod = await createPod();
    await world.acme.apply({ kind: 'Port', metadata: { name: 'reserved' }, spec: { network: 'blue' } });
    const asked = { network: undefined, port: 'reserved', deviceID: 'enp1s0f0v2' };
    const other = await a.call('ADD', pod, { configuration: asked, runtimeConfig: { ips: ['10.0.1.99'] } });
    expect(other.json).toMatchObject({ code: CODE.invalid });
    await a.add(pod, { configuration: asked });
    const [port] = await ports();
    expect(port?.spec.function).toEqual(functionOf('dpu-a', 2));
    await a.delete(pod);
    const [left] = await ports();
    expect(left?.metadata.name).toBe('reserved');
    expect(left?.spec.function).toBeUndefined();
    await world.acme.delete('Port', 'reserved');
  });

  it('get a second interface by a NetworkAttachmentDefinition, as Multus hands it on', async () => {
    const { spec } = parse(readFileSync(DEFINITION, 'utf8'));
    const pod = await createPod();
    await a.add(pod);
    const args = {
      IgnoreUnknown: 'true',
      K8S_POD_NAMESPACE: 'team-a',
      K8S_POD_NAME: 'store-0',
      K8S_POD_INFRA_CONTAINER_ID: 'f00d',
      K8S_POD_UID: '5b1c0f3e-0000-4000-8000-000000000001',
    };
    const configuration = { ...JSON.parse(spec.config), deviceID: 'enp1s0f0v3' };
    const second = { ifname: 'net1', args, configuration, runtimeConfig: { ips: ['10.0.1.88/24'] } };
    const result = await a.add(pod, second);
    expect(result.interfaces).toMatchObject([{ name: 'net1' }]);
    expect(result.ips.map((each) => each.address)).toContain('10.0.1.88/24');
    expect(result.routes).toEqual([]);
    const port = (await ports()).find(({ metadata }) => metadata.name.startsWith('store-0-net1-'));
    expect(port).toMatchObject({
      metadata: { labels: { tier: 'storage', 'outboard.dev/pod': 'store-0' } },
      spec: { network: 'blue', function: functionOf('dpu-a', 3) },
    });
    expect((await a.call('CHECK', pod, second)).stdout).toBe('');
    await a.delete(pod, second);
    expect((await a.call('CHECK', pod)).stdout).toBe('');
    expect(await ports()).toHaveLength(1);
  });

  it('are found different by CHECK in each thing that the kernel has, and in what the runtime has kept', async () => {
    const pod = await createPod();
    const result = await a.add(pod);
    const name = (await ports())[0]?.metadata.name ?? '';
    const inPod = (...command: [string, ...string[]]) => mustRunIn(pod.namespace, command, {});
    const found = async (prevResult: Json = { ...result }): Promise<readonly string[]> => {
      const { json } = await a.call('CHECK', pod, { configuration: { prevResult } });
      expect(json).toMatchObject({ code: CODE.notAsAdded });
      return String(json.details ?? json.msg).split('\n');
    };
    const [own] = result.interfaces;
    const mtu = Number((await ports())[0]?.status.mtu);

    expect(await found({ ...result, ips: [], interfaces: [] })).toEqual([
      'result: prevResult.interfaces does not have eth0',
      ...result.ips.map(({ address }) => `result: prevResult.ips does not have ${address}`),
    ]);
    await inPod('ip', 'link', 'set', 'eth0', 'mtu', '1300');
    expect(await found()).toEqual([expect.stringContaining(`kernel: MTU is 1300, not ${mtu}`)]);
    await inPod('ip', 'link', 'set', 'eth0', 'mtu', String(mtu));
    await inPod('ip', 'link', 'set', 'eth0', 'address', '02:00:5e:00:00:99');
    expect(await found()).toEqual([
      expect.stringContaining(`kernel: MAC address is 02:00:5e:00:00:99, not ${own?.mac}`),
    ]);
    await inPod('ip', 'link', 'set', 'eth0', 'address', String(own?.mac));
    await inPod('ip', 'route', 'del', 'default');
    expect(await found()).toEqual([expect.stringContaining('kernel: default route via 10.0.1.1 is missing')]);
    // A plugin behind ours has taken it away, and the result of the chain says so.
    const routes = result.routes.filter(({ gw }) => gw !== '10.0.1.1');
    const rerouted = await a.call('CHECK', pod, { configuration: { prevResult: { ...result, routes } } });
    expect(rerouted.stdout).toBe('');
    await inPod('ip', 'route', 'add', 'default', 'via', '10.0.1.1', 'dev', 'eth0', 'onlink');
    expect((await a.call('CHECK', pod)).stdout).toBe('');
    await inPod('ip', 'link', 'set', 'eth0', 'down');
    expect(await found()).toContain('kernel: interface eth0 is down');
    await inPod('ip', 'link', 'set', 'eth0', 'name', 'other');
    expect(await found()).toEqual([expect.stringContaining('kernel: interface eth0 is missing')]);
    // The function is found by its mark, whatever it is called.
    await a.delete(pod);
    expect((await ports()).map(({ metadata }) => metadata.name)).not.toContain(name);
  });

  it('are found different by CHECK in kernel and intent, with every difference', async () => {
    const pod = await createPod();
    const result = await a.add(pod);
    await withSocket(pod.namespace, async (socket) => {
      const { ifiIndex } = await socket.get(link.get({ ifname: 'eth0' }));
      const ip = ipOf(result, 4);
      await socket.send(
        address.remove({ ifaFamily: 2, ifaPrefixlen: 24, ifaIndex: ifiIndex, local: ip, address: ip }),
      );
    });
    const [port] = await ports();
    const name = port?.metadata.name ?? '';
    await world.acme.delete('Port', name);
    await waitUntil('CHECK tells every difference', async () => {
      const { json } = await a.call('CHECK', pod);
      expect(json).toMatchObject({ code: CODE.notAsAdded });
      const [first = '', ...more] = String(json.details).split('\n');
      // The DPU's part is told once the DPU has heard of it.
      if (!first.includes('carrier')) return first;
      expect(first).toBe('kernel: interface eth0 has no carrier: its DPU passes nothing');
      expect(more).toEqual([
        expect.stringMatching(/^kernel: address 10\.0\.1\.\d+\/24 is missing$/),
        'kernel: default route via 10.0.1.1 is missing',
        `intent: port acme/${name} is missing`,
      ]);
      return undefined;
    });
  });

  it('have their functions back in the host when they vanish without a DEL', async () => {
    const before = await devicesOf();
    const [kept, lost] = [await createPod(), await createPod()];
    await a.add(kept);
    await a.add(lost);
    NetworkNamespace.remove(lost.namespace.name ?? '');
    expect((await a.collectGarbage([kept])).stdout).toBe('');
    expect(await ports()).toHaveLength(1);
    expect(await devicesOf()).toHaveLength(before.length - 1);
    expect((await a.collectGarbage([])).exitCode).toBe(0);
    expect(await devicesOf()).toEqual(before);
    expect(await ports()).toEqual([]);
  });

  it('have their functions back in the host when they vanish while no agent runs', async () => {
    const before = await devicesOf();
    const [kept, lost] = [await createPod(), await createPod()];
    await a.add(kept);
    await a.add(lost);
    await world.stack.stack.kill('host-agent/host-dpu-a');
    await giveBackAsKernel(lost);
    NetworkNamespace.remove(lost.namespace.name ?? '');
    await world.stack.stack.restart('host-agent/host-dpu-a');
    // Sooner than the next periodic look: at the start.
    await waitUntil('the port is gone', async () => {
      const { length } = await ports();
      return length === 1 ? undefined : `${length} ports`;
    });
    await a.delete(kept);
    expect(await devicesOf()).toEqual(before);
  }, 30_000);

  it('exhaust the pool, which STATUS tells, and survive a restart of the agent', async () => {
    const pods = await Promise.all(Array.from({ length: VFS }, () => createPod()));
    await Promise.all(pods.map((pod) => a.add(pod)));
    const status = await a.status();
    expect(status.json).toMatchObject({
      code: CODE.notAvailable,
      msg: expect.stringContaining('no free function'),
    });
    expect((await a.call('ADD', await createPod())).json).toMatchObject({ code: CODE.tryAgain });
    await world.stack.stack.restart('host-agent/host-dpu-a');
    await waitUntil('the agent knows its functions again', async () => {
      const { msg } = (await a.status()).json;
      return String(msg).includes('no free function') ? undefined : String(msg);
    });
    for (const pod of pods) expect((await a.call('CHECK', pod)).stdout).toBe('');
    const [first] = pods;
    if (first !== undefined) await a.delete(first);
    expect((await a.status()).stdout).toBe('');
  }, 30_000);
});
