import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import type { Subnet } from '@outboard/model';
import { runDhcpClient, waitReachable } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import { functionOf } from './manifests.js';

const EXAMPLE = new URL('../../examples/addresses/acme.yaml', import.meta.url);

/** Everything runs for real: nats-server, the services and a worker on each of two DPUs, as processes. */
describe('addresses', () => {
  let stack: LocalStack;
  let acme: Workspace;

  const addressesOf = (name: string): string[] => acme.port(name)?.status.addresses.map(({ ip }) => ip) ?? [];
  const subnet = (): Subnet | undefined => {
    const resource = acme.state.get(acme.address('Subnet', 'lab-v4'));
    return resource?.kind === 'Subnet' ? resource : undefined;
  };
  const port = (name: string, vfNumber: number): Manifest => ({
    kind: 'Port',
    metadata: { name },
    spec: { network: 'lab', function: functionOf('dpu-b', vfNumber), addresses: [{ subnet: 'lab-v4' }] },
  });

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'addresses' });
    acme = await stack.workspace('acme');
    const manifests = parseAllDocuments(readFileSync(EXAMPLE, 'utf8')).map((each) => each.toJS() as Manifest);
    await acme.apply(
      ...manifests.map(({ kind, metadata: { name }, spec }) => ({ kind, metadata: { name }, spec })),
    );
  }, 60_000);
  afterAll(() => stack?.[Symbol.asyncDispose](), 30_000);

  it('are the reserved one, the first of the ranges that is not excluded, and those made of MAC addresses', async () => {
    for (const name of ['lab-db', 'lab-app']) await acme.ready(name);
    const made = expect.stringMatching(/^fd00:4::/);
    expect([addressesOf('lab-db'), addressesOf('lab-app')]).toEqual([
      ['10.4.0.10', made],
      ['10.4.0.110', made],
    ]);
  });

  it('are told to hosts by DHCP, as the status says, and reached', async () => {
    const db = await acme.connectPod('lab-db');
    const app = await acme.connectPod('lab-app');
    const told = await runDhcpClient(app, 4);
    expect(Object.fromEntries(told)).toMatchObject({
      ip_address: '10.4.0.110',
      routers: subnet()?.status.gateway,
      domain_name_servers: '10.4.0.10',
      domain_name: 'lab.example.org',
      host_name: 'lab-app',
      interface_mtu: `${acme.port('lab-app')?.status.mtu}`,
    });
    for (const ip of addressesOf('lab-db')) await waitReachable(app, ip);
    await waitReachable(db, '10.4.0.110');
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
});
