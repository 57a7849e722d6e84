import { execFileSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '@outboard/core';
import { NetlinkSocket, NetworkNamespace, NFPROTO, nftRule } from '@outboard/netlink';
import {
  connectTcp,
  EchoServer,
  type Pod,
  ping,
  Testbed,
  tcpEcho,
  UdpFlow,
  udpEcho,
  waitReachable,
} from '@outboard/testbed';
import { faultyDriver } from '../driver-memory/faulty-driver.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import { namespaceName } from '../realise/names.js';
import { POLICY_TABLE } from '../realise/policy-table.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { LinuxDriver } from './linux-driver.js';

jest.setTimeout(120_000);

const NET = '0192f3c1-0000-7000-8000-0000000000b1';
const MTU = 1450;
/** Of what is denied; what is allowed takes a millisecond. */
const PATIENCE = { timeoutMilliseconds: 150 };
const SERVED = [80, 90, 91, 8080];

interface Port {
  readonly dpu: string;
  readonly vf: number;
  readonly number: number;
}

/** `near` and `far` reach `server`, one from its own DPU, one from another. */
const PORTS: Readonly<Record<string, Port>> = {
  server: { dpu: 'dpu-1', vf: 0, number: 10 },
  near: { dpu: 'dpu-1', vf: 1, number: 20 },
  far: { dpu: 'dpu-2', vf: 0, number: 30 },
};
const VTEPS: Readonly<Record<string, string>> = { 'dpu-1': '10.254.0.1', 'dpu-2': '10.254.0.2' };
const ipv4 = (name: string): string => `10.0.1.${PORTS[name]?.number}`;
const ipv6 = (name: string): string => `fd00:1::${PORTS[name]?.number}`;
const macOf = (name: string): string => `02:00:5e:00:b1:${PORTS[name]?.number}`;

/** Policies as a planner would tell them: their objects, and what ports say of them. */
interface Policies {
  readonly objects?: readonly d.Entry[];
  readonly ports?: Readonly<Record<string, d.EndpointFields>>;
}

function entriesFor(
  dpu: string,
  { objects = [], ports = {} }: Policies,
  names = Object.keys(PORTS),
): d.Entry[] {
  const others = Object.keys(VTEPS).filter((name) => name !== dpu);
  return [
    d.router(),
    d.bridgeDomain(NET, { vni: 100, mtu: MTU }),
    ...others.map((other) => d.tunnelPeer(NET, VTEPS[other] ?? '')),
    ...objects,
    ...names.map((name) => {
      const port = PORTS[name];
      const common = { macAddress: macOf(name), ipAddresses: [ipv4(name), ipv6(name)] };
      return port?.dpu === dpu
        ? d.endpoint(name, NET, { ...common, representor: `pf0vf${port.vf}`, ...ports[name] })
        : d.remoteEndpoint(name, NET, { ...common, tunnelEndpoint: VTEPS[port?.dpu ?? ''] ?? '' });
    }),
  ];
}

/** What is tried: a TCP or UDP port of the server, or `ping`; from a client, or from the server to it. */
type What = `tcp ${number}` | `udp ${number}` | 'ping';
interface Flow {
  readonly from: string;
  readonly to: string;
  readonly what: What;
}
const fromClients = (what: What): Flow[] => ['near', 'far'].map((from) => ({ from, to: 'server', what }));
const toClients = (what: What): Flow[] => ['near', 'far'].map((to) => ({ from: 'server', to, what }));

const members = (group: string, ...names: string[]): d.Entry[] =>
  names.flatMap((name) => [d.groupMember(group, ipv4(name)), d.groupMember(group, ipv6(name))]);
const tcp = (firstPort: number, lastPort = firstPort) => ({ protocol: 6, firstPort, lastPort });
const allow = (fields: Omit<d.RuleInit, '$typeName'> = {}): d.RuleInit => ({
  name: 'a',
  action: 'ALLOW',
  ...fields,
});
const deny = (fields: Omit<d.RuleInit, '$typeName'> = {}): d.RuleInit => ({
  name: 'd',
  action: 'DENY',
  ...fields,
});
const pass = (fields: Omit<d.RuleInit, '$typeName'> = {}): d.RuleInit => ({
  name: 'p',
  action: 'PASS',
  ...fields,
});
/** The server under these policies. */
const serverUnder = (
  objects: readonly d.Entry[],
  fields: d.EndpointFields,
  ...policies: string[]
): Policies => ({
  objects,
  ports: { server: { ...fields, ruleSets: policies.map(d.ruleSetKey) } },
});
const ISOLATED = { isolatedIngress: true };

/** Policies, and the flows that are then possible of those that are tried; the others are not. */
const CASES: readonly (readonly [about: string, policies: Policies, tried: Flow[], possible: Flow[]])[] = [
  [
    'no policy leaves everything open',
    {},
    [...fromClients('tcp 80'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('ping')],
  ],
  [
    'isolation of what is accepted denies it, and not what is opened',
    serverUnder([], ISOLATED),
    [
      ...fromClients('tcp 80'),
      ...fromClients('udp 80'),
      ...fromClients('ping'),
      ...toClients('tcp 80'),
      ...toClients('ping'),
    ],
    [...toClients('tcp 80'), ...toClients('ping')],
  ],
  [
    'isolation of what is opened denies that, and not what is accepted',
    serverUnder([], { isolatedEgress: true }),
    [...fromClients('tcp 80'), ...toClients('tcp 80'), ...toClients('udp 80'), ...toClients('ping')],
    fromClients('tcp 80'),
  ],
  [
    'a range of ports of one protocol',
    serverUnder([d.ruleSet('p', { ingress: [allow({ services: [tcp(80, 90)] })] })], ISOLATED, 'p'),
    [
      ...fromClients('tcp 80'),
      ...fromClients('tcp 90'),
      ...fromClients('tcp 91'),
      ...fromClients('udp 80'),
      ...fromClients('ping'),
    ],
    [...fromClients('tcp 80'), ...fromClients('tcp 90')],
  ],
  [
    'ICMP by its type',
    serverUnder(
      [
        d.ruleSet('p', {
          ingress: [
            allow({
              services: [
                { protocol: 1, icmpType: 8 },
                { protocol: 58, icmpType: 128, icmpCode: 0 },
              ],
            }),
          ],
        }),
      ],
      ISOLATED,
      'p',
    ),
    [...fromClients('ping'), ...fromClients('tcp 80')],
    fromClients('ping'),
  ],
  [
    'another type of ICMP than is asked for',
    serverUnder(
      [
        d.ruleSet('p', {
          ingress: [
            allow({
              services: [
                { protocol: 1, icmpType: 13 },
                { protocol: 58, icmpType: 128, icmpCode: 1 },
              ],
            }),
          ],
        }),
      ],
      ISOLATED,
      'p',
    ),
    fromClients('ping'),
    [],
  ],
  [
    'a group, for its members only',
    serverUnder(
      [
        d.addressGroup('g'),
        ...members('g', 'far'),
        d.ruleSet('p', { ingress: [allow({ peers: [d.inGroup('g')] })] }),
      ],
      ISOLATED,
      'p',
    ),
    [...fromClients('tcp 80'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('ping')].filter(({ from }) => from === 'far'),
  ],
  [
    'prefixes of a group',
    serverUnder(
      [
        d.addressGroup('s', true),
        d.groupMember('s', '10.0.1.16/29'),
        d.groupMember('s', 'fd00:1::20/124'),
        d.ruleSet('p', { ingress: [allow({ peers: [d.inGroup('s')] })] }),
      ],
      ISOLATED,
      'p',
    ),
    fromClients('tcp 80'),
    fromClients('tcp 80').filter(({ from }) => from === 'near'),
  ],
  [
    'a prefix but for its exceptions',
    serverUnder(
      [
        d.ruleSet('p', {
          ingress: [
            allow({
              peers: [d.inPrefix('10.0.0.0/8', '10.0.1.20/32'), d.inPrefix('fd00::/16', 'fd00:1::20/128')],
            }),
          ],
        }),
      ],
      ISOLATED,
      'p',
    ),
    fromClients('tcp 80'),
    fromClients('tcp 80').filter(({ from }) => from === 'far'),
  ],
  [
    'a port of the server by the name that it gives it',
    serverUnder(
      [d.ruleSet('p', { ingress: [allow({ services: [{ protocol: 6, portName: 'http' }] })] })],
      { ...ISOLATED, namedPorts: [{ name: 'http', protocol: 6, port: 8080 }] },
      'p',
    ),
    [...fromClients('tcp 8080'), ...fromClients('tcp 80'), ...fromClients('udp 8080')],
    fromClients('tcp 8080'),
  ],
  [
    'a port of the destination by the name that it gives it, on the way out',
    serverUnder(
      [
        d.addressGroup('g'),
        ...['near', 'far'].flatMap((name, index) =>
          [ipv4(name), ipv6(name)].map((address) =>
            d.groupMember('g', address, [{ name: 'web', protocol: 6, port: 80 + 10 * index }]),
          ),
        ),
        d.ruleSet('p', {
          egress: [allow({ peers: [d.inGroup('g')], services: [{ protocol: 6, portName: 'web' }] })],
        }),
      ],
      { isolatedEgress: true },
      'p',
    ),
    [...toClients('tcp 80'), ...toClients('tcp 90')],
    [
      { from: 'server', to: 'near', what: 'tcp 80' },
      { from: 'server', to: 'far', what: 'tcp 90' },
    ],
  ],
  [
    'policies of tier DEFAULT add up',
    serverUnder(
      [
        d.ruleSet('p', { ingress: [allow({ services: [tcp(80)] })] }),
        d.ruleSet('q', { ingress: [allow({ services: [tcp(90)] })] }),
      ],
      ISOLATED,
      'p',
      'q',
    ),
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91')],
    [...fromClients('tcp 80'), ...fromClients('tcp 90')],
  ],
  [
    'ADMIN comes first: what it allows or denies is decided, what it passes is for DEFAULT, also against a later ADMIN',
    serverUnder(
      [
        d.ruleSet('early', {
          tier: 'ADMIN',
          ingress: [
            allow({ services: [tcp(80)] }),
            deny({ services: [tcp(90)] }),
            pass({ services: [tcp(91)] }),
          ],
        }),
        d.ruleSet('late', { tier: 'ADMIN', ingress: [deny()] }),
        d.ruleSet('p', { ingress: [allow({ services: [tcp(90, 91)] })] }),
      ],
      ISOLATED,
      'early',
      'late',
      'p',
    ),
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('tcp 91')],
  ],
  [
    'what ADMIN passes and DEFAULT does not isolate is for BASELINE',
    serverUnder(
      [
        d.ruleSet('early', { tier: 'ADMIN', ingress: [pass({ services: [tcp(80, 91)] }), deny()] }),
        d.ruleSet('base', {
          tier: 'BASELINE',
          ingress: [allow({ services: [tcp(80)] }), deny({ services: [tcp(90)] })],
        }),
      ],
      {},
      'early',
      'base',
    ),
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('tcp 91')],
  ],
  [
    'BASELINE has nothing to say of an isolated port',
    serverUnder([d.ruleSet('base', { tier: 'BASELINE', ingress: [allow()] })], ISOLATED, 'base'),
    [...fromClients('tcp 80'), ...fromClients('ping')],
    [],
  ],
  [
    'a connection needs both ends: the one that opens it, and the one that accepts it',
    {
      objects: [
        d.ruleSet('in', { ingress: [allow({ services: [tcp(80, 90)] })] }),
        d.ruleSet('out', { egress: [allow({ services: [tcp(90, 91)] })] }),
      ],
      ports: {
        server: { ...ISOLATED, ruleSets: [d.ruleSetKey('in')] },
        near: { isolatedEgress: true, ruleSets: [d.ruleSetKey('out')] },
        far: { isolatedEgress: true, ruleSets: [d.ruleSetKey('out')] },
      },
    },
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91')],
    fromClients('tcp 90'),
  ],
];

describe('policies of ports', () => {
  const name = `q${process.pid.toString(36)}`;
  let testbed: Testbed;
  let sequence = 0;
  const drivers = new Map<string, LinuxDriver>();
  const probes = new Map<string, EngineProbe<LinuxSpec>>();
  const servers: EchoServer[] = [];
  const pod = (podName: string): Pod => testbed.pod(podName);
  const dpuName = (dpu: string): string => `${name}${testbed.dpu(dpu).plan.number}`;

  const openDriver = (dpu: string): Promise<LinuxDriver> =>
    LinuxDriver.open({
      dpu: dpuName(dpu),
      underlayDevice: testbed.dpu(dpu).plan.underlay.device,
      namespace: NetworkNamespace.open({ name: testbed.dpu(dpu).plan.namespace }),
    });
  const startWorker = async (
    dpu: string,
    wrap: (driver: LinuxDriver) => LinuxDriver | ReturnType<typeof faultyDriver<LinuxSpec>> = (driver) =>
      driver,
  ): Promise<void> => {
    const driver = await openDriver(dpu);
    drivers.set(dpu, driver);
    probes.set(dpu, await EngineProbe.start(wrap(driver)));
  };
  const stopWorker = async (dpu: string): Promise<void> => {
    await probes.get(dpu)?.[Symbol.asyncDispose]();
    await drivers.get(dpu)?.[Symbol.asyncDispose]();
  };
  const applyTo = async (dpu: string, entries: readonly d.Entry[]): Promise<void> => {
    const report = await probes.get(dpu)?.apply(d.document(++sequence, entries));
    expect(report?.problems).toEqual([]);
  };
  const enforce = async (policies: Policies): Promise<void> => {
    await Promise.all([...testbed.dpus.keys()].map((dpu) => applyTo(dpu, entriesFor(dpu, policies))));
  };

  const isPossible = async ({ from, to, what }: Flow, version: 4 | 6): Promise<boolean> => {
    const ip = version === 4 ? ipv4(to) : ipv6(to);
    if (what === 'ping') return (await ping(pod(from), ip, PATIENCE)).received === 1;
    const [protocol, port] = what.split(' ');
    const echo = protocol === 'tcp' ? tcpEcho : udpEcho;
    return (await echo(pod(from), { ip, port: Number(port) }, PATIENCE)).kind === 'echoed';
  };
  const possibleOf = async (tried: readonly Flow[]): Promise<string[]> => {
    const found = tried.flatMap((flow) =>
      ([4, 6] as const).map(async (version) => ({
        flow,
        version,
        possible: await isPossible(flow, version),
      })),
    );
    return (await Promise.all(found))
      .filter(({ possible }) => possible)
      .map(({ flow, version }) => textOf(flow, version));
  };
  const textOf = ({ from, to, what }: Flow, version: number): string =>
    `${from} to ${to}: ${what} IPv${version}`;
  const textsOf = (flows: readonly Flow[]): string[] =>
    flows.flatMap((flow) => [textOf(flow, 4), textOf(flow, 6)]);

  beforeAll(async () => {
    testbed = await Testbed.create({
      name,
      dpus: ['dpu-1', 'dpu-2'].map((dpu, index) => ({
        name: dpu,
        serialNumber: `S${index}`,
        pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
        functions: 4,
      })),
    });
    for (const dpu of testbed.dpus.keys()) await startWorker(dpu);
    await enforce({});
    for (const [podName, port] of Object.entries(PORTS)) {
      const dpu = testbed.dpu(port.dpu);
      const created = await testbed.createPod({ name: podName, host: dpu.host.name });
      await created.attach(dpu, port.vf, {
        mtu: MTU,
        macAddress: macOf(podName),
        addresses: [
          { ip: ipv4(podName), prefixLength: 24 },
          { ip: ipv6(podName), prefixLength: 64 },
        ],
      });
      for (const served of SERVED) servers.push(await EchoServer.listen(created, served));
    }
    for (const client of ['near', 'far']) {
      await waitReachable(pod(client), ipv4('server'));
      await waitReachable(pod(client), ipv6('server'));
    }
  });

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    for (const dpu of testbed.dpus.keys()) await stopWorker(dpu);
    for (const left of NetworkNamespace.list(`ob-${name}`)) NetworkNamespace.remove(left);
    await testbed.dispose();
  });

  it.each(CASES)('%s', async (_about, policies, tried, possible) => {
    await enforce(policies);
    expect((await possibleOf(tried)).sort()).toEqual(textsOf(possible).sort());
  });

  it('are tried with as many flows that are denied as the cases say', () => {
    const all = CASES.flatMap(([, , tried]) => tried).length;
    const allowed = CASES.flatMap(([, , , possible]) => possible).length;
    expect((all - allowed) / all).toBeGreaterThan(0.3);
  });

  const group = (...names: string[]): d.Entry[] => [d.addressGroup('g'), ...members('g', ...names)];
  const groupPolicy = (...names: string[]): Policies =>
    serverUnder(
      [...group(...names), d.ruleSet('p', { ingress: [allow({ peers: [d.inGroup('g')] })] })],
      ISOLATED,
      'p',
    );

  it('follow the members of a group by elements alone: no rule is touched', async () => {
    const rulesOf = async (): Promise<string[]> => {
      const namespace = NetworkNamespace.open({ name: namespaceName(dpuName('dpu-1'), d.ROUTER) });
      const socket = NetlinkSocket.open({ protocol: 'netfilter', namespace });
      namespace.close();
      const rules = await socket.dump(nftRule.dump({ nfgenFamily: NFPROTO.INET, table: POLICY_TABLE }));
      socket.close();
      return rules.map(({ chain, handle }) => `${chain} ${handle}`);
    };
    await enforce(groupPolicy('far'));
    const rules = await rulesOf();
    const driver = drivers.get('dpu-1');
    const touched: string[] = [];
    const watch = driver?.watch((change) => {
      if (change.kind === 'objects') touched.push(...change.changed);
    });
    const [member = ''] = d.groupMember('g', ipv4('far'));
    await probes.get('dpu-1')?.apply(d.delta(++sequence, [d.groupMember('g', ipv4('near'))], [member]));
    watch?.[Symbol.dispose]();
    expect(await rulesOf()).toEqual(rules);
    expect(new Set(touched.map((key) => key.split('/', 1)[0]))).toEqual(new Set(['policyelement']));
    const tried = fromClients('tcp 80');
    expect((await possibleOf(tried)).sort()).toEqual([
      'far to server: tcp 80 IPv6',
      'near to server: tcp 80 IPv4',
    ]);
  });

  /** A TCP connection that is kept: whether what is said over it comes back. */
  const conversation = async (from: string, port: number) => {
    const socket: Socket = await connectTcp(pod(from).namespace, { ip: ipv4('server'), port });
    socket.on('error', () => undefined);
    return {
      async says(text: string, milliseconds: number): Promise<boolean> {
        const heard = new Promise<boolean>((resolve) => {
          const finish = (heard: boolean): void => {
            timer[Symbol.dispose]();
            socket.off('data', onData);
            resolve(heard);
          };
          const onData = (chunk: Buffer): void => {
            if (chunk.includes(text)) finish(true);
          };
          const timer = systemClock.schedule(milliseconds, () => finish(false));
          socket.on('data', onData);
        });
        socket.write(text);
        return heard;
      },
      [Symbol.dispose]: () => socket.destroy(),
    };
  };

  it.each(['near', 'far'])(
    'that change count at once for connections from %s that are under way, both ways',
    async (from) => {
      const open = groupPolicy('near', 'far');
      const closed = groupPolicy();
      await enforce(open);
      const talk = await conversation(from, 80);
      try {
        expect(await talk.says('before', 2000)).toBe(true);
        await enforce(closed);
        expect(await talk.says('meanwhile', 300)).toBe(false);
        await enforce(open);
        // What TCP sends again arrives: the connection has only been held up.
        expect(await talk.says('after', 10_000)).toBe(true);
      } finally {
        talk[Symbol.dispose]();
      }
    },
  );

  it('cut a flow of datagrams when they are in place, and let it through again', async () => {
    await enforce(groupPolicy('far'));
    const flow = UdpFlow.start({ from: pod('far'), to: pod('server'), ip: ipv4('server'), port: 5000 });
    await flow.progress(50);
    await enforce(groupPolicy());
    const { sent } = flow;
    const { received } = flow.report;
    while (flow.sent < sent + 200) await ping(pod('server'), ipv4('near'));
    // What was on its way when the rules changed.
    expect(flow.report.received - received).toBeLessThan(50);
    await enforce(groupPolicy('far'));
    await flow.progress(50);
    const report = await flow.stop();
    expect(report.gapTotal).toBe(1);
    expect(report.lost).toBeGreaterThan(100);
  });

  it('count what each rule and each isolation decides on, and go on counting when the rule changes', async () => {
    const counted = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        ((await drivers.get('dpu-1')?.ruleCounters()) ?? []).map(({ name: counter, packets }) => [
          counter.replace(/denied-.*/, 'denied'),
          Number(packets),
        ]),
      );
    const rules = (lastPort: number): Policies =>
      serverUnder(
        [d.ruleSet('p', { ingress: [allow({ name: 'web', services: [tcp(80, lastPort)] })] })],
        ISOLATED,
        'p',
      );
    await enforce({});
    await enforce(rules(80));
    expect(await counted()).toEqual({ 'ingress-p-web': 0, 'ingress-denied': 0 });
    await possibleOf(fromClients('tcp 80'));
    const { 'ingress-p-web': allowed = 0, 'ingress-denied': none } = await counted();
    expect(allowed).toBeGreaterThan(4 * 4);
    expect(none).toBe(0);
    await enforce(rules(81));
    await possibleOf(fromClients('tcp 90'));
    const { 'ingress-p-web': after, 'ingress-denied': denied } = await counted();
    // What ended the connections may have come only now; nothing began anew.
    expect(after).toBeGreaterThanOrEqual(allowed);
    expect(denied).toBeGreaterThanOrEqual(4);
  });

  it('stay as they are while the worker restarts: nothing is touched, nothing lost, nothing let through', async () => {
    const policies = groupPolicy('far');
    await enforce(policies);
    const allowed = UdpFlow.start({ from: pod('far'), to: pod('server'), ip: ipv4('server'), port: 5001 });
    const denied = UdpFlow.start({ from: pod('near'), to: pod('server'), ip: ipv4('server'), port: 5002 });
    await allowed.progress(20);
    await stopWorker('dpu-1');
    const applied: string[] = [];
    await startWorker('dpu-1', (driver) => {
      const watched = faultyDriver(driver);
      watched.setFault((operation) => {
        applied.push(operation.action === 'delete' ? operation.key : operation.object.key);
        return undefined;
      });
      return watched;
    });
    await applyTo('dpu-1', entriesFor('dpu-1', policies));
    await allowed.progress(20);
    expect(await allowed.stop()).toMatchObject({ lost: 0 });
    expect(await denied.stop()).toMatchObject({ received: 0 });
    expect(applied).toEqual([]);
  });

  it('are there again when somebody took all rules away, while the worker is there or before it comes', async () => {
    const policies = groupPolicy('far');
    await enforce(policies);
    const flush = (): void => {
      const namespace = NetworkNamespace.open({ name: namespaceName(dpuName('dpu-1'), d.ROUTER) });
      namespace.run(() => execFileSync('nft', ['flush', 'ruleset']));
      namespace.close();
    };
    const repaired = probes.get('dpu-1')?.until((report) => report.repaired > 0);
    flush();
    await repaired;
    await probes.get('dpu-1')?.engine.settled();
    const tried = fromClients('tcp 80');
    expect(await possibleOf(tried)).toEqual(textsOf(tried.filter(({ from }) => from === 'far')));
    await stopWorker('dpu-1');
    flush();
    await startWorker('dpu-1');
    await applyTo('dpu-1', entriesFor('dpu-1', policies));
    expect(await possibleOf(tried)).toEqual(textsOf(tried.filter(({ from }) => from === 'far')));
  });

  it('never let anything through that neither the former nor the next allow, whichever step fails', async () => {
    await stopWorker('dpu-1');
    let driver: ReturnType<typeof faultyDriver<LinuxSpec>> | undefined;
    await startWorker('dpu-1', (own) => {
      driver = faultyDriver(own);
      return driver;
    });
    const states = [
      // The port is not there.
      entriesFor('dpu-1', {}, ['near', 'far']),
      // It comes with its policy.
      entriesFor('dpu-1', groupPolicy('far')),
      // Another policy, of another tier, with other groups.
      entriesFor(
        'dpu-1',
        serverUnder(
          [
            d.addressGroup('h'),
            ...members('h', 'near'),
            d.ruleSet('q', { tier: 'ADMIN', ingress: [deny({ peers: [d.inGroup('h')] }), pass()] }),
            d.ruleSet('r', { ingress: [allow({ services: [tcp(80)] })] }),
          ],
          ISOLATED,
          'q',
          'r',
        ),
      ),
    ];
    const walk = async (): Promise<void> => {
      for (const entries of [...states, ...states.toReversed()]) await applyTo('dpu-1', entries);
    };
    let operations = 0;
    driver?.setFault(() => {
      operations++;
      return undefined;
    });
    await walk();
    const flow = UdpFlow.start({ from: pod('near'), to: pod('server'), ip: ipv4('server'), port: 5003 });
    expect(operations).toBeGreaterThan(50);
    for (let index = 0; index < operations; index += 3) {
      const error = { code: 'EIO', message: 'injected' };
      driver?.setFault((_, count) => (count === index ? { kind: 'failed', error } : undefined));
      await walk();
    }
    const report = await flow.stop();
    expect(report.sent).toBeGreaterThan(1000);
    expect(report.received).toBe(0);
  });
});
