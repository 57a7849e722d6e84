import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { link, upFlags } from '@outboard/netlink';
import { EchoServer, type Pod, ping, Testbed, tcpEcho, UdpFlow, udpEcho, waitUntil } from '@outboard/testbed';
import { CnfInPod } from './cnf-in-pod.js';

const PORT = 7000;
const IP = { inside: '10.0.0.1', neighbour: '10.0.0.3', outside: '10.0.0.2', outside6: 'fd00::2' };

type Rule = Readonly<Record<string, unknown>>;
const allow = (name: string, more: Rule): Rule => ({
  name,
  direction: 'OUTBOUND',
  action: 'ACCEPT',
  ...more,
});
const UDP = allow('udp', { protocol: 'UDP' });
const WEB = allow('web', { protocol: 'TCP', destinationPorts: [{ minimum: PORT, maximum: PORT }] });
const PING = allow('ping', { protocol: 'ICMP' });

/** Two bridges made by hand stand for the chain: what is inside reaches what is outside through the firewall alone. */
describe('the firewall in the path of packets', () => {
  let testbed: Testbed;
  let inside: Pod;
  let outside: Pod;
  let firewall: CnfInPod;
  const servers: EchoServer[] = [];

  const configure = (...rules: readonly Rule[]) =>
    firewall.ask('PUT', '/interfaces/firewall/configuration', {
      rules,
      defaultAction: { outbound: 'DROP', inbound: 'DROP' },
    });
  const counters = async () =>
    (await firewall.ask('POST', '/interfaces/firewall/methods/counters')) as {
      readonly rules: Readonly<Record<string, { readonly packets: string }>>;
      readonly defaultAction: Readonly<Record<string, { readonly packets: string }>>;
    };
  /** Resolves when so many packets from inside have met no rule since it was called. */
  const dropped = async (packets: number): Promise<void> => {
    const count = async () => Number((await counters()).defaultAction.outbound?.packets);
    const before = await count();
    await waitUntil(`${packets} packets are dropped`, async () => {
      const now = (await count()) - before;
      return now >= packets ? undefined : `${now}`;
    });
  };
  const answered = async (from: Pod, ip: string) =>
    (await ping(from, ip, { timeoutMilliseconds: 200 })).received;

  beforeAll(async () => {
    const dpu = { name: 'dpu', serialNumber: 'OB-SIM-0001', pfMacAddress: '02:0b:00:00:01:00', functions: 5 };
    testbed = await Testbed.create({ name: 'cnf-firewall', dpus: [dpu] });
    const place = testbed.dpu('dpu');
    const podOf = async (name: string, vfNumber: number, ...ips: string[]): Promise<Pod> => {
      const pod = await testbed.createPod({ name, host: 'host-dpu' });
      const addresses = ips.map((ip) => ({ ip, prefixLength: ip.includes(':') ? 64 : 24 }));
      await pod.attach(place, vfNumber, { mtu: 1500, addresses });
      return pod;
    };
    inside = await podOf('inside', 0, IP.inside, 'fd00::1');
    await podOf('neighbour', 1, IP.neighbour);
    outside = await podOf('outside', 2, IP.outside, IP.outside6);
    const wall = await testbed.createPod({ name: 'firewall', host: 'host-dpu' });
    await wall.attach(place, 3, { mtu: 1500, addresses: [] }, 'ingress');
    await wall.attach(place, 4, { mtu: 1500, addresses: [] }, 'egress');
    const bridge = (ifiIndex: number, ifname: string, ...vfNumbers: number[]) => [
      link.create({ ifiIndex, ifname, ...upFlags(), linkinfo: { kind: 'bridge' } }),
      ...vfNumbers.map((each) =>
        link.change({ ifiIndex: place.function(each).index, master: ifiIndex, ...upFlags() }),
      ),
    ];
    const { failures } = await place.socket.batch([...bridge(50, 'in', 0, 1, 3), ...bridge(51, 'out', 2, 4)]);
    if (failures.length > 0) throw new Error(JSON.stringify(failures));
    for (const pod of [inside, outside]) servers.push(await EchoServer.listen(pod, PORT));
    const directory = join(testbed.directory, 'firewall');
    mkdirSync(directory);
    firewall = await CnfInPod.start(testbed, wall, 'firewall', directory);
  });

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await testbed?.dispose();
  });

  it('lets nothing through before it is configured', async () => {
    expect(await answered(inside, IP.outside)).toBe(0);
    const { rules, defaultAction } = await counters();
    expect(rules).toEqual({});
    expect(Number(defaultAction.outbound?.packets)).toBeGreaterThan(0);
  });

  it('lets through what a rule allows, and replies without one, over IPv4 and IPv6', async () => {
    await configure(WEB, PING);
    for (const ip of [IP.outside, IP.outside6]) {
      expect(await answered(inside, ip)).toBe(1);
      expect(await tcpEcho(inside, { ip, port: PORT })).toMatchObject({ kind: 'echoed', server: 'outside' });
    }
    expect(await udpEcho(inside, { ip: IP.outside, port: PORT }, { timeoutMilliseconds: 200 })).toMatchObject(
      {
        code: 'ETIMEDOUT',
      },
    );
  });

  it('lets nobody begin from outside', async () => {
    expect(await answered(outside, IP.inside)).toBe(0);
    const refused = await tcpEcho(outside, { ip: IP.inside, port: PORT }, { timeoutMilliseconds: 200 });
    expect(refused).toMatchObject({ kind: 'failed', code: 'ETIMEDOUT' });
    expect(Number((await counters()).defaultAction.inbound?.packets)).toBeGreaterThan(1);
  });

  it('counts by rule, and goes on counting when others change', async () => {
    const before = Number((await counters()).rules.ping?.packets);
    await configure(PING);
    expect(await answered(inside, IP.outside)).toBe(1);
    expect((await counters()).rules).toEqual({ ping: expect.objectContaining({ packets: `${before + 2}` }) });
  });

  it('cuts a flow that is under way when its rule goes, and takes it up again when it is back', async () => {
    await configure(UDP);
    const flow = UdpFlow.start({ from: inside, to: outside, rate: 500 });
    await flow.progress(50);
    await configure(PING);
    await dropped(100);
    const { received } = flow.report;
    await dropped(100);
    expect(flow.report.received).toBe(received);
    await configure(UDP);
    await flow.progress(50);
    await flow.stop();
  });

  it('refuses what makes no sense, and stays as it was', async () => {
    await configure(PING);
    await expect(configure({ ...WEB, source: '10.0.0.0/40' })).rejects.toThrow('rules[0].source');
    expect(await answered(inside, IP.outside)).toBe(1);
  });

  it('goes on by its rules while its program is killed and started again', async () => {
    await firewall.program.kill();
    expect(await answered(inside, IP.outside)).toBe(1);
    expect(await answered(outside, IP.inside)).toBe(0);
    await firewall.program.start();
    expect(await answered(inside, IP.outside)).toBe(1);
    await configure();
    expect(await answered(inside, IP.outside)).toBe(0);
  });

  it('leaves those alone who do not speak through it', async () => {
    expect(await answered(inside, IP.neighbour)).toBe(1);
  });
});
