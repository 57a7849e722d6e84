import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Manifest, TenantClient } from '@outboard/client';
import { parseAllDocuments } from 'yaml';
import { functionOf } from './manifests.js';
import type { Site, SitePod } from './site.js';
import { untilAnswered } from './waiting.js';

const EXAMPLE = new URL('../../examples/addresses/acme.yaml', import.meta.url);

export interface AddressesWorld<Of extends Site> {
  readonly site: Of;
  readonly acme: TenantClient;
  readonly app: SitePod;
}

/** How ports get their addresses: examples/addresses. */
export function addressesScenario<Of extends Site>(open: () => Promise<Of>): AddressesWorld<Of> {
  let site: Of;
  let acme: TenantClient;
  let app: SitePod;

  const addressesOf = (name: string): string[] => acme.port(name)?.status.addresses.map(({ ip }) => ip) ?? [];
  const port = (name: string, vfNumber: number): Manifest => ({
    kind: 'Port',
    metadata: { name },
    spec: { network: 'lab', function: functionOf('dpu-b', vfNumber), addresses: [{ subnet: 'lab-v4' }] },
  });

  beforeAll(async () => {
    site = await open();
    acme = await site.tenant('acme');
    const manifests = parseAllDocuments(readFileSync(EXAMPLE, 'utf8')).map((each) => each.toJS() as Manifest);
    await acme.apply(
      ...manifests.map(({ kind, metadata: { name }, spec }) => ({ kind, metadata: { name }, spec })),
    );
  }, 60_000);
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  it('are the reserved one, the first of the ranges that is not excluded, and those made of MAC addresses', async () => {
    for (const name of ['lab-db', 'lab-app']) await acme.ready(name);
    const made = expect.stringMatching(/^fd00:4::/);
    expect([addressesOf('lab-db'), addressesOf('lab-app')]).toEqual([
      ['10.4.0.10', made],
      ['10.4.0.110', made],
    ]);
  });

  it('are reached, as the status says', async () => {
    const db = await site.connect(acme, 'lab-db');
    app = await site.connect(acme, 'lab-app');
    for (const ip of addressesOf('lab-db')) await untilAnswered(site, app, ip);
    for (const ip of addressesOf('lab-app')) await untilAnswered(site, db, ip);
  });

  it('come back with the name of the port, though another has come meanwhile', async () => {
    await acme.apply(port('lab-job', 13));
    await acme.ready('lab-job');
    expect(addressesOf('lab-job')).toEqual(['10.4.0.111']);
    await acme.delete('Port', 'lab-job');
    await acme.apply(port('lab-other', 12));
    await acme.ready('lab-other');
    await acme.apply(port('lab-job', 13));
    await acme.ready('lab-job');
    expect([addressesOf('lab-other'), addressesOf('lab-job')]).toEqual([['10.4.0.112'], ['10.4.0.111']]);
  });

  it('that are refused, are so with every field and rule', async () => {
    const asked = port('lab-thief', 11);
    const refused = await acme.submit({
      ...asked,
      spec: {
        ...asked.spec,
        addresses: [{ subnet: 'lab-v4', ip: '10.4.0.11' }],
        macAddress: acme.port('lab-db')?.status.macAddress,
      },
    });
    expect(refused.ok ? [] : refused.error.violations).toEqual([
      {
        field: 'spec.addresses[0].ip',
        description: '10.4.0.11 is reserved as printer in subnet acme/lab-v4',
      },
      { field: 'spec.macAddress', description: expect.stringContaining('is held by port acme/lab-db') },
    ]);
  });

  return {
    get site() {
      return site;
    },
    get acme() {
      return acme;
    },
    get app() {
      return app;
    },
  };
}
