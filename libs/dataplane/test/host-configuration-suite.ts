import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setSysctls } from '@outboard/ffi';
import {
  address,
  link,
  linkByName,
  NetlinkSocket,
  neighbourDiscoveryFrame,
  route,
  upFlags,
} from '@outboard/netlink';
import {
  FrameCapture,
  FrameSender,
  type Pod,
  runDhcpClient,
  udpFrame,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import * as d from '../src/testing/documents.js';

import { addressesOf, type LabPort, labNetwork, MTU, macOf, PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

const ACME = 'router/acme/main';
const WEB = labNetwork(51, ACME, '10.0.1', 'fd00:1');
const DB = labNetwork(52, ACME, '10.0.2', 'fd00:2');
const ASKING: LabPort = { name: 'asking', network: WEB, dpu: 'dpu-1', vf: 0, number: 11, bare: true };
const ROGUE: LabPort = { name: 'rogue', network: WEB, dpu: 'dpu-1', vf: 1, number: 12 };
const NEIGHBOUR: LabPort = { name: 'neighbour', network: WEB, dpu: 'dpu-2', vf: 0, number: 13 };
const ELSEWHERE: LabPort = { name: 'elsewhere', network: DB, dpu: 'dpu-2', vf: 1, number: 14 };
const PORTS = [ASKING, ROGUE, NEIGHBOUR, ELSEWHERE];

/** What a host with the MAC address of `ASKING` makes of the prefix. */
const MADE = 'fd00:1::5eff:fe00:330b';
const LINK_LOCAL = 'fe80::1';
const NDP = { ROUTER_ADVERTISEMENT: 134, ADVERTISEMENT: 136 };

const IPV4: d.SubnetInit = {
  prefix: '10.0.1.0/24',
  gateway: '10.0.1.1',
  dnsServers: ['10.0.1.53'],
  domainName: 'example.org',
  dhcp: { leaseSeconds: 600, routes: [{ destination: '192.0.2.0/24', nextHop: '10.0.1.12' }] },
};
/** `autonomous`: hosts make addresses; otherwise they ask for them. */
const ipv6 = (autonomous: boolean): d.SubnetInit => ({
  prefix: 'fd00:1::/64',
  gateway: 'fd00:1::1',
  dnsServers: ['fd00:1::53'],
  dhcp: { leaseSeconds: 600 },
  advertisement: { lifetimeSeconds: 1800, autonomous },
});

/** What every driver's DPU has to do for ports that ask how to configure themselves, with clients that are in use. */
export function hostConfigurationPackets(title: string, openWorld: (name: string) => PacketWorld): void {
  jest.setTimeout(60_000);
  describe(`${title}: a port that asks how to configure itself`, () => {
    let lab: PacketLab;
    let asking: Pod;
    let rogue: Pod;
    let socket: NetlinkSocket;

    /** The document of a DPU, with what ports are told; `own`: the IPv6 address of the port that asks. */
    const apply = async (dpu: string, subnets: readonly d.SubnetInit[], own?: string): Promise<void> => {
      const entries = lab.entriesFor(dpu).map((entry): d.Entry => {
        if (own === undefined || !entry[0].endsWith(`/${ASKING.name}`)) return entry;
        const macAddress = macOf(ASKING);
        const ipAddresses = [addressesOf(ASKING)[0], own];
        return dpu === ASKING.dpu
          ? d.endpoint(ASKING.name, WEB.uid, { representor: 'pf0vf0', macAddress, ipAddresses })
          : d.remoteEndpoint(ASKING.name, WEB.uid, { tunnelEndpoint: '10.254.0.1', macAddress, ipAddresses });
      });
      await lab.apply(dpu, [...entries, d.hostConfiguration(WEB.uid, subnets)]);
    };

    const device = async (): Promise<number> => (await linkByName(socket, 'eth0'))?.ifiIndex ?? 0;
    const ownAddresses = async (): Promise<string[]> => {
      const index = await device();
      const found = await socket.dump(address.dump());
      return found.flatMap((each) => (each.ifaIndex === index ? [each.local ?? each.address ?? ''] : []));
    };
    const defaultRouters = async (): Promise<string[]> => {
      const routes = await socket.dump(route.dump());
      return routes.flatMap(({ rtmDstLen, gateway }) => (rtmDstLen === 0 && gateway ? [gateway] : []));
    };
    /** As a host that comes up: it asks for a router at once. */
    const comeUp = async (): Promise<void> => {
      const ifiIndex = await device();
      for (const up of [false, true]) await socket.batch([link.change({ ifiIndex, ...upFlags(up) })]);
    };

    beforeAll(async () => {
      const name = `h${process.pid.toString(36)}`;
      lab = await PacketLab.open(name, PORTS, 1500, openWorld(name));
      asking = lab.pod('asking');
      rogue = lab.pod('rogue');
      socket = NetlinkSocket.open({ namespace: asking.namespace });
      setSysctls(asking.namespace, { 'net/ipv6/conf/eth0/accept_ra': '1' });
      for (const dpu of lab.testbed.dpus.keys()) await apply(dpu, [IPV4]);
      await waitReachable(rogue, addressesOf(NEIGHBOUR)[0]);
    });
    afterAll(async () => {
      socket.close();
      await lab[Symbol.asyncDispose]();
    });

    it('by DHCP is told its address and MTU, its router, routes and DNS, and is reached by them', async () => {
      const told = await runDhcpClient(asking, 4);
      expect(Object.fromEntries(told)).toMatchObject({
        ip_address: addressesOf(ASKING)[0],
        subnet_mask: '255.255.255.0',
        routers: '10.0.1.1',
        domain_name_servers: '10.0.1.53',
        domain_name: 'example.org',
        host_name: 'asking',
        interface_mtu: `${MTU}`,
        dhcp_lease_time: '600',
        dhcp_server_identifier: '10.0.1.1',
      });
      for (const port of [NEIGHBOUR, ELSEWHERE]) await waitReachable(asking, addressesOf(port)[0]);
      await waitReachable(lab.pod('elsewhere'), addressesOf(ASKING)[0]);
    });

    it('is told the same after a restart of the worker', async () => {
      await lab.stopWorker('dpu-1');
      await lab.startWorker('dpu-1');
      await apply('dpu-1', [IPV4]);
      expect((await runDhcpClient(asking, 4)).get('ip_address')).toBe(addressesOf(ASKING)[0]);
    });

    it('is told of the router by advertisements, makes its IPv6 address, and is reached by it', async () => {
      for (const dpu of lab.testbed.dpus.keys()) await apply(dpu, [IPV4, ipv6(true)], MADE);
      await comeUp();
      await waitUntil('the router and the address are there', async () => {
        const found = [...(await ownAddresses()), ...(await defaultRouters())];
        return found.includes(MADE) && found.includes(LINK_LOCAL) ? undefined : found.join(' ');
      });
      for (const port of [NEIGHBOUR, ELSEWHERE]) await waitReachable(asking, addressesOf(port)[1]);
      await waitReachable(lab.pod('elsewhere'), MADE);
    });

    it('learns at once that addresses come by DHCPv6 now, asks for one, and is reached by it', async () => {
      const advertised = await FrameCapture.open(asking, 'eth0', (frame) => isManagedAdvertisement(frame));
      for (const dpu of lab.testbed.dpus.keys()) await apply(dpu, [IPV4, ipv6(false)]);
      await waitUntil('it is told', () => (advertised.report.count > 0 ? undefined : 'no advertisement'));
      advertised[Symbol.dispose]();
      const told = await runDhcpClient(asking, 6);
      expect(Object.fromEntries(told)).toMatchObject({
        ip6_address: addressesOf(ASKING)[1],
        dhcp6_name_servers: 'fd00:1::53',
        max_life: '600',
      });
      await waitReachable(lab.pod('elsewhere'), addressesOf(ASKING)[1]);
    });

    it('hears no server and no router among the ports', async () => {
      const forged = 'forged by a neighbour';
      const captures = await Promise.all(
        [asking, lab.pod('neighbour')].map((pod) =>
          FrameCapture.open(pod, 'eth0', (frame, direction) => direction === 'in' && isForged(frame, forged)),
        ),
      );
      const sender = await FrameSender.open(rogue, 'eth0');
      const [own4, own6] = addressesOf(ROGUE);
      const sourceMac = macOf(ROGUE);
      const everyone = { sourceMac, destinationMac: '33:33:00:00:00:01', destination: 'ff02::1' };
      const payload = Buffer.from(forged);
      const message = (type: number, target = '') =>
        Buffer.concat([Buffer.from([type, 0, 0, 0, 0xa0, 0, 0, 0]), Buffer.from(target, 'hex'), payload]);
      for (const source of [own6, LINK_LOCAL, 'fe80::99'])
        sender.send(
          neighbourDiscoveryFrame({ ...everyone, source, message: message(NDP.ROUTER_ADVERTISEMENT) }),
        );
      // As the router to its neighbours: by its address, and by an answer that nobody asked for.
      const router = 'fe800000000000000000000000000001';
      for (const source of [own6, 'fe80::99'])
        sender.send(
          neighbourDiscoveryFrame({ ...everyone, source, message: message(NDP.ADVERTISEMENT, router) }),
        );
      sender.send(
        neighbourDiscoveryFrame({ ...everyone, source: LINK_LOCAL, message: message(135, router) }),
      );
      const toAll = { sourceMac, destinationMac: 'ff:ff:ff:ff:ff:ff', payload };
      sender.send(
        udpFrame({
          ...toAll,
          source: { ip: own4, port: 67 },
          destination: { ip: '255.255.255.255', port: 68 },
        }),
      );
      const destination = { ip: 'ff02::1', port: 546 };
      sender.send(udpFrame({ ...everyone, payload, source: { ip: 'fe80::99', port: 547 }, destination }));
      // What it may send comes by the same way, and after.
      const seen = await FrameCapture.open(asking, 'eth0', (frame) => frame.includes('allowed'));
      const mark = { ...toAll, payload: Buffer.from('allowed') };
      const port = 5000;
      sender.send(
        udpFrame({ ...mark, source: { ip: own4, port }, destination: { ip: '255.255.255.255', port } }),
      );
      await waitUntil('what is allowed arrives', () => (seen.report.count > 0 ? undefined : 'nothing'));
      expect(captures.map(({ report }) => report.count)).toEqual([0, 0]);
      for (const each of [...captures, seen, sender]) each[Symbol.dispose]();
    });
  });
}

const isForged = (frame: Buffer, text: string): boolean => frame.includes(text);

/** With the flag by which hosts ask for addresses by DHCP. */
const isManagedAdvertisement = (frame: Buffer): boolean =>
  frame.length > 60 && frame[54] === NDP.ROUTER_ADVERTISEMENT && ((frame[59] ?? 0) & 0x80) !== 0;
