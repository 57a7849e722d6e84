import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { link, NetlinkSocket, type NetworkNamespace, upFlags } from '@outboard/netlink';
import { EchoServer, type Pod, ping, tcpEcho, waitUntil } from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';

const CLI = fileURLToPath(new URL('../../services/cli/dist/main.js', import.meta.url));
const SERVED = [80, 5432, 5433, 8080];
const PATIENCE = { timeoutMilliseconds: 200 };
const PORTS = ['web-0', 'client-0', 'db-0', 'probe-0'];

/** `client-0 -> web-0 tcp 8080`, by IPv4 and by IPv6. */
type Flow = `${string} -> ${string} ${'tcp' | 'ping'} ${number}`;

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

/** Everything runs for real: the intents of examples/policies, published over nats-server, enforced on two DPUs. */
describe('security policies', () => {
  let stack: LocalStack;
  let acme: Workspace;
  const pods = new Map<string, Pod>();
  const servers: EchoServer[] = [];
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
    const [source, target] = [pods.get(from), pods.get(to)];
    const ip = target?.addresses[version];
    if (source === undefined || ip === undefined) throw new Error(`no such pods: ${flow}`);
    if (what === 'ping') return (await ping(source, ip, PATIENCE)).received === 1;
    return (await tcpEcho(source, { ip, port: Number(port) }, PATIENCE)).kind === 'echoed';
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
  /** Waits until exactly these pass; what is denied must have been so all the time that is looked at. */
  const untilPassing = (flows: readonly Flow[], expected: readonly Flow[]): Promise<void> =>
    waitUntil('the flows that are allowed pass, and no others', async () => {
      const found = await passing(flows);
      return found.join() === expected.join() ? undefined : found.join('; ');
    });

  /** What the CLI tells of the tenant as JSON, and its exit code. */
  const outboard = async (command: string) => {
    const args = [CLI, ...command.split(' '), '-t', 'acme', '--server', stack.stack.clientUrl];
    const seed = join(stack.credentials, 'operator.seed');
    const child = execFile(process.execPath, [...args, '--seed', seed, '-o', 'json']);
    let text = '';
    child.stdout?.on('data', (data) => {
      text += data;
    });
    const [code] = await once(child, 'close');
    return { code, told: JSON.parse(text) };
  };

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'policies' });
    acme = await stack.workspace('acme');
    await acme.apply(...example);
    for (const name of PORTS) {
      const pod = await acme.connectPod(name);
      pods.set(name, pod);
      for (const port of SERVED) servers.push(await EchoServer.listen(pod, port));
    }
  }, 60_000);

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await stack?.[Symbol.asyncDispose]();
  });

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

  it('say how far they are applied, and what their rules have decided on', async () => {
    const policy = await outboard('get securitypolicy web');
    const applied = policy.told.status.conditions.find(({ type }: { type: string }) => type === 'Applied');
    expect(applied).toMatchObject({ status: 'True', reason: 'AppliedAndReadBack' });
    expect(policy.told.status.propagated).toMatchObject({ applied: 1, total: 1 });
    const counted = async (): Promise<number> => {
      const { told } = await outboard('counters securitypolicy web');
      const [{ rules = [] } = {}] = told.items;
      return rules.reduce((sum: number, { packets = '0' }) => sum + Number(packets), 0);
    };
    const before = await counted();
    await untilPassing(['client-0 -> web-0 tcp 8080'], ['client-0 -> web-0 tcp 8080']);
    expect(await counted()).toBeGreaterThan(before + 8);
  });

  it('cannot be deleted while a port names them, nor address sets while they name these', async () => {
    await expect(acme.delete('SecurityPolicy', 'database')).rejects.toMatchObject({ reason: 'IN_USE' });
    await expect(acme.delete('AddressSet', 'monitoring')).rejects.toMatchObject({ reason: 'IN_USE' });
  });

  it('leave a port open when they are gone', async () => {
    await acme.delete('SecurityPolicy', 'web');
    await untilPassing(
      ['client-0 -> web-0 tcp 80', 'client-0 -> db-0 tcp 5432'],
      ['client-0 -> web-0 tcp 80'],
    );
  });

  it('are traced: the CLI compares what packets do with what is explained, and tells by its exit code', async () => {
    const trace = async (flow: string) => {
      const { code, told } = await outboard(`trace ${flow}`);
      const { explained, observed, stations } = told;
      const way = stations.map(
        ({ dpu, kind, seen }: Record<string, unknown>) => `${dpu} ${kind}${seen ? '' : ' lost'}`,
      );
      return { code, verdict: explained.verdict, answered: observed.answered ?? false, way };
    };
    const homeOf = (name: string) => acme.port(name)?.status.dpu;
    const [client, web, db] = ['client-0', 'web-0', 'db-0'].map(homeOf);
    const across = (far: string | undefined) => (far === client ? [] : [`${client} tunnel`]);
    const start = [`${client} port`, `${client} representor`];
    const toWeb = '--from port/client-0 --to port/web-0 --protocol tcp --port 8080';
    expect(await trace(toWeb)).toEqual({
      code: 0,
      verdict: 'ALLOWED',
      answered: true,
      way: [...start, ...across(web), `${web} representor`, `${web} port`],
    });
    expect(await trace('--from client-0 --to db-0 --protocol udp --port 5432')).toEqual({
      code: 0,
      verdict: 'DENIED',
      answered: false,
      way: [...start, ...across(db)],
    });
    expect(await trace('--from client-0 --to 10.0.9.77 --protocol icmp')).toEqual({
      code: 0,
      verdict: 'UNREACHABLE',
      answered: false,
      way: start,
    });
    // What no model of the network knows: the pod has taken its device down.
    const socket = NetlinkSocket.open({ namespace: pods.get('web-0')?.namespace as NetworkNamespace });
    const { ifiIndex } = await socket.get(link.get({ ifname: 'eth0' }));
    await socket.batch([link.change({ ifiIndex, ...upFlags(false) })]);
    socket.close();
    const broken = await trace(toWeb);
    expect(broken).toMatchObject({ code: 1, verdict: 'ALLOWED', answered: false });
    expect(broken.way.at(-1)).toBe(`${web} port lost`);
  });
});
