import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { libc, SOCK_DGRAM, watchReadable } from '@outboard/ffi';
import {
  AF,
  addressMessage,
  applyAll,
  link,
  linkByName,
  NUD,
  neighbour,
  upFlags,
  withSocket,
} from '@outboard/netlink';
import type { Dpu } from '../places.js';
import type { Pod } from '../pod.js';
import { encodeSocketAddress, openSocket } from '../sockets.js';
import { Testbed } from '../testbed.js';
import { bridgedPods, specification } from '../testing.js';
import { FrameCapture, FrameSender } from './frame-socket.js';
import { arpFrame, BROADCAST, ETHER_TYPE, encapsulated, etherTypeOf, isArp, udpFrame } from './frames.js';
import { ping, waitConnected, waitReachable } from './ping.js';
import { waitUntil } from './wait.js';

const SPOOFED = '02:66:66:66:66:66';

async function macOf(pod: Pod): Promise<string> {
  const own = await withSocket(pod.namespace, (socket) => socket.get(link.get({ ifname: 'eth0' })));
  return own.address ?? '';
}

const open: Disposable[] = [];
const keep = async <Resource extends Disposable>(opening: Promise<Resource>): Promise<Resource> => {
  const resource = await opening;
  open.push(resource);
  return resource;
};

afterEach(() => {
  for (const resource of open.splice(0)) resource[Symbol.dispose]();
});

describe('frames', () => {
  let testbed: Testbed;
  let from: Pod;
  let to: Pod;

  beforeAll(async () => {
    const world = await bridgedPods(2);
    testbed = world.testbed;
    [from, to] = world.pods as [Pod, Pod];
    await waitConnected(world.pods);
  });

  afterAll(() => testbed.dispose());

  it('are sent with whatever source they carry, and seen so at the other end', async () => {
    const capture = await keep(FrameCapture.open(to, 'eth0', isArp));
    const sender = await keep(FrameSender.open(from, 'eth0'));
    const frame = arpFrame({
      operation: 'reply',
      senderMac: SPOOFED,
      senderIp: '10.0.1.1',
      targetIp: '10.0.1.11',
    });
    sender.send(frame);
    await waitUntil('the frame arrives', () => (capture.report.count > 0 ? undefined : 'it has not'));
    expect(capture.report.frames[0]).toEqual(frame);
    expect(capture.report.drops).toBe(0);
  });

  it.each([
    ['IPv4', '10.66.0.1', '10.0.1.11'],
    ['IPv6', 'fd66::1', 'fd00:1::11'],
  ])(
    'with a UDP datagram over %s from a made-up address are taken by the receiving kernel',
    async (_, spoofed, ip) => {
      const socket = openSocket(to.namespace, ip.includes(':') ? 6 : 4, SOCK_DGRAM);
      libc.bind(socket, encodeSocketAddress({ ip, port: 9000 }));
      const sender = await keep(FrameSender.open(from, 'eth0'));
      const destinationMac = await macOf(to);
      const received = new Promise<string>((resolve) => {
        const watcher = watchReadable(socket, () => {
          const bytes = Buffer.alloc(64);
          const length = libc.receive(socket, bytes);
          watcher[Symbol.dispose]();
          libc.close(socket);
          resolve(bytes.toString('utf8', 0, length));
        });
      });
      sender.send(
        udpFrame({
          sourceMac: SPOOFED,
          destinationMac,
          source: { ip: spoofed, port: 53 },
          destination: { ip, port: 9000 },
          payload: Buffer.from('odd'),
        }),
      );
      expect(await received).toBe('odd');
    },
  );

  it('are counted by what they are and where they go', async () => {
    const directions: string[] = [];
    const isIpv4 = (frame: Buffer, direction: string): boolean => {
      if (etherTypeOf(frame) !== ETHER_TYPE.IPV4) return false;
      directions.push(direction);
      return true;
    };
    const capture = await keep(FrameCapture.open(from, 'eth0', isIpv4));
    await ping(from, '10.0.1.11', { count: 2 });
    expect(capture.report).toMatchObject({ count: 2 + 2, drops: 0 });
    expect(directions).toEqual(['out', 'in', 'out', 'in']);
    expect(capture.report.seen).toBeGreaterThanOrEqual(4);
  });

  it('of a device that does not exist cannot be had', async () => {
    await expect(FrameSender.open(from, 'eth7')).rejects.toMatchObject({ code: 'ENODEV' });
  });
});

describe('a capture on the underlay', () => {
  it('shows which frames cross a tunnel', async () => {
    const testbed = await Testbed.create(specification(2, 0));
    try {
      const dpus = [...testbed.dpus.values()] as [Dpu, Dpu];
      for (const [index, dpu] of dpus.entries()) {
        await applyAll(dpu.socket, 'tunnel', [
          link.create({
            ifiIndex: 60,
            ifname: 'vx7',
            ...upFlags(),
            linkinfo: {
              kind: 'vxlan',
              data: {
                id: 7,
                local: `10.254.0.${index + 1}`,
                group: `10.254.0.${2 - index}`,
                port: 4789,
                ttl: 64,
              },
            },
          }),
        ]);
      }
      for (const [index, dpu] of dpus.entries()) {
        await applyAll(dpu.socket, 'address', [
          addressMessage(60, { ip: `10.7.0.${index + 1}`, prefixLength: 24 }),
        ]);
      }
      const inner = (frame: Buffer): boolean => encapsulated(frame) !== undefined;
      const innerArp = (frame: Buffer): boolean => isArp(encapsulated(frame) ?? Buffer.alloc(0));
      const all = await keep(FrameCapture.open(dpus[0], 'up0', inner));
      const arps = await keep(FrameCapture.open(dpus[0], 'up0', innerArp));
      await waitReachable(dpus[0], '10.7.0.2');
      expect(arps.report.count).toBeGreaterThanOrEqual(2);
      expect(all.report.count).toBeGreaterThanOrEqual(arps.report.count + 2);

      // With a permanent neighbour on both sides no ARP has to cross.
      for (const [index, dpu] of dpus.entries()) {
        const other = await linkByName((dpus[1 - index] as Dpu).socket, 'vx7');
        await applyAll(dpu.socket, 'neighbour', [
          neighbour.replace({
            ndmFamily: AF.INET,
            ndmIfindex: 60,
            ndmState: NUD.PERMANENT,
            dst: `10.7.0.${2 - index}`,
            lladdr: other?.address ?? BROADCAST,
          }),
        ]);
      }
      const before = arps.report.count;
      expect(await ping(dpus[0], '10.7.0.2', { count: 5 })).toMatchObject({ received: 5 });
      expect(arps.report).toMatchObject({ count: before, drops: 0 });
    } finally {
      await testbed.dispose();
    }
  });
});
