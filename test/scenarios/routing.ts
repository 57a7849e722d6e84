import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Manifest, TenantClient } from '@outboard/client';
import { findCondition, isReady, type Router } from '@outboard/model';
import { parseAllDocuments } from 'yaml';
import { functionOf } from './manifests.js';
import { Pods } from './pods.js';
import { IPV6_UNDERLAY, type Machine, type SitePod, TCP, type WayOutSite } from './site.js';
import { isAnswered, untilAnswered, untilSilent } from './waiting.js';

const READY_MILLISECONDS = 10_000;
const EXAMPLE = new URL('../../examples/routing/acme.yaml', import.meta.url);
const NAMES = ['shop-web', 'shop-app', 'shop-db', 'shop-gate'];

/** Beyond the way out. */
const MACHINE = '10.254.0.250';
const IPV6_MACHINE = `${IPV6_UNDERLAY}::250`;
const PLACED = new URL('../../examples/layer1/shop.yaml', import.meta.url);

const read = (example: URL): Manifest[] =>
  parseAllDocuments(readFileSync(example, 'utf8')).map((document) => {
    const { kind, metadata, spec } = document.toJS() as Manifest;
    return { kind, metadata: { name: metadata.name }, spec };
  });

/** The example for another tenant: the same addresses, other functions, and a third host in `back`. */
const theirs = (): Manifest[] =>
  read(EXAMPLE).map(({ kind, metadata, spec }) => {
    const vfNumber = (spec.function as { vfNumber?: number } | undefined)?.vfNumber;
    if (vfNumber === undefined) return { kind, metadata, spec };
    const dpu = metadata.name === 'shop-web' || metadata.name === 'shop-app' ? 'dpu-a' : 'dpu-b';
    return { kind, metadata, spec: { ...spec, function: functionOf(dpu, vfNumber + 2) } };
  });

export interface RoutingWorld<Of extends WayOutSite> {
  readonly site: Of;
  podOf(name: string): SitePod;
  routerIsReady(generation: number): Promise<unknown>;
}

/** What only one sort of site can show, at its place among the rest. */
export interface RoutingBetween<Of extends WayOutSite> {
  /** While a route that a tenant has placed is there. */
  readonly placed?: (world: RoutingWorld<Of>) => Promise<void>;
}

