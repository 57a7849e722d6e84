import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Manifest, TenantClient } from '@outboard/client';
import { findCondition } from '@outboard/model';
import { waitUntil } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import { type ChainSite, type Hop, type SitePod, TCP } from './site.js';
import { isAnswered, untilAnswered, untilSilent } from './waiting.js';

const EXAMPLE = new URL('../../examples/service-chains/acme.yaml', import.meta.url);
const READY_MILLISECONDS = 10_000;
const DATABASE = TCP(5432);

export interface ServiceChainWorld<Of extends ChainSite> {
  readonly site: Of;
  readonly acme: TenantClient;
  readonly chain: Manifest;
  readonly hop: Hop;
  readonly shop: SitePod;
  readonly database: SitePod;
  chainIs(reason: string): Promise<unknown>;
}

/** A shop on dpu-a and its database on dpu-b, with a firewall between the two: examples/service-chains. */
export function serviceChainScenario<Of extends ChainSite>(open: () => Promise<Of>): ServiceChainWorld<Of> {
  let site: Of;
  let acme: TenantClient;
  let hop: Hop;
  let shop: SitePod;
  let database: SitePod;
  const intents = parseAllDocuments(readFileSync(EXAMPLE, 'utf8')).map(
    (document) => document.toJS() as Manifest,
  );
  const chain = intents.find(({ kind }) => kind === 'ServiceChain') as Manifest;

  const chainIs = (reason: string) =>
    acme.state.until(
      `the chain is ${reason}`,
      () => {
        const address = acme.address('ServiceChain', chain.metadata.name);
        const { conditions = [] } = acme.state.get(address)?.status ?? {};
        return findCondition(conditions, 'Ready')?.reason === reason || undefined;
      },
      READY_MILLISECONDS,
    );
  const addressOf = (pod: SitePod): string => pod.addresses[0] ?? '';
  const untilConnected = () =>
    waitUntil('the database accepts the shop', async () =>
      (await isAnswered(site, shop, addressOf(database), DATABASE)) ? undefined : 'it does not',
    );

  beforeAll(async () => {
    site = await open();
    acme = await site.tenant('acme');
    await acme.apply(...intents);
    shop = await site.connect(acme, 'shop-0');
    database = await site.connect(acme, 'database-0');
    hop = await site.hop(acme, 'firewall-in', 'firewall-out');
    await chainIs('AppliedAndReadBack');
  }, 60_000);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  it('lets through what its hop lets through, across DPUs, and nothing else', async () => {
    const ip = addressOf(database);
    await hop.letThrough();
    await untilSilent(site, shop, ip);
    expect(await isAnswered(site, shop, ip, DATABASE)).toBe(false);
    await hop.letThrough('TCP');
    expect(await site.answered(shop, ip, DATABASE)).toBe(database.name);
    expect(await isAnswered(site, shop, ip)).toBe(false);
    await hop.letThrough('TCP', 'ICMP');
    await untilAnswered(site, shop, ip);
  });

  it('lets nothing through while its hop is down, or all where it is to fail open', async () => {
    const ip = addressOf(database);
    await hop.letThrough('ICMP');
    await untilAnswered(site, shop, ip);
    expect(await isAnswered(site, shop, ip, DATABASE)).toBe(false);
    const port = intents.find(({ metadata }) => metadata.name === 'firewall-out') as Manifest;
    await acme.apply({ ...port, spec: { ...port.spec, adminState: 'DOWN' } });
    await chainIs('HopNotConnected');
    await untilSilent(site, shop, ip);
    await acme.apply({ ...chain, spec: { ...chain.spec, failureMode: 'FAIL_OPEN' } });
    await untilAnswered(site, shop, ip);
    await untilConnected();
    await acme.apply(port, chain);
    await chainIs('AppliedAndReadBack');
    await untilAnswered(site, shop, ip);
    await waitUntil('the hop is met again', async () =>
      (await isAnswered(site, shop, ip, DATABASE)) ? 'it is not' : undefined,
    );
  });

  it('is no longer in the way when it is gone, and again when it is back', async () => {
    await acme.delete('ServiceChain', chain.metadata.name);
    await untilConnected();
    await acme.apply(chain);
    await chainIs('AppliedAndReadBack');
    await waitUntil('the hop is met again', async () =>
      (await isAnswered(site, shop, addressOf(database), DATABASE)) ? 'it is not' : undefined,
    );
    await untilAnswered(site, shop, addressOf(database));
  });

  return {
    get site() {
      return site;
    },
    get acme() {
      return acme;
    },
    get hop() {
      return hop;
    },
    get shop() {
      return shop;
    },
    get database() {
      return database;
    },
    chain,
    chainIs,
  };
}
