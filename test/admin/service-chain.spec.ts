import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ListHopCountersResponse, subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { findCondition, isReady, type Port } from '@outboard/model';
import {
  EchoServer,
  type Pod,
  tcpEcho,
  UdpFlow,
  waitReachable,
  waitUnreachable,
  waitUntil,
} from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import { CnfInPod } from './cnf-in-pod.js';

const EXAMPLE = new URL('../../examples/service-chains/acme.yaml', import.meta.url);
const PORT = 5432;
const READY_MILLISECONDS = 10_000;
const FAILS = { timeoutMilliseconds: 200 };

const rule = (name: string, protocol: string, ports: readonly number[] = []) => ({
  name,
  direction: 'OUTBOUND',
  protocol,
  action: 'ACCEPT',
  ...(ports.length > 0 && { destinationPorts: ports.map((port) => ({ minimum: port, maximum: port })) }),
});

/** Everything runs for real: the intents of examples/service-chains, two DPUs, and the firewall of examples/cnfs as the hop. */
describe('a service chain over a firewall', () => {
  let stack: LocalStack;
  let acme: Workspace;
  let firewall: CnfInPod;
  let shop: Pod;
  let database: Pod;
  let server: EchoServer;
  const intents = parseAllDocuments(readFileSync(EXAMPLE, 'utf8')).map(
    (document) => document.toJS() as Manifest,
  );
  const chain = intents.find(({ kind }) => kind === 'ServiceChain') as Manifest;

  const configure = (...rules: readonly object[]) =>
    firewall.ask('PUT', '/interfaces/firewall/configuration', {
      rules,
      defaultAction: { outbound: 'DROP', inbound: 'DROP' },
    });
  const chainIs = (reason: string) =>
    acme.state.until(
      `the chain is ${reason}`,
      () => {
        const { conditions = [] } =
          acme.state.get(acme.address('ServiceChain', chain.metadata.name))?.status ?? {};
        return findCondition(conditions, 'Ready')?.reason === reason || undefined;
      },
      READY_MILLISECONDS,
    );
  const addressOf = (name: string): string => {
    const port = acme.state.get(acme.address('Port', name)) as Port | undefined;
    return port?.status.addresses[0]?.ip ?? '';
  };
  const counts = async () => {
    const subject = subjects.rpc('acme', 'network', 'servicechain', 'counters');
    const body = Buffer.from(JSON.stringify({ name: chain.metadata.name }));
    const reply = unwrap(
      await acme.bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 5_000 }),
    );
    const { items } = JSON.parse(Buffer.from(reply.body).toString()) as ListHopCountersResponse;
    return items.flatMap(({ hops = [] }) =>
      hops.map(({ direction, packets }) => [direction, Number(packets ?? 0)]),
    );
  };

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'chain', tenants: ['acme'] });
    acme = await stack.workspace('acme');
    await acme.apply(...intents);
    shop = await acme.connectPod('shop-0');
    database = await acme.connectPod('database-0');
    server = await EchoServer.listen(database, PORT);
    const { testbed } = stack;
    const wall = await testbed.createPod({ name: 'firewall', host: 'host-dpu-a' });
    await acme.attachPod(wall, await acme.ready('firewall-in'), 'ingress');
    await acme.attachPod(wall, await acme.ready('firewall-out'), 'egress');
    const directory = join(testbed.directory, 'firewall');
    mkdirSync(directory);
    firewall = await CnfInPod.start(testbed, wall, 'firewall', directory);
    await chainIs('AppliedAndReadBack');
  });

  afterAll(async () => {
    server?.[Symbol.dispose]();
    await stack?.[Symbol.asyncDispose]();
  });

  it('lets through what the firewall lets through, across DPUs, and counts it', async () => {
    const ip = addressOf('database-0');
    await waitUnreachable(shop, ip, FAILS);
    await configure(rule('database', 'TCP', [PORT]));
    expect(await tcpEcho(shop, { ip, port: PORT })).toMatchObject({ kind: 'echoed' });
    await waitUnreachable(shop, ip, FAILS);
    await configure(rule('database', 'TCP', [PORT]), rule('ping', 'ICMP'));
    await waitReachable(shop, ip);
    for (const [, packets] of await counts()) expect(packets).toBeGreaterThan(3);
  });

  it('lets nothing through while the hop is down, and loses nothing when the chain changes', async () => {
    await configure(rule('all', 'UDP'), rule('ping', 'ICMP'));
    const ip = addressOf('database-0');
    await waitReachable(shop, ip);
    const flow = UdpFlow.start({ from: shop, to: database, ip });
    await flow.progress(200);
    // Out of the chain, and into it again: the flow goes on by both ways.
    await acme.delete('ServiceChain', chain.metadata.name);
    await flow.progress(200);
    await acme.apply(chain);
    await chainIs('AppliedAndReadBack');
    await flow.progress(200);
    const { lost, receiverDrops } = await flow.stop();
    expect({ lost, receiverDrops }).toEqual({ lost: 0, receiverDrops: 0 });

    const port = intents.find(({ metadata }) => metadata.name === 'firewall-out') as Manifest;
    await acme.apply({ ...port, spec: { ...port.spec, adminState: 'DOWN' } });
    await chainIs('HopNotConnected');
    await waitUnreachable(shop, ip, FAILS);
    await acme.apply({ ...chain, spec: { ...chain.spec, failureMode: 'FAIL_OPEN' } });
    await waitReachable(shop, ip);
    await acme.apply(port, chain);
    await chainIs('AppliedAndReadBack');
    await waitUntil('packets meet the firewall again', async () => {
      await waitReachable(shop, ip);
      return (await counts()).every(([, packets]) => Number(packets) > 0) ? undefined : 'no packet does';
    });
    expect(isReady(acme.state.get(acme.address('Port', 'shop-0'))?.status.conditions ?? [])).toBe(true);
  });
});