/** The networks of a router of each of two tenants, who have the same addresses: examples/routing and examples/layer1. */
export function routingScenario<Of extends WayOutSite>(
  open: () => Promise<Of>,
  between: RoutingBetween<Of> = {},
): void {
  let site: Of;
  let acme: TenantClient;
  let globex: TenantClient;
  let machine: Machine;
  const pods = new Pods();
  const { of: podOf } = pods;

  const connect = async (tenant: TenantClient, name: string): Promise<void> => {
    const pod = await site.connect(tenant, name);
    pods.set(pod.name, pod);
  };
  const router = (): Router | undefined => {
    const resource = acme.state.get(acme.address('Router', 'shop'));
    return resource?.kind === 'Router' ? resource : undefined;
  };
  const routerIsReady = (generation: number) =>
    acme.state.until(
      'the router is ready',
      () => {
        const { metadata, status } = router() ?? {};
        return (metadata?.generation === generation && isReady(status?.conditions ?? [])) || undefined;
      },
      READY_MILLISECONDS,
    );
  const placedIs = (name: string, reason: string) =>
    acme.state.until(
      `${name} is ${reason}`,
      () => {
        const { conditions = [] } = acme.state.get(acme.address('NetlinkObject', name))?.status ?? {};
        return findCondition(conditions, 'Ready')?.reason === reason || undefined;
      },
      READY_MILLISECONDS,
    );
  const world: RoutingWorld<Of> = {
    get site() {
      return site;
    },
    podOf,
    routerIsReady,
  };

  beforeAll(async () => {
    site = await open();
    acme = await site.tenant('acme');
    globex = await site.tenant('globex');
    await acme.apply(...read(EXAMPLE));
    await globex.apply(...theirs());
    for (const tenant of [acme, globex]) for (const name of NAMES) await connect(tenant, name);
  }, 60_000);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  it('reach each other over their gateways, on the same DPU and across, over IPv4 and IPv6', async () => {
    for (const name of ['acme-shop-app', 'acme-shop-db']) {
      for (const address of podOf(name).addresses) await untilAnswered(site, podOf('acme-shop-web'), address);
      const [ip = ''] = podOf(name).addresses;
      expect(await site.answered(podOf('acme-shop-web'), ip, TCP(7000))).toBe(name);
    }
  });

  it('reach none of another tenant, whatever addresses they have', async () => {
    for (const tenant of ['acme', 'globex'])
      expect(await site.answered(podOf(`${tenant}-shop-web`), '10.2.0.21', TCP(7000))).toBe(
        `${tenant}-shop-db`,
      );
    await acme.apply({
      kind: 'Port',
      metadata: { name: 'shop-far' },
      spec: {
        network: 'front',
        function: functionOf('dpu-b', 12),
        addresses: [{ subnet: 'front-v4', ip: '10.1.0.31' }],
      },
    });
    await connect(acme, 'shop-far');
    // On a DPU that had no port of its network, and for one on another.
    await untilAnswered(site, podOf('acme-shop-db'), '10.1.0.31');
    await untilAnswered(site, podOf('acme-shop-far'), '10.2.0.11');
    expect(await isAnswered(site, podOf('globex-shop-app'), '10.1.0.31')).toBe(false);
  });

  it('have a way out, on which both tenants are seen as the DPU that they leave from', async () => {
    await routerIsReady(1);
    machine = await site.machine(MACHINE);
    const pods = ['acme-shop-web', 'globex-shop-web', 'acme-shop-db'].map(podOf);
    expect(await Promise.all(pods.map((pod) => machine.seen(pod)))).toEqual([
      '10.254.0.1',
      '10.254.0.1',
      '10.254.0.2',
    ]);
  });

  it('let out IPv6 where that is asked for, and nowhere else', async () => {
    const ipv6Machine = await site.machine(IPV6_MACHINE);
    const [{ metadata, spec } = { metadata: { name: '' }, spec: {} }] = theirs().filter(
      ({ kind }) => kind === 'Router',
    );
    const externalGateway = { sourceNat: 'DPU_ADDRESS', ipFamilies: ['IPV4', 'IPV6'] };
    await globex.apply({ kind: 'Router', metadata, spec: { ...spec, externalGateway } });
    for (const [name, dpu] of [
      ['globex-shop-web', 1],
      ['globex-shop-db', 2],
    ] as const) {
      await untilAnswered(site, podOf(name), IPV6_MACHINE);
      expect(await ipv6Machine.seen(podOf(name))).toBe(`${IPV6_UNDERLAY}::${dpu}`);
      expect(await machine.seen(podOf(name))).toBe(`10.254.0.${dpu}`);
    }
    expect(await isAnswered(site, podOf('acme-shop-web'), IPV6_MACHINE)).toBe(false);
  });

  it('have routes over a port that forwards, until these and the way out are taken away', async () => {
    await routerIsReady(1);
    await site.addAddress(podOf('acme-shop-gate'), '10.8.0.1');
    await untilAnswered(site, podOf('acme-shop-web'), '10.8.0.1');
    await acme.apply({ kind: 'Router', metadata: { name: 'shop' }, spec: {} });
    await untilSilent(site, podOf('acme-shop-web'), '10.8.0.1');
    await untilSilent(site, podOf('acme-shop-web'), MACHINE);
    await untilAnswered(site, podOf('globex-shop-web'), MACHINE);
    await routerIsReady(2);
  });

  it('have what a tenant places there itself, until something else takes its place', async () => {
    const placed = read(PLACED);
    await acme.apply(...placed);
    await Promise.all(placed.map(({ metadata: { name } }) => placedIs(name, 'AppliedAndReadBack')));
    await untilAnswered(site, podOf('acme-shop-web'), '10.9.0.1');
    await site.addAddress(podOf('acme-shop-gate'), '10.8.128.1');
    await untilAnswered(site, podOf('acme-shop-web'), '10.8.128.1');
    await between.placed?.(world);
    await untilAnswered(site, podOf('acme-shop-web'), '10.8.128.1');
    const routes = [{ destination: '10.8.128.0/17', nextHops: [{ address: '10.2.0.41' }] }];
    await acme.apply({ kind: 'Router', metadata: { name: 'shop' }, spec: { routes } });
    await placedIs('to-partner', 'Conflict');
    await untilAnswered(site, podOf('acme-shop-web'), '10.8.128.1');
    await acme.apply({ kind: 'Router', metadata: { name: 'shop' }, spec: {} });
    await placedIs('to-partner', 'AppliedAndReadBack');
    await untilAnswered(site, podOf('acme-shop-web'), '10.8.128.1');
    for (const { metadata } of placed) await acme.delete('NetlinkObject', metadata.name);
    await untilSilent(site, podOf('acme-shop-web'), '10.8.128.1');
    await untilSilent(site, podOf('acme-shop-web'), '10.9.0.1');
  });
}
