import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '@outboard/core';
import {
  EchoServer,
  encapsulated,
  FrameCapture,
  type Pod,
  ping,
  TcpBulk,
  tcpEcho,
  UdpFlow,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import { manifest } from './examples.js';
import { Line } from './line.js';
import { WireTap } from './wire-tap.js';

const KEY = 'correct horse battery staple';
const FAR = ['10.2.0.11', 'fd00:2::b'] as const;
const PORT = 7000;
const UDP_PORT = 7050;
const GATEWAYS = ['ipsec-a', 'ipsec-b'] as const;

interface Status {
  readonly peers: readonly { readonly state: string; readonly outbound?: { readonly spi: string } }[];
}

interface Counters {
  readonly rules: Readonly<Record<string, { readonly packets: string }>>;
  readonly defaultAction: { readonly outbound: { readonly packets: string } };
}

type Rule = Readonly<Record<string, unknown>>;
const UDP: Rule = { name: 'udp', direction: 'OUTBOUND', protocol: 'UDP', action: 'ACCEPT' };

// Longer than what a workload may take to be ready, so that it is told which one is not, and why.
jest.setTimeout(90_000);

/** Everything runs for real: nats-server, the services, a worker on each DPU, and the network functions in containers. */
describe('the line from a pod by a firewall and IPsec to the wire', () => {
  let line: Line;
  let pods: readonly [Pod, Pod];
  let wire: WireTap;
  let tunnels: FrameCapture;
  let server: EchoServer;

  const status = async (gateway: string) => (await line.call<Status>(gateway, 'ipsec', 'status')).peers[0];
  const counters = () => line.call<Counters>('firewall', 'firewall', 'counters');
  /** Adds rules to those of the example; resolves when the firewall has them. */
  const configureFirewall = async (...more: readonly Rule[]): Promise<void> => {
    const example = manifest('configurations', 'WorkloadConfiguration', 'firewall');
    const { configuration } = example.spec as { configuration: { rules: readonly Rule[] } };
    const rules = [...configuration.rules, ...more];
    await line.change({ ...example, spec: { ...example.spec, configuration: { ...configuration, rules } } });
  };
  /** Resolves when so many packets of pod-a have met no rule since it was called. */
  const dropped = async (packets: number): Promise<void> => {
    const count = async () => Number((await counters()).defaultAction.outbound.packets);
    const before = await count();
    await waitUntil(`${packets} packets are dropped`, async () => {
      const now = (await count()) - before;
      return now >= packets ? undefined : `${now}`;
    });
  };
  const setFailureMode = async (failureMode: string): Promise<void> => {
    const example = manifest('chain', 'ServiceChain', 'to-site-b');
    await line.change({ ...example, spec: { ...example.spec, failureMode } });
  };
  /** Kills the firewall; resolves, when it is known to be down, with how to tell whether it still is. */
  const crashFirewall = async (): Promise<() => boolean> => {
    const isDown = () => line.find('Workload', 'firewall')?.status.state === 'BACKOFF';
    line.kill('firewall');
    await line.until('Workload', 'firewall', 'is down', isDown);
    return isDown;
  };
  const secure = () => {
    expect(wire.strange).toEqual([]);
    expect(tunnels.report).toMatchObject({ count: 0, drops: 0 });
  };

  beforeAll(async () => {
    line = await Line.start('cnf-line');
    const { fabric } = line.stack.testbed;
    wire = await WireTap.open(fabric);
    tunnels = await FrameCapture.open(fabric, 'up-1', (frame) => encapsulated(frame) !== undefined);
    pods = [await line.acme.connectPod('pod-a'), await line.acme.connectPod('pod-b')];
    server = await EchoServer.listen(pods[1], PORT);
    for (const workload of ['firewall', ...GATEWAYS]) await line.ready('Workload', workload);
  });

  afterAll(async () => {
    wire?.[Symbol.dispose]();
    tunnels?.[Symbol.dispose]();
    server?.[Symbol.dispose]();
    await line?.[Symbol.asyncDispose]();
  });

  it('publishes what each function has brought along', async () => {
    const { status } = await line.until(
      'Workload',
      'firewall',
      'publishes',
      (each) => each.status.interfaces.length > 0,
    );
    expect(status.interfaces).toMatchObject([{ name: 'firewall', version: '1.0.0', yangCheck: 'VALID' }]);
    await expect(line.call('firewall', 'firewall', 'explode')).rejects.toThrow('explode');
  });

  it('waits for keys, and lets nothing out before', async () => {
    await line.until('WorkloadConfiguration', 'ipsec-a', 'waits for its key', (resource) =>
      JSON.stringify(resource.status.conditions).includes('set-key'),
    );
    expect(await ping(pods[0], FAR[0])).toMatchObject({ received: 0 });
    expect(wire.count('ESP')).toBe(0);
    secure();
    for (const gateway of GATEWAYS) {
      await line.call(gateway, 'ipsec', 'set-key', { name: 'sites', key: KEY });
      await line.ready('WorkloadConfiguration', gateway);
    }
  });

  it('carries pings over IPv4 and IPv6, each packet as ESP', async () => {
    for (const ip of FAR) await waitReachable(pods[0], ip);
    const esp = wire.count('ESP');
    const firewall = Number((await counters()).rules.ping?.packets);
    expect(await ping(pods[0], FAR[0], { count: 20 })).toMatchObject({ received: 20 });
    expect(wire.count('ESP') - esp).toBe(40);
    expect(Number((await counters()).rules.ping?.packets) - firewall).toBe(40);
    secure();
  });

  it('keeps no secret where it could be read', () => {
    expect(JSON.stringify([...line.acme.state.values()])).not.toContain(KEY);
  });

  it('lets nobody begin from the other site, whom no rule of the firewall allows', async () => {
    expect(await ping(pods[1], '10.1.0.11', { timeoutMilliseconds: 300 })).toMatchObject({ received: 0 });
  });

  it('tells how large packets may be', async () => {
    const refused = await ping(pods[0], FAR[0], { payloadBytes: 1420, doNotFragment: true });
    expect(refused.outcomes[0]).toHaveProperty('mtu');
    const bulk = await TcpBulk.start(line.stack.testbed, { from: pods[0], to: pods[1], port: 7001 });
    await waitUntil('a megabyte each way', () =>
      Math.min(bulk.bytes('forward'), bulk.bytes('backward')) < 1 << 20 ? 'less' : undefined,
    );
    expect(await bulk.stop()).toMatchObject({ failure: undefined });
    secure();
  });

  it('changes keys while packets flow, and loses none', async () => {
    await configureFirewall(UDP);
    const flow = UdpFlow.start({ from: pods[0], to: pods[1], port: UDP_PORT, rate: 500 });
    await flow.progress(100);
    const before = await status('ipsec-a');
    await line.call('ipsec-a', 'ipsec', 'rekey', { peer: 'other-site' });
    await waitUntil('the tunnel has other keys', async () => {
      const { state, outbound } = (await status('ipsec-a')) ?? {};
      return state === 'ESTABLISHED' && outbound?.spi !== before?.outbound?.spi ? undefined : state;
    });
    await flow.progress(200);
    expect(await flow.stop()).toMatchObject({ lost: 0, receiverDrops: 0 });
  });

  it('does what the configuration of the firewall says, while packets flow', async () => {
    const flow = UdpFlow.start({ from: pods[0], to: pods[1], port: UDP_PORT, rate: 500 });
    await flow.progress(50);
    await configureFirewall();
    await dropped(50);
    const { received } = flow.report;
    await dropped(50);
    expect(flow.report.received).toBe(received);
    expect(await tcpEcho(pods[0], { ip: FAR[0], port: PORT })).toMatchObject({ kind: 'echoed' });
    await configureFirewall(UDP);
    await flow.progress(50);
    await flow.stop();
  });

  it('lets nothing pass a firewall that was killed when it shall fail closed, and goes on by itself', async () => {
    const flow = UdpFlow.start({ from: pods[0], to: pods[1], port: UDP_PORT, rate: 500 });
    await flow.progress(50);
    const isDown = await crashFirewall();
    const { sent } = flow;
    const { received } = flow.report;
    await waitUntil('packets are sent while it is down', () =>
      flow.sent - sent < 50 ? 'too few' : undefined,
    );
    const meanwhile = flow.report.received - received;
    expect(isDown()).toBe(true);
    expect(meanwhile).toBe(0);
    await flow.progress(50, 60_000);
    await line.ready('WorkloadConfiguration', 'firewall');
    await flow.stop();
    secure();
  });

  it('leaves a firewall out that was killed when it shall fail open, and takes it in again', async () => {
    await setFailureMode('FAIL_OPEN');
    // What it lets through while it works would tell nothing: its rules are the kernel's, and outlive its program.
    await configureFirewall();
    const flow = UdpFlow.start({ from: pods[0], to: pods[1], port: UDP_PORT, rate: 500 });
    await dropped(50);
    expect(flow.report.received).toBe(0);
    const killedAt = systemClock.monotonic();
    const isDown = await crashFirewall();
    await flow.progress(1);
    const milliseconds = Math.round(systemClock.monotonic() - killedAt);
    process.stdout.write(
      `fail open: packets pass at most ${milliseconds} ms after the firewall was killed\n`,
    );
    await flow.progress(50);
    expect(isDown()).toBe(true);
    await line.ready('Workload', 'firewall');
    await line.ready('WorkloadConfiguration', 'firewall');
    await dropped(50);
    const { received } = flow.report;
    await dropped(50);
    expect(flow.report.received).toBe(received);
    await flow.stop();
    await setFailureMode('FAIL_CLOSED');
    secure();
  });

  it('sends nothing in clear when a gateway is killed, and goes on by itself', async () => {
    const { restarts } = (await line.ready('Workload', 'ipsec-a')).status;
    line.kill('ipsec-a');
    await line.until('Workload', 'ipsec-a', 'was started again', (each) => each.status.restarts > restarts);
    await waitReachable(pods[0], FAR[0], { deadlineMilliseconds: 60_000 });
    secure();
  });
});
