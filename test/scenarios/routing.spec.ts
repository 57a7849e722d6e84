import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { findCondition, isReady, type Router } from '@outboard/model';
import { AF, NetlinkSocket, route } from '@outboard/netlink';
import { EchoServer, type Pod, ping, tcpEcho, waitReachable, waitUnreachable } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';
import { functionOf } from './manifests.js';

const ECHO_PORT = 7000;
const READY_MILLISECONDS = 10_000;
const EXAMPLE = new URL('../../examples/routing/acme.yaml', import.meta.url);
const SERVER = { ip: '10.254.0.250', port: 7001 };
const NAMES = ['shop-web', 'shop-app', 'shop-db', 'shop-gate'];

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

/** Everything runs for real: nats-server, the services and a worker on each of two DPUs, as processes. */
describe('the networks of a router', () => {
  let stack: LocalStack;
  let acme: Workspace;
  const pods = new Map<string, Pod>();
  const servers: EchoServer[] = [];

  const connect = async (workspace: Workspace, name: string): Promise<Pod> => {
    const pod = await workspace.connectPod(name);
    pods.set(pod.name, pod);
    servers.push(await EchoServer.listen(pod, ECHO_PORT));
    return pod;
  };
  const podOf = (name: string): Pod => {
    const pod = pods.get(name);
    if (!pod) throw new Error(`no pod ${name}`);
    return pod;
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

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'routing' });
    acme = await stack.workspace('acme');
    const globex = await stack.workspace('globex');
    await acme.apply(...read(EXAMPLE));
    await globex.apply(...theirs());
    for (const workspace of [acme, globex]) for (const name of NAMES) await connect(workspace, name);
    await stack.testbed.addFabricAddress('underlay', SERVER.ip, 24);
    servers.push(await EchoServer.listen(stack.testbed.fabric, SERVER.port));
  }, 60_000);

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  it('reach each other over their gateways, on the same DPU and across, over IPv4 and IPv6', async () => {
    for (const name of ['acme-shop-app', 'acme-shop-db']) {
      for (const address of podOf(name).addresses) await waitReachable(podOf('acme-shop-web'), address);
      const [ip = ''] = podOf(name).addresses;
      expect(await tcpEcho(podOf('acme-shop-web'), { ip, port: ECHO_PORT })).toMatchObject({
        server: name,
        client: { ip: '10.1.0.11' },
      });
    }
  });

  it('reach none of another tenant, whatever addresses they have', async () => {
    for (const tenant of ['acme', 'globex']) {
      const outcome = await tcpEcho(podOf(`${tenant}-shop-web`), { ip: '10.2.0.21', port: ECHO_PORT });
      expect(outcome).toMatchObject({ server: `${tenant}-shop-db` });
    }
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
    await waitReachable(podOf('acme-shop-db'), '10.1.0.31');
    await waitReachable(podOf('acme-shop-far'), '10.2.0.11');
    const report = await ping(podOf('globex-shop-app'), '10.1.0.31', { timeoutMilliseconds: 200 });
    expect(report.received).toBe(0);
  });

  it('have a way out, on which both tenants are seen as the DPU that they leave from', async () => {
    await routerIsReady(1);
    const outcomes = await Promise.all(
      ['acme-shop-web', 'globex-shop-web', 'acme-shop-db'].map((name) => tcpEcho(podOf(name), SERVER)),
    );
    const clients = outcomes.map((outcome) => (outcome.kind === 'echoed' ? outcome.client.ip : outcome));
    expect(clients).toEqual(['10.254.0.1', '10.254.0.1', '10.254.0.2']);
  });

  it('have routes over a port that forwards, until these and the way out are taken away', async () => {
    await podOf('acme-shop-gate').addAddress('10.8.0.1');
    await waitReachable(podOf('acme-shop-web'), '10.8.0.1');
    await acme.apply({ kind: 'Router', metadata: { name: 'shop' }, spec: {} });
    await waitUnreachable(podOf('acme-shop-web'), '10.8.0.1');
    await waitUnreachable(podOf('acme-shop-web'), SERVER.ip);
    await waitReachable(podOf('globex-shop-web'), SERVER.ip);
    await routerIsReady(2);
  });

  it('have what a tenant places there itself, repaired when it is lost, until something else takes its place', async () => {
    const placed = read(PLACED);
    await acme.apply(...placed);
    await Promise.all(placed.map(({ metadata: { name } }) => placedIs(name, 'AppliedAndReadBack')));
    await waitReachable(podOf('acme-shop-web'), '10.9.0.1');
    await podOf('acme-shop-gate').addAddress('10.8.128.1');
    await waitReachable(podOf('acme-shop-web'), '10.8.128.1');
    const { machine } = stack.testbed.dpu('dpu-a');
    const router = (await machine.namespaces()).find((each) => each.includes('acme-shop')) ?? '';
    const namespace = await machine.openNamespace(router);
    const socket = NetlinkSocket.open({ namespace });
    const where = { rtmFamily: AF.INET, rtmDstLen: 17, rtmTable: 254, dst: '10.8.128.0' };
    await socket.batch([route.remove(where)]);
    socket.close();
    namespace.close();
    await waitReachable(podOf('acme-shop-web'), '10.8.128.1');
    const routes = [{ destination: '10.8.128.0/17', nextHops: [{ address: '10.2.0.41' }] }];
    await acme.apply({ kind: 'Router', metadata: { name: 'shop' }, spec: { routes } });
    await placedIs('to-partner', 'Conflict');
    await waitReachable(podOf('acme-shop-web'), '10.8.128.1');
    await acme.apply({ kind: 'Router', metadata: { name: 'shop' }, spec: {} });
    await placedIs('to-partner', 'AppliedAndReadBack');
    await waitReachable(podOf('acme-shop-web'), '10.8.128.1');
    for (const { metadata } of placed) await acme.delete('NetlinkObject', metadata.name);
    await waitUnreachable(podOf('acme-shop-web'), '10.8.128.1');
    await waitUnreachable(podOf('acme-shop-web'), '10.9.0.1');
  });
});
