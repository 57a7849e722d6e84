import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { address, NetworkNamespace, RT_SCOPE, withSocket } from '@outboard/netlink';
import { type Pod, ping, waitConnected, waitReachable } from '@outboard/testbed';
import { BLUE } from '../scenarios/manifests.js';
import type { CniResult, Outcome } from './cni-runtime.js';
import { CniWorld, HOSTS, OPEN, until } from './world.js';

const PODS = 100;
/** As many again, so that a pod that is tried again finds one while the last try is undone. */
const FUNCTIONS = PODS;
const CODE = { tryAgain: 11, notAvailable: 50, limited: 51, notAsAdded: 102 };
const MAX_TRIES = 30;
const NO_CARRIER = 'kernel: interface eth0 has no carrier: its DPU passes nothing';

const detailsOf = ({ json }: Outcome): readonly string[] => String(json.details ?? json.msg).split('\n');

describe('pods in great number, and whatever happens meanwhile', () => {
  let world: CniWorld;

  beforeAll(async () => {
    world = await CniWorld.start({
      name: 'cni-faults',
      functions: FUNCTIONS,
      configuration: { network: 'blue', tenant: 'acme' },
      leaseMilliseconds: 2_000,
      environment: { OUTBOARD_CNI_ADD_MILLISECONDS: '20000', OUTBOARD_RECONCILE_SECONDS: '2' },
    });
    await world.acme.apply(...BLUE, OPEN);
  }, 60_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  }, 60_000);

  afterEach(async () => {
    for (const name of [...world.stack.testbed.pods.keys()]) await world.stack.testbed.removePod(name);
  }, 60_000);

  const createPods = async (count: number): Promise<readonly Pod[]> => {
    const pods: Pod[] = [];
    for (let number = 0; number < count; number++) {
      pods.push(await world.createPod(HOSTS[number % HOSTS.length] ?? HOSTS[0]));
    }
    return pods;
  };

  /** What kubelet does: a DEL after an ADD that failed, and another ADD with another container. Returns the container. */
  const addLikeKubelet = async (pod: Pod): Promise<string> => {
    const runtime = world.runtimeOf(pod);
    let last = '';
    for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
      const containerId = `c-${pod.name}-${attempt}`;
      const { exitCode, stdout } = await runtime.call('ADD', pod, { containerId });
      if (exitCode === 0) return containerId;
      last = stdout;
      await deleteLikeKubelet(pod, containerId);
    }
    throw new Error(`${pod.name} was not added in ${MAX_TRIES} tries: ${last}`);
  };

  const deleteLikeKubelet = (pod: Pod, containerId: string): Promise<void> =>
    until(`${containerId} is deleted`, async () => {
      const { exitCode, stdout } = await world.runtimeOf(pod).call('DEL', pod, { containerId });
      return exitCode === 0 ? undefined : stdout;
    });

  /** All pods come while the fault happens, all have what they should have, and all go while it happens again. */
  const storm = async (count: number, fault: () => Promise<unknown>): Promise<void> => {
    const pods = await createPods(count);
    const underWay = (what: string, isSo: (ports: number) => boolean): Promise<void> =>
      until(what, async () => {
        const { length } = await world.ports().catch(() => []);
        return isSo(length) ? undefined : `${length} ports`;
      });
    const [containers] = await Promise.all([
      Promise.all(pods.map(addLikeKubelet)),
      underWay('a third of the pods has a port', (ports) => ports >= count / 3).then(fault),
    ]);
    await until('as many ports as pods, all of them ready', async () => {
      const ports = await world.ports();
      const ready = ports.filter(({ status }) =>
        status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      );
      return ready.length === count && ports.length === count
        ? undefined
        : `${ready.length} of ${ports.length}`;
    });
    for (const [index, pod] of pods.entries()) {
      const containerId = containers[index] ?? '';
      const prevResult = { cniVersion: '1.0.0' };
      // An agent that has just started may have no connection yet: it says so with code 11, and is asked again.
      await until(`${pod.name} is as it should be`, async () => {
        const { stdout } = await world
          .runtimeOf(pod)
          .call('CHECK', pod, { containerId, configuration: { prevResult } });
        if (stdout !== '') expect(JSON.parse(stdout)).toMatchObject({ code: 11 });
        return stdout || undefined;
      });
    }
    await Promise.all([
      Promise.all(pods.map((pod, index) => deleteLikeKubelet(pod, containers[index] ?? ''))),
      underWay('a third of the ports is gone', (ports) => ports <= (count * 2) / 3).then(fault),
    ]);
    await world.nothingIsLeft();
    // What the fault took down has come back: the next rule starts with hosts that can be used.
    await Promise.all(HOSTS.map((host) => world.available(host)));
  };

  it('a hundred at once, on two hosts, reach one another, and a hundred at once leave nothing behind', async () => {
    const pods = await createPods(PODS);
    const results = await Promise.all(pods.map((pod) => world.runtimeOf(pod).add(pod)));
    const addresses = results.flatMap(({ ips }) => ips.map(({ address }) => address));
    expect(new Set(addresses).size).toBe(2 * PODS);
    const some = pods.slice(0, 6).map((pod, index) => ({
      name: pod.name,
      namespace: pod.namespace,
      addresses: results[index]?.ips.map(({ address }) => address.split('/')[0] ?? '') ?? [],
    }));
    await waitConnected(some);
    await Promise.all(pods.map((pod) => world.runtimeOf(pod).delete(pod)));
    await world.nothingIsLeft();
  }, 180_000);

  it('agents that are killed and started again', async () => {
    await storm(30, async () => {
      for (const host of HOSTS) {
        await world.stack.stack.kill(`host-agent/${host}`);
        await world.stack.stack.restart(`host-agent/${host}`);
      }
    });
  }, 240_000);

  it('runtimes that kill the plugin in the middle of a call', async () => {
    await storm(20, async () => {
      for (const host of HOSTS) world.runtimes[host].killCalls();
    });
  }, 240_000);

  it('a bus that goes away and comes back', async () => {
    await storm(30, () => world.stack.stack.restartNats());
  }, 240_000);

  it('services that are killed and started again', async () => {
    await storm(30, async () => {
      for (const service of ['network-intent', 'admin']) {
        await world.stack.stack.kill(service);
        await world.stack.stack.restart(service);
      }
    });
  }, 240_000);

  it('a DPU that reboots', async () => {
    await storm(30, () => world.stack.testbed.rebootDpu('dpu-a'));
  }, 240_000);

  it('a pod whose port does not become ready is rolled back, in time or when the agent ends', async () => {
    const [before, pod] = [await world.createPod('host-dpu-a'), await world.createPod('host-dpu-a')];
    const runtime = world.runtimeOf(pod);
    await runtime.add(before);
    await world.stack.stack.kill('dataplane-worker/dpu-a');

    const late = await runtime.call('ADD', pod);
    expect(late.json).toMatchObject({ code: CODE.tryAgain, msg: expect.stringContaining('is not ready') });
    expect(await world.ports()).toHaveLength(1);
    await world.stack.stack.restart('dataplane-worker/dpu-a');
    await world.available('host-dpu-a');

    await world.stack.stack.kill('dataplane-worker/dpu-a');
    const interrupted = runtime.call('ADD', pod);
    await until('the second pod has a port', async () => {
      const { length } = await world.ports();
      return length === 2 ? undefined : `there are ${length} ports`;
    });
    const agent = world.stack.stack.program('host-agent/host-dpu-a');
    expect(await agent.stop()).toMatchObject({ code: 0 });
    expect((await interrupted).json).toMatchObject({
      code: CODE.tryAgain,
      msg: expect.stringContaining('the agent ends'),
    });
    expect(await world.ports()).toHaveLength(1);
    await agent.start();

    // And that a pod is on it, which may be cut off.
    await until('STATUS says that the DPU is gone', async () => {
      const { json, stdout } = await runtime.status();
      const isGone = json.code === CODE.limited && String(json.msg).includes('dpu-a does not report');
      return isGone ? undefined : stdout;
    });
    const { json } = await runtime.call('ADD', pod);
    expect(json).toMatchObject({
      code: CODE.tryAgain,
      msg: expect.stringContaining('dpu-a does not report'),
    });
    expect(await world.ports()).toHaveLength(1);
    const check = await runtime.call('CHECK', before);
    expect(check.json).toMatchObject({
      code: CODE.notAsAdded,
      msg: expect.stringContaining('DPU: port acme/'),
    });

    await world.stack.stack.restart('dataplane-worker/dpu-a');
    await until(
      'CHECK finds all as it was',
      async () => (await runtime.call('CHECK', before)).stdout || undefined,
    );
    await until('STATUS finds the DPU again', async () => (await runtime.status()).stdout || undefined);
    await runtime.delete(before);
    await world.nothingIsLeft();

    await world.stack.stack.kill('dataplane-worker/dpu-a');
    await until('STATUS says that the DPU is gone, which no pod is on any more', async () => {
      const { json, stdout } = await runtime.status();
      const isGone = json.code === CODE.notAvailable && String(json.msg).includes('dpu-a does not report');
      return isGone ? undefined : stdout || 'it succeeds';
    });
    await world.stack.stack.restart('dataplane-worker/dpu-a');
    await world.available('host-dpu-a');
  }, 120_000);

  it('a call over whose wait for the port the agent was killed is undone by the next agent, though nobody says DEL', async () => {
    const pod = await world.createPod('host-dpu-a');
    const runtime = world.runtimeOf(pod);
    await world.stack.stack.kill('dataplane-worker/dpu-a');
    const interrupted = runtime.call('ADD', pod);
    await until('the pod has its addresses, so that only the port is waited for', async () => {
      const found = await withSocket(pod.namespace, (socket) => socket.dump(address.dump()));
      const { length } = found.filter(({ ifaScope }) => ifaScope === RT_SCOPE.UNIVERSE);
      return length === 2 ? undefined : `it has ${length}`;
    });
    await world.stack.stack.kill('host-agent/host-dpu-a');
    expect((await interrupted).json).toMatchObject({ code: CODE.tryAgain });
    await world.stack.stack.restart('host-agent/host-dpu-a');
    await until('its port is gone', async () => {
      const { length } = await world.ports();
      return length === 0 ? undefined : `there are ${length} ports`;
    });
    await world.stack.stack.restart('dataplane-worker/dpu-a');
    await world.available('host-dpu-a');
    await runtime.add(pod);
    await runtime.delete(pod);
    await world.nothingIsLeft();
  }, 120_000);

  it('CHECK tells what a pod lacks while its DPU reboots, until packets pass again', async () => {
    const [pod, peer] = [await world.createPod('host-dpu-a'), await world.createPod('host-dpu-b')];
    const runtime = world.runtimeOf(pod);
    await runtime.add(pod);
    const ip = firstAddress(await world.runtimeOf(peer).add(peer));
    await waitReachable(pod, ip);
    const check = (): Promise<Outcome> => runtime.call('CHECK', pod);
    const passes = async (): Promise<void> => {
      await until('CHECK finds all as it was', async () => (await check()).stdout || undefined);
      // The kernel may drop the first: it begins to queue packets some time after the carrier is back.
      const { received } = await ping(pod, ip, { count: 2, timeoutMilliseconds: 5_000 });
      expect(received).toBeGreaterThan(0);
    };

    // A DPU that is back before its worker has nothing of its state.
    await world.stack.stack.kill('dataplane-worker/dpu-a');
    await world.stack.testbed.rebootDpu('dpu-a');
    const atOnce = await check();
    expect(atOnce.json).toMatchObject({ code: CODE.notAsAdded, msg: expect.stringContaining(NO_CARRIER) });
    await until('the control plane knows it too', async () => {
      const details = detailsOf(await check());
      expect(details).toContain(NO_CARRIER);
      const isKnown = details.some((line) => /^DPU: port acme\/.* is not ready: .*dpu-a/.test(line));
      return isKnown ? undefined : details.join('; ');
    });
    expect(await ping(pod, ip)).toMatchObject({ received: 0 });
    await world.stack.stack.restart('dataplane-worker/dpu-a');
    await passes();

    // Together with its worker, as a power cut does; asked all the time.
    const rebooting = world.stack.testbed.rebootDpu('dpu-a');
    const failed: Outcome[] = [];
    await until('CHECK fails', async () => {
      const outcome = await check();
      if (outcome.exitCode !== 0) failed.push(outcome);
      return failed.length > 0 ? undefined : 'it passes';
    });
    await rebooting;
    await passes();
    for (const outcome of failed) {
      expect(outcome.json).toMatchObject({ code: CODE.notAsAdded });
      for (const line of detailsOf(outcome)) expect(line).toMatch(/(kernel|DPU): /);
    }
    await runtime.delete(pod);
    await world.runtimeOf(peer).delete(peer);
    await world.nothingIsLeft();
  }, 120_000);

  it('what a pod had that vanished without a DEL is found by the periodic look, and no other pod is touched', async () => {
    const [stays, goes] = [await world.createPod('host-dpu-a'), await world.createPod('host-dpu-a')];
    const runtime = world.runtimeOf(stays);
    await runtime.add(stays);
    await runtime.add(goes);
    NetworkNamespace.remove(goes.namespace.name ?? '');
    await until('one port is left', async () => {
      const { length } = await world.ports();
      return length === 1 ? undefined : `${length} are`;
    });
    expect((await runtime.call('CHECK', stays)).stdout).toBe('');
    await runtime.delete(stays);
    await world.nothingIsLeft();
  }, 60_000);

  it.each([
    ['admin', 'admin service'],
    ['network-intent', 'network-intent service'],
    ['nats', 'does not answer'],
  ])(
    'STATUS says so while %s is away',
    async (program, said) => {
      const [runtime] = HOSTS.map((host) => world.runtimes[host]);
      await world.stack.stack.kill(program);
      await until('STATUS fails', async () => {
        const { json, stdout } = (await runtime?.status()) ?? {};
        const isSaid = json?.code === CODE.notAvailable && String(json.msg).includes(said);
        return isSaid ? undefined : stdout || 'it succeeds';
      });
      await world.stack.stack.restart(program);
      await Promise.all(HOSTS.map((host) => world.available(host)));
    },
    120_000,
  );

  it('a DEL succeeds while the control plane is away, which learns of it when it is back; GC tells that it is not done', async () => {
    const [pod, other] = [await world.createPod('host-dpu-a'), await world.createPod('host-dpu-a')];
    const runtime = world.runtimeOf(pod);
    await runtime.add(pod);
    await runtime.add(other);
    await world.stack.stack.kill('network-intent');
    expect((await runtime.status()).json).toMatchObject({
      code: CODE.notAvailable,
      msg: expect.stringContaining('network-intent'),
    });
    await runtime.delete(pod);
    const { json } = await runtime.collectGarbage([]);
    expect(json).toMatchObject({
      code: CODE.tryAgain,
      msg: expect.stringMatching(/^2 attachments are left: .*\/eth0: /),
    });
    await world.stack.stack.restart('network-intent');
    await world.nothingIsLeft();
    expect((await runtime.collectGarbage([])).stdout).toBe('');
  }, 120_000);

  it('an agent that has lost its journal deletes the ports of pods that are gone, and no others', async () => {
    const [stays, goes] = [await world.createPod('host-dpu-a'), await world.createPod('host-dpu-a')];
    const runtime = world.runtimeOf(stays);
    await runtime.add(stays);
    await runtime.add(goes);
    const agent = `host-agent/${stays.host.name}`;
    await world.stack.stack.kill(agent);
    world.loseJournal('host-dpu-a');
    await world.takeAway(goes);
    await world.stack.stack.restart(agent);
    await until('one port is left', async () => {
      const ports = await world.ports();
      return ports.length === 1 ? undefined : `${ports.length} are`;
    });
    const [left] = await world.ports();
    expect(left?.metadata.labels['outboard.dev/pod']).toBe(stays.name);
    await world.takeAway(stays);
    await world.nothingIsLeft();
  }, 120_000);
});

const firstAddress = ({ ips: [first] }: CniResult): string => first?.address.split('/')[0] ?? '';
