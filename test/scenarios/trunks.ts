import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Manifest, TenantClient } from '@outboard/client';
import { waitUntil } from '@outboard/testbed';
import { BLUE, functionOf, port } from './manifests.js';
import { Pods } from './pods.js';
import { PING, type Site, type SitePod, TCP } from './site.js';
import { isAnswered, untilAllAnswer, untilAnswered } from './waiting.js';

export interface TrunksWorld<Of extends Site> {
  readonly site: Of;
  readonly acme: TenantClient;
  podOf(name: string): SitePod;
}

const RED: readonly Manifest[] = [
  { kind: 'Network', metadata: { name: 'red' }, spec: {} },
  { kind: 'Subnet', metadata: { name: 'red-v4' }, spec: { network: 'red', cidr: '10.0.2.0/24' } },
];
const red = (name: string, spec: object): Manifest => ({
  kind: 'Port',
  metadata: { name, labels: { app: name } },
  spec: { network: 'red', ...spec },
});
/** Of what listens in every pod. */
const [OPEN, CLOSED] = [TCP(8080), TCP(7000)];

/** A network function with one function of dpu-a: its own network is blue, its VLAN 101 is in red. */
export function trunksScenario<Of extends Site>(open: () => Promise<Of>): TrunksWorld<Of> {
  let site: Of;
  let acme: TenantClient;
  const pods = new Pods();
  const { of: podOf } = pods;
  const addressOf = (name: string): string => podOf(name).addresses[0] ?? '';

  beforeAll(async () => {
    site = await open();
    acme = await site.tenant('acme');
    await acme.apply(
      ...BLUE,
      ...RED,
      port('cnf-0', 'dpu-a', 0),
      red('cnf-0-red', { trunk: { parent: 'cnf-0', vlanId: 101 } }),
      port('blue-b', 'dpu-b', 0),
      red('red-a', { function: functionOf('dpu-a', 1) }),
      red('red-b', { function: functionOf('dpu-b', 1) }),
    );
    for (const name of ['cnf-0', 'blue-b', 'red-a', 'red-b']) pods.set(name, await site.connect(acme, name));
    pods.set('cnf-0-red', await site.connect(acme, 'cnf-0-red', { name: 'acme-cnf-0' }));
  }, 60_000);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  it('carries what has no tag in the network of the function, and what has the tag in that of the VLAN', async () => {
    for (const names of [
      ['cnf-0', 'blue-b'],
      ['cnf-0-red', 'red-a', 'red-b'],
    ]) {
      await untilAllAnswer(site, names.map(podOf), PING);
      await untilAllAnswer(site, names.map(podOf), CLOSED);
    }
    for (const from of ['red-a', 'red-b'])
      expect(await site.answered(podOf(from), addressOf('cnf-0-red'), CLOSED)).toBe('acme-cnf-0');
  });

  it('drops what the VLAN sends under an address of the function, or of nobody', async () => {
    const [own, parent] = ['cnf-0-red', 'cnf-0'].map((name) => acme.port(name)?.status.macAddress ?? '');
    const senders = [
      { macAddress: own ?? '', ip: '10.0.2.77' },
      { macAddress: parent ?? '', ip: addressOf('cnf-0-red') },
      { macAddress: own ?? '', ip: addressOf('cnf-0') },
      { macAddress: own ?? '', ip: addressOf('cnf-0-red') },
    ];
    expect(await site.arriving(podOf('cnf-0-red'), podOf('red-a'), senders)).toBe(1);
  });

  it('has the policies that select the VLAN, and not for the function', async () => {
    await acme.apply({
      kind: 'SecurityPolicy',
      metadata: { name: 'closed' },
      spec: {
        portSelector: { matchLabels: { app: 'cnf-0-red' } },
        ingress: [{ name: 'http', services: [{ protocol: 'TCP', port: OPEN.port }] }],
      },
    });
    const address = addressOf('cnf-0-red');
    await waitUntil('the policy is enforced', async () =>
      (await isAnswered(site, podOf('red-b'), address, CLOSED)) ? 'it is not' : undefined,
    );
    expect(await site.answered(podOf('red-b'), address, OPEN)).toBe('acme-cnf-0');
    expect(await isAnswered(site, podOf('cnf-0-red'), addressOf('red-b'), CLOSED)).toBe(true);
    expect(await isAnswered(site, podOf('blue-b'), addressOf('cnf-0'), CLOSED)).toBe(true);
    await acme.delete('SecurityPolicy', 'closed');
    await waitUntil('the policy is gone', async () =>
      (await isAnswered(site, podOf('red-b'), address, CLOSED)) ? undefined : 'it is not',
    );
  });

  it("refuses to delete the function's port while it has VLANs", async () => {
    await expect(acme.delete('Port', 'cnf-0')).rejects.toMatchObject({ reason: 'IN_USE' });
    await untilAnswered(site, podOf('red-b'), addressOf('cnf-0-red'));
  });

  return {
    get site() {
      return site;
    },
    get acme() {
      return acme;
    },
    podOf,
  };
}
