import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Manifest, ResourceClient, type TenantClient } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import { waitUntil } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import { Pods } from './pods.js';
import { type FabricSite, type SitePod, TCP } from './site.js';
import { isAnswered, untilAnswered } from './waiting.js';

const EXAMPLE = new URL('../../examples/host-network/acme.yaml', import.meta.url);
/** Of what listens on hosts and in pods. */
const [KUBELET, OTHER] = [TCP(10250), TCP(22)];
const PODS = ['pod-a', 'pod-b'];
const NODES = ['node-a', 'node-b'];

/** The intents of examples/host-network: two hosts with a port on their own PF, and a pod on each. */
export function hostNetworkScenario(open: () => Promise<FabricSite>): void {
  let site: FabricSite;
  let acme: TenantClient;
  const places = new Pods();

  beforeAll(async () => {
    site = await open();
    acme = await site.tenant('acme');
    const documents = parseAllDocuments(readFileSync(EXAMPLE, 'utf8'));
    await acme.apply(...documents.map((document) => document.toJS() as Manifest));
    for (const name of [...NODES, ...PODS]) places.set(name, await site.connect(acme, name));
  }, 60_000);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  const pairs = (from: readonly string[], to: readonly string[]): (readonly [SitePod, SitePod])[] =>
    from.flatMap((one) =>
      to.flatMap((other) => (one === other ? [] : [[places.of(one), places.of(other)] as const])),
    );

  /** Those that reach the other's port, each with the IP versions by which they do. */
  const reaching = async (tried: ReturnType<typeof pairs>, attempt: typeof OTHER): Promise<string[]> => {
    const answers = tried.map(async ([from, to]) => {
      const passed = await Promise.all(to.addresses.map((ip) => isAnswered(site, from, ip, attempt)));
      const count = passed.filter((answered) => answered).length;
      return count === 0 ? [] : [`${from.name} ${to.name} by ${count} IP versions`];
    });
    return (await Promise.all(answers)).flat();
  };
  const untilReaching = (tried: ReturnType<typeof pairs>, attempt: typeof OTHER): Promise<void> => {
    const all = tried.map(([from, to]) => `${from.name} ${to.name} by 2 IP versions`);
    return waitUntil(`all reach port ${attempt.port}`, async () => {
      const found = await reaching(tried, attempt);
      return found.join() === all.join() ? undefined : found.join(', ');
    });
  };
  const pfOfDpuA = async (): Promise<Readonly<Record<string, unknown>>> => {
    const client = new ResourceClient(await site.operator(), systemClock);
    const found = unwrap(await client.get({ api: 'admin', kind: 'Function' }, '_', 'dpu-a-pf0'));
    return found.status as Readonly<Record<string, unknown>>;
  };

  it('reach pods and other hosts by it, on the same DPU and across, by IPv4 and IPv6', async () => {
    await untilReaching(pairs(NODES, [...PODS, ...NODES]), OTHER);
    await untilReaching(pairs(PODS, NODES), KUBELET);
  });

  it('are under the policies of their port: what is not allowed does not get in', async () => {
    expect(await reaching(pairs(PODS, NODES), OTHER)).toEqual([]);
  });

  it('hold the PF, which admin tells by the name of the port', async () => {
    expect(await pfOfDpuA()).toMatchObject({
      flavour: 'PCI_PF',
      attachment: 'HOST',
      claim: { tenant: 'acme', kind: 'Port', name: 'node-a' },
    });
  });

  it('give the PF up with their port', async () => {
    await site.detach(places.of('node-a'));
    await acme.delete('Port', 'node-a');
    await untilAnswered(site, places.of('node-b'), places.of('pod-a').addresses[0] ?? '');
    await waitUntil('the PF is free', async () => {
      const { claim } = await pfOfDpuA();
      return claim === undefined ? undefined : JSON.stringify(claim);
    });
  });
}
