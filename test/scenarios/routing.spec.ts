import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import { isReady, type Router } from '@outboard/model';
import { EchoServer, type Pod, ping, tcpEcho, waitReachable, waitUnreachable } from '@outboard/testbed';
import { BLUE, port } from './manifests.js';

const ECHO_PORT = 7000;
const READY_MILLISECONDS = 10_000;

/** A second network beside `blue`, with addresses that both tenants use. */
const RED = [
  { kind: 'Network', metadata: { name: 'red' }, spec: {} },
  { kind: 'Subnet', metadata: { name: 'red-v4' }, spec: { network: 'red', cidr: '10.0.2.0/24' } },
  { kind: 'Subnet', metadata: { name: 'red-v6' }, spec: { network: 'red', cidr: 'fd00:0:2::/64' } },
] as const;

const inBlue = (ip: string) => ({ addresses: [{ subnet: 'blue-v4', ip }, { subnet: 'blue-v6' }] });
const inRed = (ip: string) => ({
  network: 'red',
  addresses: [{ subnet: 'red-v4', ip }, { subnet: 'red-v6' }],
});

/** Everything runs for real: nats-server, the services and a worker on each of two DPUs, as processes. */
describe('the networks of a tenant', () => {
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
    const resource = acme.state.get(acme.address('Router', 'default'));
    return resource?.kind === 'Router' ? resource : undefined;
  };

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'routing' });
    acme = await stack.workspace('acme');
    const globex = await stack.workspace('globex');
    for (const [index, workspace] of [acme, globex].entries()) {
      await workspace.apply(
        ...BLUE,
        ...RED,
        port('web', 'dpu-a', 4 * index, inBlue('10.0.1.11')),
        port('app', 'dpu-a', 4 * index + 1, inRed(`10.0.2.${11 + index}`)),
        port('db', 'dpu-b', 4 * index, inRed('10.0.2.21')),
      );
      for (const name of ['web', 'app', 'db']) await connect(workspace, name);
    }
  }, 60_000);

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  it('reach each other over their gateways, on the same DPU and across, over IPv4 and IPv6', async () => {
    for (const name of ['acme-app', 'acme-db']) {
      for (const address of podOf(name).addresses) await waitReachable(podOf('acme-web'), address);
      const [ip = ''] = podOf(name).addresses;
      expect(await tcpEcho(podOf('acme-web'), { ip, port: ECHO_PORT })).toMatchObject({
        server: name,
        client: { ip: '10.0.1.11' },
      });
    }
  });

  it('reach no network of another tenant, whatever addresses it has', async () => {
    const outcome = await tcpEcho(podOf('globex-web'), { ip: '10.0.2.21', port: ECHO_PORT });
    expect(outcome).toMatchObject({ server: 'globex-db' });
    const report = await ping(podOf('globex-web'), '10.0.2.11', { timeoutMilliseconds: 200 });
    expect(report.received).toBe(0);
  });

  it('reach a DPU that had none of them with its first port, and a port that moves there', async () => {
    await acme.apply(port('far', 'dpu-b', 1, inBlue('10.0.1.31')));
    const far = await connect(acme, 'far');
    await waitReachable(far, '10.0.2.11');
    await waitReachable(podOf('acme-db'), '10.0.1.31');
  });

  it('have routes over a port that forwards, until they are taken away', async () => {
    await acme.apply(
      port('gate', 'dpu-b', 2, { ...inRed('10.0.2.41'), allowedAddressPairs: [{ ip: '10.8.0.0/16' }] }),
    );
    const gate = await connect(acme, 'gate');
    await gate.addAddress('10.8.0.1');
    await acme.apply({
      kind: 'Router',
      metadata: { name: 'default' },
      spec: { routes: [{ destination: '10.8.0.0/16', nextHops: [{ address: '10.0.2.41' }] }] },
    });
    await waitReachable(podOf('acme-web'), '10.8.0.1');
    const isApplied = () => isReady(router()?.status.conditions ?? []) || undefined;
    await acme.state.until('the router is ready', isApplied, READY_MILLISECONDS);
    await acme.delete('Router', 'default');
    await waitUnreachable(podOf('acme-web'), '10.8.0.1');
  });
});
