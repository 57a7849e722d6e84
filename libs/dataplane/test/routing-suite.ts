import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NetlinkSocket, NetworkNamespace, neighbour } from '@outboard/netlink';
import {
  EchoServer,
  ETHER_TYPE,
  encapsulated,
  etherTypeOf,
  FrameCapture,
  FrameSender,
  isArp,
  type Pod,
  ping,
  tcpConnect,
  tcpEcho,
  udpEcho,
  udpFrame,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import * as d from '../src/testing/documents.js';
import {
  addressesOf,
  gatewaysOf,
  type LabPort,
  labNetwork,
  labPort,
  macOf,
  PacketLab,
} from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';
import { expectPlaced, PLACED_ADDRESS, placedEntries } from './placed-packets.js';

const ACME = 'router/acme/main';
const UMBRELLA = 'router/umbrella/main';
const WEB = labNetwork(11, ACME, '10.0.1', 'fd00:1');
const DB = labNetwork(12, ACME, '10.0.2', 'fd00:2');
const THEIR_WEB = labNetwork(21, UMBRELLA, '10.0.1', 'fd00:1');
const THEIR_DB = labNetwork(22, UMBRELLA, '10.0.2', 'fd00:2');

/** What the two next hops forward to: themselves, under an address that both have. */
const FAR = ['10.8.0.0/16', 'fd08::/64'] as const;
const FAR_HOST = ['10.8.0.1', 'fd08::1'] as const;

const WEB_1 = labPort('web-1', WEB, 'dpu-1', 0, 11);
const DB_1 = labPort('db-1', DB, 'dpu-1', 1, 11);
const DB_2 = labPort('db-2', DB, 'dpu-2', 0, 12);
const HOP_1: LabPort = { ...labPort('hop-1', DB, 'dpu-1', 2, 21), allowed: FAR };
const HOP_2: LabPort = { ...labPort('hop-2', WEB, 'dpu-2', 1, 22), allowed: FAR };
const PORTS = [
  WEB_1,
  DB_1,
  DB_2,
  HOP_1,
  HOP_2,
  labPort('their-web', THEIR_WEB, 'dpu-1', 3, 11),
  labPort('their-db', THEIR_DB, 'dpu-2', 2, 13),
];

const IPV4_TTL = 14 + 8;
const IPV6_HOP_LIMIT = 14 + 7;

/** What every driver has to do with packets between the networks of a router. */
export function routerPackets(
  title: string,
  openWorld: (name: string) => PacketWorld,
  /** Where something could listen on the gateways' addresses; absent: nowhere. */
  namespaceOf?: (lab: PacketLab, dpu: string, router: string) => string,
): void {
  jest.setTimeout(60_000);
  describe(`${title}: a router`, () => {
    let lab: PacketLab;
    const pod = (name: string): Pod => lab.pod(name);

    beforeAll(async () => {
      const name = `r${process.pid.toString(36)}`;
      lab = await PacketLab.open(name, PORTS, 1500, openWorld(name));
      for (const dpu of lab.testbed.dpus.keys()) await lab.apply(dpu, lab.entriesFor(dpu));
    });
    afterAll(() => lab[Symbol.asyncDispose]());

    it.each(PORTS.map((each) => [each.name, each] as const))(
      "answers %s's pings as the gateway, on whichever DPU it is",
      async (name, { network: own }) => {
        for (const gateway of gatewaysOf(own)) await waitReachable(pod(name), gateway);
      },
    );

    it.each([
      ['on the same DPU', DB_1],
      ['on another DPU', DB_2],
    ])('joins its networks for a port %s, by IPv4, IPv6 and TCP', async (_where, to) => {
      for (const address of addressesOf(to)) await waitReachable(pod('web-1'), address);
      expect(await tcpConnect(pod('web-1'), pod(to.name), 8080)).toMatchObject({
        kind: 'echoed',
        server: to.name,
        client: { ip: addressesOf(WEB_1)[0] },
      });
    });

    it('takes one hop from what it forwards, and shows its own address as the sender', async () => {
      const seen: { mac: string; hops: number }[] = [];
      const capture = await FrameCapture.open(pod('db-2'), 'eth0', (frame, direction) => {
        const type = etherTypeOf(frame);
        const hops = frame[type === ETHER_TYPE.IPV6 ? IPV6_HOP_LIMIT : IPV4_TTL];
        if (direction !== 'in' || !frame.includes('one hop less') || hops === undefined) return false;
        seen.push({ mac: frame.subarray(6, 12).toString('hex'), hops });
        return true;
      });
      const sender = await FrameSender.open(pod('web-1'), 'eth0');
      try {
        for (const [index, ip] of addressesOf(WEB_1).entries()) {
          const destination = { ip: addressesOf(DB_2)[index] ?? '', port: 5000 };
          const payload = Buffer.from('one hop less');
          const source = { ip, port: 5000 };
          const macs = { sourceMac: macOf(WEB_1), destinationMac: d.GATEWAY_MAC };
          sender.send(udpFrame({ ...macs, source, destination, payload }));
        }
        await waitUntil('both arrive', async () => {
          void capture.report;
          return seen.length === 2 ? undefined : JSON.stringify(seen);
        });
        const mac = d.GATEWAY_MAC.replaceAll(':', '');
        expect(seen).toEqual([
          { mac, hops: 63 },
          { mac, hops: 63 },
        ]);
      } finally {
        sender[Symbol.dispose]();
        capture[Symbol.dispose]();
      }
    });

    it('keeps tenants with the same addresses apart', async () => {
      await waitReachable(pod('their-web'), '10.0.2.13');
      // 10.0.2.11 and .12 are the other tenant's.
      for (const ip of ['10.0.2.11', '10.0.2.12', 'fd00:2::11', 'fd00:2::12']) {
        expect(await ping(pod('their-web'), ip, { timeoutMilliseconds: 200 })).toMatchObject({ received: 0 });
      }
      expect(await tcpConnect(pod('their-web'), pod('their-db'), 8081)).toMatchObject({ server: 'their-db' });
      expect(await tcpConnect(pod('web-1'), pod('db-1'), 8081)).toMatchObject({ server: 'db-1' });
    });

    it('has no services: nothing but pings is answered by a gateway', async () => {
      const name = namespaceOf?.(lab, 'dpu-1', ACME);
      const namespace = name === undefined ? undefined : NetworkNamespace.open({ name });
      const server =
        namespace && (await EchoServer.listen({ name: 'router', namespace, addresses: [] }, 8082));
      try {
        for (const ip of [...gatewaysOf(WEB), ...gatewaysOf(DB)]) {
          const options = { timeoutMilliseconds: 200 };
          expect(await tcpEcho(pod('web-1'), { ip, port: 8082 }, options)).toMatchObject({ kind: 'failed' });
          expect(await udpEcho(pod('web-1'), { ip, port: 8082 }, options)).toMatchObject({ kind: 'failed' });
        }
      } finally {
        server?.[Symbol.dispose]();
        namespace?.close();
      }
    });

    it('is asked for where the port is: no request for a gateway goes over a tunnel', async () => {
      const { plan } = lab.testbed.dpu('dpu-1');
      const capture = await FrameCapture.open(lab.testbed.dpu('dpu-1'), plan.underlay.device, (frame) => {
        const inner = encapsulated(frame);
        return inner !== undefined && isArp(inner);
      });
      try {
        const socket = NetlinkSocket.open({ namespace: pod('web-1').namespace });
        const known = await socket.dump(neighbour.dump());
        await socket.batch(
          known.flatMap(({ ndmFamily, ndmIfindex, dst }) =>
            dst === undefined ? [] : [neighbour.remove({ ndmFamily, ndmIfindex, dst })],
          ),
        );
        socket.close();
        await waitReachable(pod('web-1'), gatewaysOf(WEB)[0]);
        await waitReachable(pod('web-1'), addressesOf(DB_2)[0]);
        expect(capture.report).toMatchObject({ count: 0, drops: 0 });
      } finally {
        capture[Symbol.dispose]();
      }
    });

    it('has what callers place there: routes, addresses, neighbours and forwarding entries', async () => {
      for (const dpu of lab.testbed.dpus.keys()) {
        await lab.apply(dpu, [...lab.entriesFor(dpu), ...placedEntries(lab, dpu, WEB, DB_2)]);
      }
      await expectPlaced(lab, WEB_1, DB_2);
      for (const dpu of lab.testbed.dpus.keys()) await lab.apply(dpu, lab.entriesFor(dpu));
      const report = await ping(pod('web-1'), PLACED_ADDRESS, { timeoutMilliseconds: 200 });
      expect(report.received).toBe(0);
    });

    describe('with a static route over two next hops', () => {
      const FLOWS = 400;
      const hops = (weights: readonly [number, number], index: 0 | 1) =>
        [HOP_1, HOP_2].map((hop, position) => ({
          gateway: addressesOf(hop)[index],
          weight: weights[position] ?? 0,
          networkUid: hop.network.uid,
        }));
      const routed = (dpu: string, weights: readonly [number, number]): d.Entry[] => [
        ...lab.entriesFor(dpu),
        ...FAR.map((destination, index) => d.route(destination, hops(weights, index === 0 ? 0 : 1), ACME)),
      ];

      beforeAll(async () => {
        for (const hop of [HOP_1, HOP_2]) {
          for (const address of FAR_HOST) await pod(hop.name).addAddress(address);
        }
      });

      it.each([0, 1] as const)('shares flows by weight, and keeps each on its way (%#)', async (index) => {
        for (const dpu of lab.testbed.dpus.keys()) await lab.apply(dpu, routed(dpu, [1, 3]));
        const servers = await Promise.all(
          [HOP_1, HOP_2].map(({ name }) => EchoServer.listen(pod(name), 8083)),
        );
        const destination = { ip: FAR_HOST[index], port: 8083 };
        await waitReachable(pod('web-1'), destination.ip);
        const counts: Record<string, number> = {};
        try {
          for (let flow = 0; flow < FLOWS; flow++) {
            const source = { ip: addressesOf(WEB_1)[index], port: 20_000 + flow };
            // Several packets each way: one that took the other way would be answered by a reset.
            const outcome = await tcpEcho(pod('web-1'), destination, { source, payloadBytes: 4096 });
            if (outcome.kind !== 'echoed') throw new Error(JSON.stringify(outcome));
            counts[outcome.server] = (counts[outcome.server] ?? 0) + 1;
          }
        } finally {
          for (const server of servers) server[Symbol.dispose]();
        }
        // A fair share is 100 of 400; so far off is less likely than one in a million.
        expect(counts['hop-1']).toBeGreaterThan(55);
        expect(counts['hop-1']).toBeLessThan(145);
        expect((counts['hop-1'] ?? 0) + (counts['hop-2'] ?? 0)).toBe(FLOWS);
      });

      it('sends all to the other when one is taken away', async () => {
        const servers = await Promise.all(
          [HOP_1, HOP_2].map(({ name }) => EchoServer.listen(pod(name), 8084)),
        );
        try {
          for (const dpu of lab.testbed.dpus.keys()) {
            await lab.apply(dpu, [...lab.entriesFor(dpu), d.route(FAR[0], hops([1, 1], 0).slice(1), ACME)]);
          }
          for (let flow = 0; flow < 20; flow++) {
            const source = { ip: addressesOf(WEB_1)[0], port: 21_000 + flow };
            const outcome = await tcpEcho(pod('web-1'), { ip: FAR_HOST[0], port: 8084 }, { source });
            expect(outcome).toMatchObject({ server: 'hop-2' });
          }
        } finally {
          for (const server of servers) server[Symbol.dispose]();
        }
      });
    });
  });
}
