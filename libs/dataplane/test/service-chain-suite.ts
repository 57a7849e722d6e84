import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  type Dpu,
  EchoServer,
  ping,
  tcpEcho,
  UdpFlow,
  waitReachable,
  waitUnreachable,
  waitUntil,
} from '@outboard/testbed';
import { countsOfChain } from '../src/realise/hop-counters.js';
import * as d from '../src/testing/documents.js';
import { addressesOf, type LabPort, labNetwork, labPort, PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

const NET = labNetwork(61, 'router/acme/main', '10.0.1', 'fd00:1');
const CLIENT = labPort('client', NET, 'dpu-1', 0, 11);
const NEAR = labPort('near', NET, 'dpu-1', 1, 12);
const FAR = labPort('far', NET, 'dpu-2', 0, 13);
/** What is for this one is no business of the chain. */
const SPARED = labPort('spared', NET, 'dpu-2', 1, 14);
/** A function of a network that is in the way of others: a pod that hands frames from one port to the other. */
const hopPorts = (name: string, vf: number): readonly [LabPort, LabPort] => [
  { ...labPort(`${name}-in`, NET, 'dpu-1', vf, 20 + vf), within: { pod: name, device: 'eth0' } },
  { ...labPort(`${name}-out`, NET, 'dpu-1', vf + 1, 21 + vf), within: { pod: name, device: 'eth1' } },
];
const FIRST = hopPorts('first', 2);
const SECOND = hopPorts('second', 4);
const PORTS = [CLIENT, NEAR, FAR, SPARED, ...FIRST, ...SECOND];

const CHAIN = 'chain-1';
const FIRST_HOP = ['first-in', 'first-out'] as const;
const SECOND_HOP = ['second-in', 'second-out'] as const;
const ARRIVES = { timeoutMilliseconds: 2000 };
const FAILS = { timeoutMilliseconds: 150 };

type Hops = readonly (readonly [string, string?])[];

/**
 * What every driver has to do with ports whose traffic goes through a service chain.
 *
 * @param takeAway takes away what steers the first function of a DPU, as somebody might by hand.
 */
export function serviceChainPackets(
  title: string,
  openWorld: (name: string) => PacketWorld,
  takeAway: (dpu: Dpu, world: PacketWorld) => void,
): void {
  jest.setTimeout(60_000);
  describe(`${title}: a service chain`, () => {
    let lab: PacketLab;
    let world: PacketWorld;

    const pod = (name: string) => lab.pod(name);
    const inPod = (name: string, ...args: readonly string[]): void => {
      pod(name).namespace.run(() => execFileSync('ip', [...args]));
    };
    /** A hop that forwards frames whatever it is said to do; `stop` makes it a hole. */
    const setForwarding = (name: string, state: 'up' | 'down'): void =>
      inPod(name, 'link', 'set', 'br0', state);

    function entriesFor(dpu: string, hops: Hops, failOpen: boolean): d.Entry[] {
      const steered = { client: { serviceChains: [d.serviceChainKey(CHAIN)] } };
      const chain = d.serviceChain(CHAIN, {
        destinations: ['10.0.1.0/24', 'fd00:1::/64'],
        exceptions: addressesOf(SPARED),
        hops,
        failOpen,
      });
      return dpu === 'dpu-1' ? [...lab.entriesFor(dpu, steered), chain] : lab.entriesFor(dpu);
    }
    const chained = (hops: Hops, mode: 'FAIL_OPEN' | 'FAIL_CLOSED' = 'FAIL_CLOSED'): Promise<void> =>
      lab.apply('dpu-1', entriesFor('dpu-1', hops, mode === 'FAIL_OPEN'));

    const counts = async (...hops: readonly string[]) =>
      countsOfChain(await lab.ruleCounters('dpu-1'), CHAIN, hops);

    beforeAll(async () => {
      const name = `s${process.pid.toString(36)}`;
      world = openWorld(name);
      lab = await PacketLab.open(name, PORTS, 1500, world);
      for (const hop of ['first', 'second']) {
        inPod(hop, 'link', 'add', 'br0', 'type', 'bridge', 'ageing_time', '0');
        for (const device of ['eth0', 'eth1']) {
          inPod(hop, 'link', 'set', device, 'master', 'br0');
          // Both its ports hear the broadcasts of their network: it neither learns from these nor hands them on.
          const flags = ['learning', 'off', 'bcast_flood', 'off', 'mcast_flood', 'off'];
          inPod(hop, 'link', 'set', device, 'type', 'bridge_slave', ...flags);
        }
        setForwarding(hop, 'up');
      }
      await lab.apply('dpu-2', lab.entriesFor('dpu-2'));
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());
    beforeEach(() => {
      for (const uid of [...FIRST_HOP, ...SECOND_HOP]) lab.hops.report(uid, 'up');
    });

    it('is passed by what the port sends and by the answers, in order and in reverse, on one DPU and across', async () => {
      await chained([FIRST_HOP, SECOND_HOP]);
      for (const peer of [NEAR, FAR]) {
        for (const ip of addressesOf(peer)) {
          await waitReachable(pod('client'), ip);
          await waitReachable(pod(peer.name), addressesOf(CLIENT)[ip.includes(':') ? 1 : 0]);
        }
      }
      const server = await EchoServer.listen(pod('far'), 9001);
      const outcome = await tcpEcho(pod('client'), { ip: addressesOf(FAR)[0], port: 9001 }, ARRIVES);
      server[Symbol.dispose]();
      expect(outcome).toMatchObject({ kind: 'echoed' });
      const counted = await counts('first-in', 'second-in');
      expect(counted.map(({ hop, direction }) => `${hop} ${direction}`)).toEqual([
        'first-in forward',
        'first-in reverse',
        'second-in forward',
        'second-in reverse',
      ]);
      for (const { packets, bytes, passedPackets } of counted) {
        expect(packets).toBeGreaterThan(8n);
        expect(bytes).toBeGreaterThan(packets * 40n);
        expect(passedPackets).toBeGreaterThan(8n);
      }
      // A hop that lets nothing through lets nothing through.
      setForwarding('second', 'down');
      await waitUnreachable(pod('client'), addressesOf(FAR)[0], FAILS);
      await waitUnreachable(pod('client'), addressesOf(NEAR)[1], FAILS);
      for (const ip of addressesOf(SPARED)) await waitReachable(pod('client'), ip);
      setForwarding('second', 'up');
      await waitReachable(pod('client'), addressesOf(FAR)[0]);
    });

    it('lets no packet pass in FAIL_CLOSED while a hop is down, and is as before when it is up again', async () => {
      await chained([FIRST_HOP, SECOND_HOP]);
      const [ip] = addressesOf(FAR);
      await waitReachable(pod('client'), ip);
      lab.hops.report('second-out', 'down');
      await waitUnreachable(pod('client'), ip, FAILS);
      for (const [from, to] of [
        ['client', ip],
        ['client', addressesOf(NEAR)[1]],
        ['far', addressesOf(CLIENT)[0]],
      ] as const)
        expect(await ping(pod(from), to, { count: 2, ...FAILS })).toMatchObject({ received: 0 });
      // Nobody on the way sees it either, though every hop would hand it on.
      for (const { packets, passedPackets } of await counts('first-in', 'second-in'))
        expect([packets, passedPackets]).toEqual([0n, 0n]);
      for (const spared of addressesOf(SPARED)) await waitReachable(pod('client'), spared);
      lab.hops.report('second-out', 'up');
      await waitReachable(pod('client'), ip);
    });

    it('leaves a hop out in FAIL_OPEN while it is down', async () => {
      await chained([FIRST_HOP, SECOND_HOP], 'FAIL_OPEN');
      const [ip] = addressesOf(FAR);
      await waitReachable(pod('client'), ip);
      setForwarding('first', 'down');
      await waitUnreachable(pod('client'), ip, FAILS);
      lab.hops.report('first-in', 'down');
      await waitReachable(pod('client'), ip);
      lab.hops.report('second-in', 'down');
      setForwarding('second', 'down');
      await waitReachable(pod('client'), ip);
      setForwarding('first', 'up');
      setForwarding('second', 'up');
      lab.hops.report('first-in', 'up');
      lab.hops.report('second-in', 'up');
      await waitUntil('packets meet both hops again', async () => {
        await ping(pod('client'), ip, ARRIVES);
        const counted = await counts('first-in', 'second-in');
        return counted.every(({ packets }) => packets > 0n) ? undefined : 'no packet';
      });
    });

    it('loses no packet when hops are added, taken away and put in another order, or the chain goes', async () => {
      await chained([FIRST_HOP]);
      await waitReachable(pod('client'), addressesOf(FAR)[0]);
      const flows = [
        UdpFlow.start({ from: pod('client'), to: pod('far'), ip: addressesOf(FAR)[0] }),
        UdpFlow.start({ from: pod('far'), to: pod('client'), ip: addressesOf(CLIENT)[1] }),
      ];
      const enough = (packets: number): Promise<unknown> =>
        Promise.all(flows.map((flow) => flow.progress(packets)));
      for (const hops of [[FIRST_HOP, SECOND_HOP], [SECOND_HOP, FIRST_HOP], [SECOND_HOP], [FIRST_HOP]]) {
        await enough(100);
        await chained(hops);
      }
      await enough(100);
      await lab.apply('dpu-1', lab.entriesFor('dpu-1'));
      await enough(100);
      for (const flow of flows) {
        const { lost, gaps, receiverDrops } = await flow.stop();
        expect({ lost, gaps, receiverDrops }).toEqual({ lost: 0, gaps: [], receiverDrops: 0 });
      }
    });

    it('is as before when what steers was taken away by hand', async () => {
      await chained([FIRST_HOP]);
      const repaired = lab.repaired('dpu-1');
      takeAway(lab.testbed.dpu('dpu-1'), world);
      await repaired;
      await waitReachable(pod('client'), addressesOf(FAR)[0]);
      for (const { packets } of await counts('first-in')) expect(packets).toBeGreaterThan(0n);
    });

    it('gives a hop nothing that the port may not send, and takes nothing from a hop that is not of the chain', async () => {
      await chained([FIRST_HOP]);
      const before = await counts('first-in');
      inPod('client', 'address', 'add', '10.0.1.99/32', 'dev', 'lo');
      pod('client').namespace.run(() => {
        expect(() =>
          execFileSync('ping', ['-c', '1', '-W', '0.2', '-I', '10.0.1.99', addressesOf(FAR)[0]], {
            stdio: 'ignore',
          }),
        ).toThrow();
      });
      inPod('client', 'address', 'del', '10.0.1.99/32', 'dev', 'lo');
      expect(await counts('first-in')).toEqual(before);
    });

    it('lets packets out of a hop by the port that they came in by, where that is its only one', async () => {
      // Both ports of the pod are one: what comes in by it goes out by it.
      setForwarding('first', 'down');
      inPod('first', 'link', 'set', 'eth0', 'type', 'bridge_slave', 'hairpin', 'on');
      setForwarding('first', 'up');
      const chain = d.serviceChain(CHAIN, { destinations: ['10.0.1.13'], hops: [['first-in']] });
      const steered = { client: { serviceChains: [d.serviceChainKey(CHAIN)] } };
      await lab.apply('dpu-1', [...lab.entriesFor('dpu-1', steered), chain]);
      await waitReachable(pod('client'), addressesOf(FAR)[0]);
      for (const { packets, passedPackets } of await counts('first-in')) {
        expect(packets).toBeGreaterThan(0n);
        expect(passedPackets).toBeGreaterThan(0n);
      }
      setForwarding('first', 'down');
      await waitUnreachable(pod('client'), addressesOf(FAR)[0], FAILS);
      setForwarding('first', 'up');
    });
  });
}
