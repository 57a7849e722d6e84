import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NetlinkSocket, neighbour } from '@outboard/netlink';
import {
  arpFrame,
  type Dpu,
  encapsulated,
  etherTypeOf,
  FrameCapture,
  FrameSender,
  isArp,
  type Pod,
  ping,
  Testbed,
  tcpConnect,
  udpFrame,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import type { Driver, Spec } from '../src/driver.js';
import * as d from '../src/testing/documents.js';
import { EngineProbe } from '../src/testing/engine-probe.js';

jest.setTimeout(60_000);

const BLUE = '0192f3c1-0000-7000-8000-0000000000b1';
const RED = '0192f3c1-0000-7000-8000-0000000000ed';
const RED_ROUTER = 'router/red/main';
const MTU = 1450;
const IPV6_HEADER = 40;
const UDP_DESTINATION = 14 + 20 + 2;
const ICMPV6_SOLICITATION = 135;

interface Port {
  readonly name: string;
  readonly network: string;
  readonly dpu: string;
  readonly vf: number;
  readonly number: number;
  /** What it may send as besides. */
  readonly pair?: { readonly ip: string; readonly macAddress: string };
}

/** Two tenants with the same addresses, each on both DPUs. */
const PORTS: readonly Port[] = [
  { name: 'blue-1', network: BLUE, dpu: 'dpu-1', vf: 0, number: 11 },
  { name: 'blue-2', network: BLUE, dpu: 'dpu-1', vf: 1, number: 12 },
  { name: 'blue-3', network: BLUE, dpu: 'dpu-2', vf: 0, number: 21 },
  { name: 'red-1', network: RED, dpu: 'dpu-1', vf: 2, number: 11 },
  { name: 'red-2', network: RED, dpu: 'dpu-2', vf: 1, number: 21 },
];
const VTEPS: Record<string, string> = { 'dpu-1': '10.254.0.1', 'dpu-2': '10.254.0.2' };
const macOf = ({ network, number }: Port): string =>
  `02:00:5e:00:${network === BLUE ? 'b1' : 'ed'}:${number}`;
const ipv4 = (number: number): string => `10.0.1.${number}`;
const ipv6 = (number: number): string => `fd00:1::${number}`;

/** What a planner would make of the ports for a DPU. */
function documentFor(networkType: string, dpu: string, ports: readonly Port[]): d.Entry[] {
  const others = Object.keys(VTEPS).filter((name) => name !== dpu);
  return [
    d.router(),
    d.router('red', 'main'),
    d.bridgeDomain(BLUE, { vni: 100, mtu: MTU, networkType }),
    d.bridgeDomain(RED, { vni: 200, mtu: MTU, router: RED_ROUTER, networkType }),
    ...others.flatMap((other) => [BLUE, RED].map((network) => d.tunnelPeer(network, VTEPS[other] ?? ''))),
    ...ports.map((port) => {
      const { name, network, vf, number, pair } = port;
      const common = {
        macAddress: macOf(port),
        ipAddresses: [ipv4(number), ipv6(number)],
        allowedAddressPairs: pair ? [pair] : [],
      };
      return port.dpu === dpu
        ? d.endpoint(name, network, { ...common, representor: `pf0vf${vf}` })
        : d.remoteEndpoint(name, network, { ...common, tunnelEndpoint: VTEPS[port.dpu] ?? '' });
    }),
  ];
}

/** How the DPUs of a testbed get their drivers. */
export interface PacketWorld extends AsyncDisposable {
  /** For that DPU; again after a restart of its worker. */
  open(dpu: Dpu): Promise<Driver<Spec>>;
  /** False for DPUs that forward in user space. */
  checksumOffload(dpu: string): boolean;
  /** Takes away all that the DPU's packets are judged by, as somebody does who knows no better. */
  wipe(dpu: Dpu): void;
}

/** IANA's ports of tunnels. */
const UDP_PORTS = { VXLAN: 4789, GENEVE: 6081 } as const;

/** What every driver has to do with real packets, between two DPUs, which need not have the same driver. */
export function driverPackets(
  title: string,
  openWorld: (name: string) => PacketWorld,
  encapsulation: keyof typeof UDP_PORTS = 'VXLAN',
): void {
  describe(`${title}: packets between pods`, () => {
    const name = `p${process.pid.toString(36)}`;
    const world = openWorld(name);
    let testbed: Testbed;
    let sequence = 0;
    const drivers = new Map<string, Driver<Spec>>();
    const probes = new Map<string, EngineProbe<Spec>>();
    const entriesFor = (dpu: string, ports: readonly Port[] = PORTS): d.Entry[] =>
      documentFor(encapsulation, dpu, ports);
    const pod = (podName: string): Pod => testbed.pod(podName);

    const startWorker = async (dpu: string): Promise<void> => {
      const driver = await world.open(testbed.dpu(dpu));
      drivers.set(dpu, driver);
      probes.set(dpu, await EngineProbe.start(driver));
    };
    const stopWorker = async (dpu: string): Promise<void> => {
      await probes.get(dpu)?.[Symbol.asyncDispose]();
      await drivers.get(dpu)?.[Symbol.asyncDispose]();
    };
    const apply = async (dpu: string, entries: readonly d.Entry[]): Promise<void> => {
      const report = await probes.get(dpu)?.apply(d.document(++sequence, entries));
      expect(report?.problems).toEqual([]);
    };
    /** Makes a pod forget whom it knew, so that it has to ask again. */
    const forgetNeighbours = async ({ namespace }: Pod): Promise<void> => {
      const socket = NetlinkSocket.open({ namespace });
      const known = await socket.dump(neighbour.dump());
      await socket.batch(
        known.flatMap(({ ndmFamily, ndmIfindex, dst }) =>
          dst === undefined ? [] : [neighbour.remove({ ndmFamily, ndmIfindex, dst })],
        ),
      );
      socket.close();
    };

    beforeAll(async () => {
      testbed = await Testbed.create({
        name,
        dpus: ['dpu-1', 'dpu-2'].map((dpu, index) => ({
          name: dpu,
          serialNumber: `S${index}`,
          pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
          functions: 4,
          checksumOffload: world.checksumOffload(dpu),
        })),
      });
      for (const dpu of testbed.dpus.keys()) {
        await startWorker(dpu);
        await apply(dpu, entriesFor(dpu));
      }
      for (const port of PORTS) {
        const dpu = testbed.dpu(port.dpu);
        const created = await testbed.createPod({ name: port.name, host: dpu.host.name });
        await created.attach(dpu, port.vf, {
          mtu: MTU,
          macAddress: macOf(port),
          addresses: [
            { ip: ipv4(port.number), prefixLength: 24 },
            { ip: ipv6(port.number), prefixLength: 64 },
          ],
        });
      }
    });

    afterAll(async () => {
      for (const dpu of testbed.dpus.keys()) await stopWorker(dpu);
      await world[Symbol.asyncDispose]();
      await testbed.dispose();
    });

    it.each([
      ['the same DPU', 'blue-2', 12],
      ['another DPU', 'blue-3', 21],
    ])('reach a pod on %s, by IPv4, IPv6 and TCP', async (_where, to, number) => {
      await waitReachable(pod('blue-1'), ipv4(number));
      await waitReachable(pod('blue-1'), ipv6(number));
      expect(await tcpConnect(pod('blue-1'), pod(to), 8080)).toMatchObject({
        kind: 'echoed',
        server: to,
        client: { ip: ipv4(11) },
      });
    });

    it('cross the fabric in the encapsulation that their network has', async () => {
      const dpu = testbed.dpu('dpu-1');
      const seen = new Set<number>();
      const capture = await FrameCapture.open(dpu, dpu.plan.underlay.device, (frame) => {
        // Between addresses of IPv4: the destination's port stands behind two headers without options.
        if (encapsulated(frame) !== undefined) seen.add(frame.readUInt16BE(UDP_DESTINATION));
        return true;
      });
      try {
        await waitReachable(pod('blue-1'), ipv4(21));
        await waitUntil('something crosses the fabric', async () => {
          void capture.report;
          return seen.size > 0 ? undefined : 'nothing';
        });
        expect([...seen]).toEqual([UDP_PORTS[encapsulation]]);
      } finally {
        capture[Symbol.dispose]();
      }
    });

    it('of tenants with the same addresses stay apart', async () => {
      for (const tenant of ['blue', 'red']) {
        const [from, to] = tenant === 'blue' ? ['blue-1', 'blue-3'] : ['red-1', 'red-2'];
        expect(await tcpConnect(pod(from), pod(to), 8081)).toMatchObject({ kind: 'echoed', server: to });
      }
      // 10.0.1.12 is blue's only.
      const report = await ping(pod('red-1'), ipv4(12), { timeoutMilliseconds: 200 });
      expect(report.received).toBe(0);
    });

    it('are not asked for over the tunnel when they are known, and are when they are not', async () => {
      const { plan } = testbed.dpu('dpu-1');
      const question = (frame: Buffer): boolean => {
        const inner = encapsulated(frame);
        // Of blue's pods: the last but one byte of their addresses.
        if (inner?.[10] !== 0xb1) return false;
        return (
          isArp(inner) || (etherTypeOf(inner) === 0x86dd && inner[14 + IPV6_HEADER] === ICMPV6_SOLICITATION)
        );
      };
      const capture = await FrameCapture.open(testbed.dpu('dpu-1'), plan.underlay.device, question);
      try {
        for (const each of ['blue-1', 'blue-2', 'blue-3']) await forgetNeighbours(pod(each));
        for (const number of [12, 21]) {
          await waitReachable(pod('blue-1'), ipv4(number));
          await waitReachable(pod('blue-1'), ipv6(number));
        }
        expect(capture.report).toMatchObject({ count: 0, drops: 0 });
        await ping(pod('blue-1'), ipv4(99), { timeoutMilliseconds: 100 });
        await waitUntil('an unknown address is asked for over the tunnel', async () =>
          capture.report.count > 0 ? undefined : 'it is not',
        );
      } finally {
        capture[Symbol.dispose]();
      }
    });

    it('reach an allowed address pair with another MAC address on another DPU, which is not asked for', async () => {
      const pair = { ip: ipv4(50), macAddress: '02:00:5e:00:b1:50' };
      const owner: Port = { name: 'blue-4', network: BLUE, dpu: 'dpu-2', vf: 3, number: 24, pair };
      const dpu = testbed.dpu('dpu-2');
      // Somebody who is known by the pair only.
      const created = await testbed.createPod({ name: owner.name, host: dpu.host.name });
      await created.attach(dpu, owner.vf, {
        mtu: MTU,
        macAddress: pair.macAddress,
        addresses: [{ ip: pair.ip, prefixLength: 24 }],
      });
      for (const each of ['dpu-1', 'dpu-2']) await apply(each, entriesFor(each, [...PORTS, owner]));
      const { plan } = testbed.dpu('dpu-1');
      const capture = await FrameCapture.open(testbed.dpu('dpu-1'), plan.underlay.device, (frame) => {
        const inner = encapsulated(frame);
        return inner !== undefined && isArp(inner) && inner[10] === 0xb1;
      });
      try {
        await forgetNeighbours(pod('blue-1'));
        await waitReachable(pod('blue-1'), pair.ip);
        expect(await tcpConnect(pod('blue-1'), created, 8082)).toMatchObject({
          kind: 'echoed',
          server: owner.name,
        });
        expect(await tcpConnect(created, pod('blue-3'), 8083)).toMatchObject({ client: { ip: pair.ip } });
        expect(await tcpConnect(created, pod('blue-1'), 8084)).toMatchObject({ client: { ip: pair.ip } });
        expect(capture.report).toMatchObject({ count: 0, drops: 0 });
      } finally {
        capture[Symbol.dispose]();
      }
      // Another port of the sender's DPU shares the pair: who has it now is certain only to those who are told.
      const sharer: Port = { name: 'blue-5', network: BLUE, dpu: 'dpu-1', vf: 3, number: 15, pair };
      for (const each of ['dpu-1', 'dpu-2']) {
        await apply(each, [
          ...entriesFor(each, [...PORTS, owner, sharer]),
          d.neighbour(BLUE, pair.ip, pair.macAddress),
          d.forwardingEntry(
            BLUE,
            pair.macAddress,
            each === owner.dpu
              ? { case: 'portUid', value: owner.name }
              : { case: 'tunnelEndpoint', value: VTEPS[owner.dpu] ?? '' },
          ),
        ]);
      }
      await forgetNeighbours(pod('blue-1'));
      await waitReachable(pod('blue-1'), pair.ip);
      expect(await tcpConnect(pod('blue-1'), created, 8085)).toMatchObject({ server: owner.name });
      // Without the pair nobody knows it any more, and it may not send.
      const { pair: _, ...bare } = owner;
      for (const each of ['dpu-1', 'dpu-2']) await apply(each, entriesFor(each, [...PORTS, bare]));
      expect(await ping(pod('blue-1'), pair.ip, { timeoutMilliseconds: 200 })).toMatchObject({ received: 0 });
      await created.detach();
      for (const each of ['dpu-1', 'dpu-2']) await apply(each, entriesFor(each));
    });

    it('that lie about who they are do not arrive, while true ones do', async () => {
      const [from, to] = [PORTS[0], PORTS[2]];
      if (from === undefined || to === undefined) throw new Error('no ports');
      const [own, other] = [macOf(from), '02:00:5e:00:00:99'];
      const udp = (sourceMac: string, ip: string, port = 5000, text = 'spoofed'): Buffer =>
        udpFrame({
          sourceMac,
          destinationMac: macOf(to),
          source: { ip, port },
          destination: { ip: ip.includes(':') ? ipv6(21) : ipv4(21), port: 5000 },
          payload: Buffer.from(text),
        });
      const arp = (senderMac: string, senderIp: string, sourceMac = own): Buffer =>
        arpFrame({
          operation: 'reply',
          senderMac,
          senderIp,
          sourceMac,
          targetIp: ipv4(21),
          destinationMac: macOf(to),
        });
      const lies = [
        udp(own, ipv4(66)),
        udp(own, ipv6(66)),
        udp(other, ipv4(11)),
        udp(own, ipv4(11), 67),
        udp(own, ipv6(11), 547),
        arp(own, ipv4(66)),
        arp(other, ipv4(11)),
        arp(own, ipv4(11), other),
        // A VLAN tag, and a protocol that is none of ours.
        Buffer.concat([
          udp(own, ipv4(11)).subarray(0, 12),
          Buffer.from('81000001', 'hex'),
          udp(own, ipv4(11)).subarray(12),
        ]),
        Buffer.concat([udp(own, ipv4(11)).subarray(0, 12), Buffer.from('88cc', 'hex'), Buffer.alloc(50)]),
      ];
      const truths = [udp(own, ipv4(11), 5000, 'true'), udp(own, ipv6(11), 5000, 'true')];
      const seen: string[] = [];
      const sender = await FrameSender.open(pod('blue-1'), 'eth0');
      const capture = await FrameCapture.open(pod('blue-3'), 'eth0', (frame, direction) => {
        const is = (each: Buffer): boolean => frame.subarray(0, each.length).equals(each);
        if (direction === 'in' && lies.some(is)) seen.push(`lie ${lies.findIndex(is)}`);
        if (direction === 'in' && truths.some(is)) seen.push('truth');
        return true;
      });
      try {
        for (const frame of [...lies, ...truths]) sender.send(frame);
        await waitUntil('the true frames arrive', async () => {
          void capture.report;
          return seen.filter((each) => each === 'truth').length >= truths.length
            ? undefined
            : seen.join(', ');
        });
        expect(seen).toEqual(['truth', 'truth']);
      } finally {
        sender[Symbol.dispose]();
        capture[Symbol.dispose]();
      }
    });

    it('are as large as the network says, and not larger', async () => {
      const whole = { doNotFragment: true, payloadBytes: MTU - 28 };
      expect(await ping(pod('blue-1'), ipv4(21), whole)).toMatchObject({ received: 1 });
      const report = await ping(pod('blue-1'), ipv4(21), { ...whole, payloadBytes: MTU - 27 });
      expect(report.outcomes).toEqual([expect.objectContaining({ kind: 'unsent' })]);
    });

    it('stop while the port is administratively down', async () => {
      const down = d.endpoint('blue-2', BLUE, {
        macAddress: '02:00:5e:00:b1:12',
        ipAddresses: [ipv4(12), ipv6(12)],
        representor: 'pf0vf1',
        adminUp: false,
      });
      const entries = entriesFor('dpu-1');
      await apply('dpu-1', [...entries.filter(([key]) => key !== 'endpoint/blue-2'), down]);
      expect(await ping(pod('blue-1'), ipv4(12), { timeoutMilliseconds: 200 })).toMatchObject({
        received: 0,
      });
      await apply('dpu-1', entries);
      await waitReachable(pod('blue-1'), ipv4(12));
    });

    it('go on while the worker restarts', async () => {
      let lost = 0;
      let sent = 0;
      let over = false;
      const pinging = (async (): Promise<void> => {
        while (!over) {
          const report = await ping(pod('blue-1'), ipv4(21), { count: 10 });
          sent += report.sent;
          lost += report.sent - report.received;
        }
      })();
      await stopWorker('dpu-1');
      await startWorker('dpu-1');
      await apply('dpu-1', entriesFor('dpu-1'));
      over = true;
      await pinging;
      expect({ lost, some: sent > 0 }).toEqual({ lost: 0, some: true });
    });

    it('follow a port to another DPU', async () => {
      const moved = PORTS.map((port) => (port.name === 'blue-2' ? { ...port, dpu: 'dpu-2', vf: 2 } : port));
      const mover = pod('blue-2');
      await mover.detach();
      for (const dpu of ['dpu-1', 'dpu-2']) await apply(dpu, entriesFor(dpu, moved));
      const host = testbed.dpu('dpu-2').host.name;
      const there = await testbed.createPod({ name: 'blue-2-moved', host });
      await there.attach(testbed.dpu('dpu-2'), 2, {
        mtu: MTU,
        macAddress: '02:00:5e:00:b1:12',
        addresses: [{ ip: ipv4(12), prefixLength: 24 }],
      });
      await waitReachable(pod('blue-1'), ipv4(12));
      await waitReachable(pod('blue-3'), ipv4(12));
    });
  });
}
