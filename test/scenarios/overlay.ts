import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { TenantClient } from '@outboard/client';
import { BLUE, port } from './manifests.js';
import { Pods } from './pods.js';
import { PING, type Site, type SitePod, TCP } from './site.js';
import { isAnswered, untilAllAnswer, untilAnswered, untilSilent } from './waiting.js';

/** What a scenario has set up, for what only one sort of site can show. */
export interface OverlayWorld<Of extends Site> {
  readonly site: Of;
  readonly acme: TenantClient;
  podOf(name: string): SitePod;
}

/** Two tenants with the same addresses, each with two pods on dpu-a and one on dpu-b. */
export function overlayScenario<Of extends Site>(open: () => Promise<Of>): OverlayWorld<Of> {
  let site: Of;
  let acme: TenantClient;
  let globex: TenantClient;
  const pods = new Pods();
  const { of: podOf } = pods;

  beforeAll(async () => {
    site = await open();
    acme = await site.tenant('acme');
    globex = await site.tenant('globex');
    for (const [index, tenant] of [acme, globex].entries()) {
      const at = (ip: string) => ({ addresses: [{ subnet: 'blue-v4', ip }, { subnet: 'blue-v6' }] });
      await tenant.apply(
        ...BLUE,
        port('web-0', 'dpu-a', 4 * index, at('10.0.1.11')),
        port('web-1', 'dpu-a', 4 * index + 1, at('10.0.1.12')),
        port('db-0', 'dpu-b', 4 * index, at('10.0.1.21')),
      );
      for (const name of ['web-0', 'web-1', 'db-0']) {
        const pod = await site.connect(tenant, name);
        pods.set(pod.name, pod);
      }
    }
  }, 60_000);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  const podsOf = (tenant: string): SitePod[] =>
    [...pods.values()].filter(({ name }) => name.startsWith(tenant));
  const macOf = (name: string): string => acme.port(name)?.status.macAddress ?? '';

  it('carries IPv4 and IPv6 between all pods of a network, on the same DPU and across', async () => {
    for (const tenant of ['acme', 'globex']) {
      for (const pod of podsOf(tenant)) expect(pod.addresses).toHaveLength(2);
      await untilAllAnswer(site, podsOf(tenant), PING);
      await untilAllAnswer(site, podsOf(tenant), TCP(7000));
    }
  });

  it('keeps tenants with the same addresses apart: an address is answered by the pod of the own tenant', async () => {
    for (const tenant of ['acme', 'globex']) {
      for (const [to, ip] of [
        ['web-1', '10.0.1.12'],
        ['db-0', '10.0.1.21'],
      ] as const)
        expect(await site.answered(podOf(`${tenant}-web-0`), ip, TCP(7000))).toBe(`${tenant}-${to}`);
    }
  });

  it('reaches no address that only the other tenant has', async () => {
    await globex.apply(
      port('only-globex', 'dpu-b', 6, { addresses: [{ subnet: 'blue-v4', ip: '10.0.1.99' }] }),
    );
    await site.connect(globex, 'only-globex');
    await untilAnswered(site, podOf('globex-web-0'), '10.0.1.99');
    expect(await isAnswered(site, podOf('acme-web-0'), '10.0.1.99')).toBe(false);
  });

  it('drops what a pod sends under an address that is not its own', async () => {
    const own = macOf('web-0');
    const senders = [
      { macAddress: own, ip: '10.0.1.77' },
      { macAddress: '02:00:00:00:00:99', ip: '10.0.1.11' },
      { macAddress: own, ip: '10.0.1.11' },
    ];
    expect(await site.arriving(podOf('acme-web-0'), podOf('acme-web-1'), senders)).toBe(1);
  });

  it('lets a pod use an allowed address pair', async () => {
    await acme.apply(
      port('router-0', 'dpu-a', 10, {
        addresses: [{ subnet: 'blue-v4', ip: '10.0.1.31' }],
        allowedAddressPairs: [{ ip: '192.0.2.0/24' }],
      }),
    );
    const pod = await site.connect(acme, 'router-0');
    const sender = { macAddress: macOf('router-0'), ip: '192.0.2.7' };
    expect(await site.arriving(pod, podOf('acme-web-1'), [sender])).toBe(1);
  });

  it('moves a port to another DPU: its address stays, and is reached there', async () => {
    const addresses = [{ subnet: 'blue-v4', ip: '10.0.1.41' }];
    await acme.apply(port('mover', 'dpu-a', 11, { addresses }));
    const before = await site.connect(acme, 'mover');
    await untilAnswered(site, podOf('acme-web-0'), '10.0.1.41');
    await site.detach(before);

    await acme.apply(port('mover', 'dpu-b', 11, { addresses }));
    const moved = await acme.ready('mover', 2);
    expect(moved.status).toMatchObject({ dpu: 'dpu-b', addresses: [{ ip: '10.0.1.41' }] });
    await site.connect(acme, 'mover', { name: 'acme-mover-b', generation: 2 });
    await untilAnswered(site, podOf('acme-web-0'), '10.0.1.41');
    await untilAnswered(site, podOf('acme-db-0'), '10.0.1.41');
  });

  it('refuses to delete what is in use, and deletes and recreates what is not', async () => {
    await expect(acme.delete('Network', 'blue')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'IN_USE',
    });
    const green = [
      { kind: 'Network', metadata: { name: 'green' }, spec: {} },
      { kind: 'Subnet', metadata: { name: 'green-v4' }, spec: { network: 'green', cidr: '10.0.2.0/24' } },
      port('green-0', 'dpu-a', 12, { network: 'green' }),
      port('green-1', 'dpu-b', 12, { network: 'green' }),
    ] as const;
    await acme.apply(...green);
    const first = await site.connect(acme, 'green-0');
    const second = await site.connect(acme, 'green-1');
    await untilAllAnswer(site, [first, second], PING);

    for (const name of ['green-0', 'green-1']) await acme.delete('Port', name);
    await acme.delete('Subnet', 'green-v4');
    await acme.delete('Network', 'green');
    await untilSilent(site, first, second.addresses[0] ?? '');

    await acme.apply(...green);
    await site.detach(first);
    await site.detach(second);
    await site.attach(first, await acme.ready('green-0'));
    await site.attach(second, await acme.ready('green-1'));
    await untilAllAnswer(site, [first, second], PING);
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
