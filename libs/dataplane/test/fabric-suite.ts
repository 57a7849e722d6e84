import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { IFF, linkByName, NetworkNamespace } from '@outboard/netlink';
import {
  type Endpoint,
  FrameCapture,
  FrameSender,
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
import { FabricDevice } from './fabric-device.js';
import type { PacketWorld } from './packets-suite.js';

const BARE = '0192f3c1-0000-7000-8000-00000000ba4e';
const UPLINK = 'p1';
const MTU = 1500;
const MACS = ['02:00:5e:00:ba:11', '02:00:5e:00:ba:12'] as const;
const IPS = ['10.0.1.11', '10.0.1.12'] as const;
const DEVICE = { mac: '02:00:5e:00:ba:c8', ip: '10.0.1.200' } as const;

const VLAN_ID = 101;

const entriesOf = (networkType: 'FLAT' | 'VLAN', uplink: string): d.Entry[] => [
  d.router(),
  d.bridgeDomain(BARE, {
    networkType,
    uplink,
    vni: 0,
    mtu: MTU,
    ...(networkType === 'VLAN' && { vlanId: VLAN_ID }),
  }),
  ...MACS.map((macAddress, index) =>
    d.endpoint(`bare-${index}`, BARE, {
      macAddress,
      ipAddresses: [IPS[index] ?? ''],
      representor: `pf0vf${index}`,
    }),
  ),
];

/** `frame` with a tag of VLAN 101. */
const tagged = (frame: Buffer): Buffer =>
  Buffer.concat([frame.subarray(0, 12), Buffer.from('81000065', 'hex'), frame.subarray(12)]);

/**
 * What every driver has to do with packets between ports of a network on an uplink and a device there: at the other end of the
 * cable, or of VLAN networks at an access port of a switch.
 */
export function fabricPackets(
  title: string,
  openWorld: (name: string) => PacketWorld,
  networkType: 'FLAT' | 'VLAN',
): void {
  jest.setTimeout(60_000);
  describe(`${title}: a ${networkType} network`, () => {
    const name = `f${process.pid.toString(36)}${networkType[0]?.toLowerCase()}`;
    const world = openWorld(name);
    const entries = (uplink = UPLINK): d.Entry[] => entriesOf(networkType, uplink);
    let testbed: Testbed;
    let driver: Driver<Spec>;
    let probe: EngineProbe<Spec>;
    let machine: FabricDevice;
    let device: Endpoint;
    const pods: Pod[] = [];
    let sequence = 0;
    const apply = (wanted: readonly d.Entry[]) => probe.apply(d.document(++sequence, wanted));

    /** Keys of all that is ours there. */
    const owned = async (): Promise<string[]> =>
      (await driver.observe({ kind: 'all' })).flatMap(({ key, ownership }) =>
        ownership.kind === 'owned' ? [key] : [],
      );

    beforeAll(async () => {
      testbed = await Testbed.create({
        name,
        dpus: [
          {
            name: 'dpu-1',
            serialNumber: 'S1',
            pfMacAddress: '08:c0:eb:00:00:01',
            functions: 2,
            checksumOffload: world.checksumOffload('dpu-1'),
          },
        ],
      });
      const dpu = testbed.dpu('dpu-1');
      const vlan = networkType === 'VLAN' ? { vlanId: VLAN_ID } : {};
      machine = await FabricDevice.plug(dpu, UPLINK, { prefix: `ob-${name}`, ...DEVICE, ...vlan });
      device = machine.endpoint;
      driver = await world.open(dpu);
      probe = await EngineProbe.start(driver);
      expect((await apply(entries())).problems).toEqual([]);
      for (const [index, macAddress] of MACS.entries()) {
        const pod = await testbed.createPod({ name: `bare-${index}`, host: dpu.host.name });
        await pod.attach(dpu, index, {
          mtu: MTU,
          macAddress,
          addresses: [{ ip: IPS[index] ?? '', prefixLength: 24 }],
        });
        pods.push(pod);
      }
    });

    afterAll(async () => {
      await probe[Symbol.asyncDispose]();
      await driver[Symbol.asyncDispose]();
      await machine[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
      for (const left of NetworkNamespace.list(`ob-${name}`)) NetworkNamespace.remove(left);
      await testbed.dispose();
    });

    const first = (): Pod => pods[0] as Pod;

    it('is told to be possible, and what is not, why', () => {
      const available = new Map(driver.capabilities().map((each) => [each.name, each.available]));
      expect(available.get(networkType.toLowerCase())).toBe(true);
      for (const { name: lacking, reason } of driver.capabilities().filter((each) => !each.available)) {
        expect([lacking, reason]).toEqual([lacking, expect.stringMatching(/.+/)]);
      }
    });

    it('joins its ports and a device on the fabric, both ways, in frames as large as the fabric takes', async () => {
      await waitReachable(first(), IPS[1]);
      await waitReachable(first(), DEVICE.ip);
      await waitReachable(device, IPS[1]);
      expect(await tcpConnect(device, first(), 8080)).toMatchObject({
        kind: 'echoed',
        client: { ip: DEVICE.ip },
      });
      expect(await tcpConnect(first(), device, 8081)).toMatchObject({
        kind: 'echoed',
        client: { ip: IPS[0] },
      });
      const whole = { doNotFragment: true, payloadBytes: MTU - 28 };
      expect(await ping(first(), DEVICE.ip, whole)).toMatchObject({ received: 1 });
    });

    it('lets nobody lie to the fabric, and takes no frames of its VLANs', async () => {
      const udp = (sourceMac: string, source: string, destinationMac: string, destination: string): Buffer =>
        udpFrame({
          sourceMac,
          destinationMac,
          source: { ip: source, port: 5000 },
          destination: { ip: destination, port: 5000 },
          payload: Buffer.from('hello'),
        });
      const lie = udp(MACS[0], '10.0.1.66', DEVICE.mac, DEVICE.ip);
      const truth = udp(MACS[0], IPS[0], DEVICE.mac, DEVICE.ip);
      const untagged = udp(DEVICE.mac, DEVICE.ip, MACS[0], IPS[0]);
      const seen: string[] = [];
      const watch = async (
        place: Endpoint,
        frames: Readonly<Record<string, Buffer>>,
      ): Promise<FrameCapture> =>
        FrameCapture.open(place, 'eth0', (frame, direction) => {
          for (const [label, wanted] of Object.entries(frames)) {
            if (direction === 'in' && frame.subarray(0, wanted.length).equals(wanted)) seen.push(label);
          }
          return true;
        });
      const captures = [
        await watch(device, { lie, truth }),
        await watch(first(), { tagged: tagged(untagged), untagged }),
      ];
      const fromPod = await FrameSender.open(first(), 'eth0');
      const fromDevice = await FrameSender.open(device, 'eth0');
      try {
        fromPod.send(lie);
        fromPod.send(truth);
        fromDevice.send(tagged(untagged));
        fromDevice.send(untagged);
        await waitUntil('what is allowed arrives', async () => {
          for (const capture of captures) void capture.report;
          return seen.includes('truth') && seen.includes('untagged') ? undefined : seen.join(', ');
        });
        expect(seen.sort()).toEqual(['truth', 'untagged']);
      } finally {
        for (const each of [...captures, fromPod, fromDevice]) each[Symbol.dispose]();
      }
    });

    it('is adopted by a restart without a change, and gone with its network', async () => {
      await probe[Symbol.asyncDispose]();
      probe = await EngineProbe.start(driver);
      const report = await apply(entries());
      expect(report).toMatchObject({ problems: [], repaired: 0 });
      await waitReachable(first(), DEVICE.ip);
      const { socket } = testbed.dpu('dpu-1');
      const isPromiscuous = async () => ((await linkByName(socket, UPLINK))?.ifiFlags ?? 0) & IFF.PROMISC;
      // It is to hear what is for the ports' MAC addresses.
      expect(await isPromiscuous()).toBeTruthy();
      await apply([]);
      await probe.engine.settled();
      expect(await owned()).toEqual([]);
      expect(await isPromiscuous()).toBeFalsy();
      expect(await ping(first(), DEVICE.ip, { timeoutMilliseconds: 200 })).toMatchObject({ received: 0 });
      await apply(entries());
      await waitReachable(first(), DEVICE.ip);
    });

    it('waits for its uplink', async () => {
      const missing = await apply(entries('p7'));
      expect(missing.problems).toContainEqual(
        expect.objectContaining({ state: 'PENDING', message: expect.stringContaining('link/p7') }),
      );
      await apply(entries());
      await waitReachable(first(), DEVICE.ip);
    });

    if (networkType === 'FLAT')
      it('refuses the uplink that carries the tunnels', async () => {
        const refused = await apply(entries(testbed.dpu('dpu-1').plan.underlay.device));
        expect(refused.problems).toContainEqual(
          expect.objectContaining({
            state: 'UNSUPPORTED',
            message: expect.stringContaining('carries the tunnels of this DPU'),
          }),
        );
        await apply(entries());
        await waitReachable(first(), DEVICE.ip);
      });
  });
}
