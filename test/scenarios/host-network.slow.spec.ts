import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ResourceClient } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { EchoServer, type Endpoint, tcpEcho, waitReachable, waitUntil } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';

const EXAMPLE = new URL('../../examples/host-network/acme.yaml', import.meta.url);
const [KUBELET, OTHER] = [10250, 22];
const PATIENCE = { timeoutMilliseconds: 200 };
const PODS = ['pod-a', 'pod-b'];
const NODES = ['node-a', 'node-b'];

/** Everything runs for real: the intents of examples/host-network, one DPU on the kernel and one on Open vSwitch. */
describe('hosts with a port on their own PF', () => {
  let stack: LocalStack;
  let acme: Workspace;
  const places = new Map<string, Endpoint>();
  const servers: EchoServer[] = [];

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'host-network', drivers: { 'dpu-b': 'ovs' } });
    acme = await stack.workspace('acme');
    const documents = parseAllDocuments(readFileSync(EXAMPLE, 'utf8'));
    await acme.apply(...documents.map((document) => document.toJS() as Manifest));
    for (const name of NODES) places.set(name, await acme.connectHost(name));
    for (const name of PODS) places.set(name, await acme.connectPod(name));
    for (const place of places.values())
      for (const served of [KUBELET, OTHER]) servers.push(await EchoServer.listen(place, served));
  }, 60_000);

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  const place = (name: string): Endpoint => {
    const found = places.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  const addressesOf = (name: string): string[] =>
    acme.port(name)?.status.addresses.map(({ ip }) => `${ip}`) ?? [];
  const pairs = (from: readonly string[], to: readonly string[]) =>
    from.flatMap((one) => to.flatMap((other) => (one === other ? [] : [[one, other] as const])));

  /** Those that reach the other's port, each with the IP versions by which they do. */
  const reaching = async (tried: ReturnType<typeof pairs>, served: number): Promise<string[]> => {
    const answers = tried.map(async ([from, to]) => {
      const passed = await Promise.all(
        addressesOf(to).map((ip) => tcpEcho(place(from), { ip, port: served }, PATIENCE)),
      );
      const count = passed.filter(({ kind }) => kind === 'echoed').length;
      return count === 0 ? [] : [`${from} ${to} by ${count} IP versions`];
    });
    return (await Promise.all(answers)).flat();
  };
  const untilReaching = (tried: ReturnType<typeof pairs>, served: number): Promise<void> => {
    const all = tried.map((each) => `${each.join(' ')} by 2 IP versions`);
    return waitUntil(`all reach port ${served}`, async () => {
      const found = await reaching(tried, served);
      return found.join() === all.join() ? undefined : found.join(', ');
    });
  };

  it('reach pods and other hosts by it, on the same DPU and across, by IPv4 and IPv6', async () => {
    await untilReaching(pairs(NODES, [...PODS, ...NODES]), OTHER);
    await untilReaching(pairs(PODS, NODES), KUBELET);
  });

  it('are under the policies of their port: what is not allowed does not get in', async () => {
    expect(await reaching(pairs(PODS, NODES), OTHER)).toEqual([]);
  });

  it('hold the PF, which admin tells by the name of the port', async () => {
    const client = new ResourceClient(await stack.operator(), systemClock);
    const found = unwrap(await client.get({ api: 'admin', kind: 'Function' }, '_', 'dpu-a-pf0'));
    expect(found).toMatchObject({
      status: {
        flavour: 'PCI_PF',
        attachment: 'HOST',
        claim: { tenant: 'acme', kind: 'Port', name: 'node-a' },
      },
    });
  });

  it('give the PF up with their port', async () => {
    await stack.testbed.host('host-dpu-a').disconnect(stack.testbed.dpu('dpu-a'));
    await acme.delete('Port', 'node-a');
    await waitReachable(place('node-b'), addressesOf('pod-a')[0] ?? '');
    const client = new ResourceClient(await stack.operator(), systemClock);
    await waitUntil('the PF is free', async () => {
      const found = unwrap(await client.get({ api: 'admin', kind: 'Function' }, '_', 'dpu-a-pf0'));
      const { claim } = found.status as { claim?: unknown };
      return claim === undefined ? undefined : JSON.stringify(claim);
    });
  });
});
