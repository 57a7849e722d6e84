import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setSysctls } from '@outboard/ffi';
import { AF, address, IFA_F, linkByName, NetlinkSocket, RT_TABLE, RTN, route } from '@outboard/netlink';
import { EchoServer, type Pod, ping, tcpEcho, udpEcho, waitReachable, waitUntil } from '@outboard/testbed';
import { doorAddress, doorAddressIpv6 } from '../src/realise/realise-egress.js';
import * as d from '../src/testing/documents.js';
import { addressesOf, labNetwork, labPort, PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

const ACME = 'router/acme/main';
const UMBRELLA = 'router/umbrella/main';
const WEB = labNetwork(31, ACME, '10.0.1', 'fd00:1');
const DB = labNetwork(32, ACME, '10.0.2', 'fd00:2');
const THEIR_WEB = labNetwork(41, UMBRELLA, '10.0.1', 'fd00:1');
const THEIR_DB = labNetwork(42, UMBRELLA, '10.0.2', 'fd00:2');

const WEB_1 = labPort('web-1', WEB, 'dpu-1', 0, 11);
const PORTS = [
  WEB_1,
  labPort('db-1', DB, 'dpu-1', 1, 11),
  labPort('db-2', DB, 'dpu-2', 0, 12),
  labPort('their-web', THEIR_WEB, 'dpu-1', 3, 11),
  labPort('their-db', THEIR_DB, 'dpu-2', 2, 13),
];

interface EgressOptions {
  /** What forwards them, if not the uplink. */
  readonly forwarder?: string;
}

/** What every driver has to do with packets that leave by the uplink. */
export function egressPackets(
  title: string,
  openWorld: (name: string) => PacketWorld,
  { forwarder }: EgressOptions = {},
): void {
  jest.setTimeout(60_000);
  describe(`${title}: a way out`, () => {
    let lab: PacketLab;
    const pod = (name: string): Pod => lab.pod(name);

    const SERVER = { ip: '10.254.0.250', port: 9000 };
    const UPLINKS: Record<string, string> = { 'dpu-1': '10.254.0.1', 'dpu-2': '10.254.0.2' };
    let server: EchoServer;

    /** Does something in the namespace of the fabric, to which the server is connected. */
    const onFabric = async (
      act: (socket: NetlinkSocket, device: number) => Promise<unknown>,
    ): Promise<void> => {
      const socket = NetlinkSocket.open({ namespace: lab.testbed.fabric.namespace });
      await act(socket, (await linkByName(socket, 'underlay'))?.ifiIndex ?? 0);
      socket.close();
    };

    beforeAll(async () => {
      const name = `e${process.pid.toString(36)}`;
      lab = await PacketLab.open(name, PORTS, 1500, openWorld(name));
      await lab.testbed.addFabricAddress('underlay', SERVER.ip, 24);
      server = await EchoServer.listen(lab.testbed.fabric, SERVER.port);
      for (const dpu of lab.testbed.dpus.keys()) {
        await lab.apply(dpu, [
          ...lab.entriesFor(dpu),
          ...[ACME, UMBRELLA].map((router) => d.egressGateway(router)),
        ]);
      }
    });
    afterAll(async () => {
      server?.[Symbol.dispose]();
      await lab?.[Symbol.asyncDispose]();
    });

    it.each(PORTS.map(({ name, dpu }) => [name, dpu] as const))(
      'lets %s reach a server beyond the uplink of %s, which sees the DPU as the client',
      async (name, dpu) => {
        for (const echo of [tcpEcho, udpEcho]) {
          expect(await echo(pod(name), SERVER)).toMatchObject({
            kind: 'echoed',
            client: { ip: UPLINKS[dpu] },
          });
        }
        await waitReachable(pod(name), SERVER.ip);
      },
    );

    it('serves tenants with the same addresses, and the same ports, at the same time', async () => {
      const source = { ip: '10.0.1.11', port: 12_345 };
      const payloadBytes = 1 << 20;
      const options = { source, payloadBytes, timeoutMilliseconds: 10_000 };
      const outcomes = await Promise.all(
        ['web-1', 'their-web'].map((name) => tcpEcho(pod(name), SERVER, options)),
      );
      const clients = outcomes.map((outcome) => (outcome.kind === 'echoed' ? outcome.client : outcome));
      expect(clients).toEqual([
        expect.objectContaining({ ip: UPLINKS['dpu-1'] }),
        expect.objectContaining({ ip: UPLINKS['dpu-1'] }),
      ]);
      expect(clients[0]).not.toEqual(clients[1]);
    });

    it('lets nobody in who was not spoken to, whatever he knows of the addresses behind it', async () => {
      const [web = ''] = addressesOf(WEB_1);
      await waitReachable(pod('web-1'), SERVER.ip);
      const behind = ['10.0.1.0/24', '240.0.0.0/5'].map((prefix) => prefix.split('/'));
      const routes = (oif: number) =>
        behind.map(([dst = '', length]) => ({
          rtmFamily: AF.INET,
          rtmDstLen: Number(length),
          rtmTable: RT_TABLE.MAIN,
          rtmType: RTN.UNICAST,
          dst,
          gateway: UPLINKS['dpu-1'] ?? '',
          oif,
        }));
      await onFabric((socket, oif) => socket.batch(routes(oif).map((each) => route.create(each))));
      const inside = await EchoServer.listen(pod('web-1'), 9001);
      try {
        const options = { timeoutMilliseconds: 300 };
        const outcome = await tcpEcho(lab.testbed.fabric, { ip: web, port: 9001 }, options);
        expect(outcome).toMatchObject({ kind: 'failed' });
        // Nor where the DPU knows a way: a router's own address between the two.
        for (const ip of [web, doorAddress(ACME)]) {
          expect(await ping(lab.testbed.fabric, ip, options)).toMatchObject({ received: 0 });
        }
        // The same way does lead there for somebody of the tenant.
        expect(await tcpEcho(pod('db-2'), { ip: web, port: 9001 })).toMatchObject({ server: 'web-1' });
      } finally {
        inside[Symbol.dispose]();
        await onFabric((socket, oif) => socket.batch(routes(oif).map((each) => route.remove(each))));
      }
    });

    it('lets IPv6 out as soon as the uplink has an address for it, under that, and nobody in', async () => {
      const server6 = { ip: 'fd00:fab::250', port: SERVER.port };
      const uplinks: Record<string, string> = { 'dpu-1': 'fd00:fab::1', 'dpu-2': 'fd00:fab::2' };
      setSysctls(lab.testbed.fabric.namespace, { 'net/ipv6/conf/underlay/disable_ipv6': '0' });
      await lab.testbed.addFabricAddress('underlay', server6.ip, 64);
      for (const [name, ip] of Object.entries(uplinks)) {
        const { namespace, plan } = lab.testbed.dpu(name);
        const device = forwarder ?? plan.underlay.device;
        setSysctls(namespace, { [`net/ipv6/conf/${device}/disable_ipv6`]: '0' });
        const socket = NetlinkSocket.open({ namespace });
        const uplink = await linkByName(socket, device);
        await socket.batch([
          address.create({
            ifaFamily: AF.INET6,
            ifaPrefixlen: 64,
            ifaIndex: uplink?.ifiIndex ?? 0,
            address: ip,
            flags: IFA_F.NODAD,
          }),
        ]);
        socket.close();
        await waitUntil('the driver knows of the address', async () =>
          lab.underlay(name)?.ipv6 ? undefined : JSON.stringify(lab.underlay(name)),
        );
        const ways = [ACME, UMBRELLA].flatMap((router) => [
          d.egressGateway(router),
          d.egressGateway(router, 'IPV6'),
        ]);
        await lab.apply(name, [...lab.entriesFor(name), ...ways]);
      }
      for (const { name, dpu } of PORTS) {
        await waitReachable(pod(name), server6.ip);
        for (const echo of [tcpEcho, udpEcho]) {
          expect(await echo(pod(name), server6)).toMatchObject({
            kind: 'echoed',
            client: { ip: uplinks[dpu] },
          });
        }
        await waitReachable(pod(name), SERVER.ip);
      }
      const inside = addressesOf(WEB_1)[1];
      const way = { rtmFamily: AF.INET6, rtmDstLen: 128, rtmTable: RT_TABLE.MAIN, rtmType: RTN.UNICAST };
      const options = { timeoutMilliseconds: 300 };
      for (const dst of [inside, doorAddressIpv6(ACME)]) {
        const gateway = uplinks['dpu-1'] ?? '';
        await onFabric((socket, oif) => socket.batch([route.create({ ...way, dst, gateway, oif })]));
        expect(await ping(lab.testbed.fabric, dst, options)).toMatchObject({ received: 0 });
      }
      for (const ip of [uplinks['dpu-1'] ?? '', 'fe80::2', 'fd00:2::11'])
        expect(await ping(pod('their-web'), ip, options)).toMatchObject({ received: 0 });
    });

    it('does not lead to the DPU itself, to another router, or into tunnels', async () => {
      const options = { timeoutMilliseconds: 300 };
      const local = await EchoServer.listen(lab.testbed.dpu('dpu-1'), 9002);
      const tunnel = await EchoServer.listen(lab.testbed.fabric, 4789);
      try {
        for (const ip of ['10.254.0.1', '10.255.0.1', '169.254.0.1']) {
          expect(await tcpEcho(pod('web-1'), { ip, port: 9002 }, options)).toMatchObject({ kind: 'failed' });
        }
        expect(await udpEcho(pod('web-1'), { ...SERVER, port: 4789 }, options)).toMatchObject({
          kind: 'failed',
        });
        // The management network is beyond another device of the DPU.
        expect(await ping(pod('web-1'), '10.255.0.254', options)).toMatchObject({ received: 0 });
        expect(await ping(pod('their-web'), '10.0.2.11', options)).toMatchObject({ received: 0 });
      } finally {
        local[Symbol.dispose]();
        tunnel[Symbol.dispose]();
      }
    });

    it('is closed again when it is not wanted any more, and the uplink forwards no more than before', async () => {
      await waitReachable(pod('web-1'), SERVER.ip);
      await lab.apply('dpu-1', lab.entriesFor('dpu-1'));
      expect(await ping(pod('web-1'), SERVER.ip, { timeoutMilliseconds: 300 })).toMatchObject({
        received: 0,
      });
      const { namespace, plan } = lab.testbed.dpu('dpu-1');
      const path = `/proc/sys/net/ipv4/conf/${forwarder ?? plan.underlay.device}/forwarding`;
      await waitUntil('the uplink does not forward', async () =>
        namespace.run(() => readFileSync(path, 'latin1').trim()) === '0' ? undefined : 'it does',
      );
    });
  });
}
