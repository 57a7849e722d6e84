import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Manifest, TenantClient } from '@outboard/client';
import { waitUntil } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import { Pods } from './pods.js';
import { PING, type Site, type SitePod, TCP } from './site.js';

const PORTS = ['web-0', 'client-0', 'db-0', 'probe-0'];

/** `client-0 -> web-0 tcp 8080`, by IPv4 and by IPv6. */
export type Flow = `${string} -> ${string} ${'tcp' | 'ping'} ${number}`;

const ALLOWED: readonly Flow[] = [
  'client-0 -> web-0 tcp 8080',
  'web-0 -> db-0 tcp 5432',
  'web-0 -> db-0 tcp 5433',
  'web-0 -> client-0 tcp 80',
  'client-0 -> probe-0 tcp 80',
  'probe-0 -> web-0 ping 0',
  'probe-0 -> db-0 ping 0',
];
const DENIED: readonly Flow[] = [
  'client-0 -> web-0 tcp 80',
  'client-0 -> web-0 ping 0',
  'client-0 -> db-0 tcp 5432',
  'web-0 -> db-0 tcp 80',
  'probe-0 -> web-0 tcp 8080',
  'db-0 -> client-0 tcp 80',
  'db-0 -> web-0 ping 0',
];

export interface PoliciesWorld<Of extends Site> {
  readonly site: Of;
  readonly acme: TenantClient;
  podOf(name: string): SitePod;
  /** Waits until exactly these pass; what is denied must have been so all the time that is looked at. */
  untilPassing(flows: readonly Flow[], expected: readonly Flow[]): Promise<void>;
}

/** The intents of examples/policies, enforced on two DPUs. `between`: what is shown before policies go, on one sort of site. */
export function policiesScenario<Of extends Site>(
  open: () => Promise<Of>,
  between: (world: PoliciesWorld<Of>) => void = () => {},
): PoliciesWorld<Of> {
  let site: Of;
  let acme: TenantClient;
  const pods = new Pods();
  const { of: podOf } = pods;
  const example = parseAllDocuments(
    readFileSync(new URL('../../examples/policies/acme.yaml', import.meta.url), 'utf8'),
  ).map((document) => document.toJS() as Manifest);
  const manifestOf = (kind: string, name: string): Manifest => {
    const found = example.find((each) => each.kind === kind && each.metadata.name === name);
    if (found === undefined) throw new Error(`the example has no ${kind} ${name}`);
    return found;
  };

  const passes = async (flow: Flow, version: 0 | 1): Promise<boolean> => {
    const [from = '', , to = '', what, port] = flow.split(' ');
    const ip = podOf(to).addresses[version] ?? '';
    const attempt = what === 'ping' ? PING : TCP(Number(port));
    return (await site.answered(podOf(from), ip, attempt)) !== undefined;
  };
  /** Those of the flows that pass, by both IP versions or by one (which is told). */
  const passing = async (flows: readonly Flow[]): Promise<string[]> => {
    const found = await Promise.all(
      flows.map(async (flow) => {
        const [v4, v6] = await Promise.all([passes(flow, 0), passes(flow, 1)]);
        return v4 && v6 ? flow : v4 || v6 ? `${flow}, only by one IP version` : '';
      }),
    );
    return found.filter((flow) => flow !== '');
  };
  const untilPassing = (flows: readonly Flow[], expected: readonly Flow[]): Promise<void> =>
    waitUntil('the flows that are allowed pass, and no others', async () => {
      const found = await passing(flows);
      return found.join() === expected.join() ? undefined : found.join('; ');
    });

  beforeAll(async () => {
    site = await open();
    acme = await site.tenant('acme');
    await acme.apply(...example);
    for (const name of PORTS) pods.set(name, await site.connect(acme, name));
  }, 60_000);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  it('let through what they allow and nothing else, on one DPU and across, by IPv4 and IPv6', async () => {
    await untilPassing([...ALLOWED, ...DENIED], ALLOWED);
  });

  it('follow a change of labels', async () => {
    const client = manifestOf('Port', 'client-0');
    await acme.apply({ ...client, metadata: { ...client.metadata, labels: { app: 'guest' } } });
    await untilPassing(['client-0 -> web-0 tcp 8080', 'web-0 -> db-0 tcp 5432'], ['web-0 -> db-0 tcp 5432']);
    await acme.apply(client);
    await untilPassing(['client-0 -> web-0 tcp 8080'], ['client-0 -> web-0 tcp 8080']);
  });

  it('follow a change of an address set, and of their own rules', async () => {
    const flow: Flow = 'probe-0 -> web-0 ping 0';
    await acme.apply({ ...manifestOf('AddressSet', 'monitoring'), spec: { addresses: ['192.0.2.1'] } });
    await untilPassing([flow], []);
    await acme.apply(manifestOf('AddressSet', 'monitoring'));
    await untilPassing([flow], [flow]);

    const web = manifestOf('SecurityPolicy', 'web');
    await acme.apply({
      ...web,
      spec: { ...web.spec, ingress: [{ services: [{ protocol: 'TCP', port: 80 }] }] },
    });
    const flows: Flow[] = [
      'client-0 -> web-0 tcp 8080',
      'client-0 -> web-0 tcp 80',
      'probe-0 -> web-0 tcp 80',
    ];
    await untilPassing(flows, flows.slice(1));
    await acme.apply(web);
    await untilPassing(flows, flows.slice(0, 1));
  });

  it('cannot be deleted while a port names them, nor address sets while they name these', async () => {
    await expect(acme.delete('SecurityPolicy', 'database')).rejects.toMatchObject({ reason: 'IN_USE' });
    await expect(acme.delete('AddressSet', 'monitoring')).rejects.toMatchObject({ reason: 'IN_USE' });
  });

  const world: PoliciesWorld<Of> = {
    get site() {
      return site;
    },
    get acme() {
      return acme;
    },
    podOf,
    untilPassing,
  };
  between(world);

  it('leave a port open when they are gone', async () => {
    await acme.delete('SecurityPolicy', 'web');
    await untilPassing(
      ['client-0 -> web-0 tcp 80', 'client-0 -> db-0 tcp 5432'],
      ['client-0 -> web-0 tcp 80'],
    );
  });

  return world;
}
