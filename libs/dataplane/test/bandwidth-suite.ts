import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { TcpBulk, waitReachable, waitUntil } from '@outboard/testbed';
import { addressesOf, labNetwork, labPort, PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

const NET = labNetwork(51, 'router/acme/main', '10.0.1', 'fd00:1');
/** 10 Mbit/s. */
const KBPS = 10_000;
/** Enough that what a bucket lets through at once counts for little. */
const BYTES = 1_000_000;
/** TCP takes drops as congestion: it gets less than the rate where what is more does not wait. */
const LEAST = 0.2;
const MOST = 1.3;
const UNLIMITED_WITHIN_MILLISECONDS = 20_000;

const RECEIVER = labPort('receiver', NET, 'dpu-1', 0, 11);
const SENDER = labPort('sender', NET, 'dpu-1', 1, 12);
const NEAR = labPort('near', NET, 'dpu-1', 2, 13);
const FAR = labPort('far', NET, 'dpu-2', 0, 14);
const LIMITS = { receiver: { ingressKbps: KBPS }, sender: { egressKbps: KBPS } };

/** What every driver has to do with ports that have a bandwidth. */
export function bandwidthPackets(title: string, openWorld: (name: string) => PacketWorld): void {
  jest.setTimeout(60_000);
  describe(`${title}: a bandwidth`, () => {
    let lab: PacketLab;

    beforeAll(async () => {
      const name = `w${process.pid.toString(36)}`;
      lab = await PacketLab.open(name, [RECEIVER, SENDER, NEAR, FAR], 1500, openWorld(name));
      for (const dpu of lab.testbed.dpus.keys()) await lab.apply(dpu, lab.entriesFor(dpu, LIMITS));
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());

    /** What TCP gets from one to the other, in parts of the bandwidth. */
    async function share(from: typeof NEAR, to: typeof NEAR): Promise<number> {
      const [ip] = addressesOf(to);
      await waitReachable(lab.pod(from.name), ip);
      const ends = { from: lab.pod(from.name), to: lab.pod(to.name), ip };
      const bulk = await TcpBulk.start(lab.testbed, { ...ends, directions: ['forward'] });
      await waitUntil(`${from.name} sends to ${to.name}`, async () => {
        const bytes = bulk.bytes('forward');
        return bytes >= BYTES ? undefined : `${bytes} bytes`;
      });
      const { forward } = await bulk.stop();
      return (forward?.bitsPerSecond ?? 0) / 1000 / KBPS;
    }

    it.each([
      ['what the port receives, from its own DPU', NEAR, RECEIVER],
      ['what the port receives, from another DPU', FAR, RECEIVER],
      ['what the port sends, to its own DPU', SENDER, NEAR],
      ['what the port sends, to another DPU', SENDER, FAR],
    ])('limits %s', async (_, from, to) => {
      const got = await share(from, to);
      expect(got).toBeGreaterThan(LEAST);
      expect(got).toBeLessThan(MOST);
    });

    /** A machine that does other things may hold a transfer up; a limit holds up every one. */
    async function expectUnlimited(from: typeof NEAR, to: typeof NEAR): Promise<void> {
      await waitUntil(
        `${from.name} sends to ${to.name} without a limit`,
        async () => {
          const got = await share(from, to);
          return got > MOST ? undefined : `${got} of the bandwidth`;
        },
        UNLIMITED_WITHIN_MILLISECONDS,
      );
    }

    it.each([
      ['what a port sends whose receiving is limited', RECEIVER, NEAR],
      ['what a port receives whose sending is limited', FAR, SENDER],
      ['other ports', NEAR, FAR],
    ])('does not limit %s', async (_, from, to) => {
      await expectUnlimited(from, to);
    });

    it('is gone when it is not wanted any more', async () => {
      await lab.apply('dpu-1', lab.entriesFor('dpu-1'));
      await expectUnlimited(NEAR, RECEIVER);
      await expectUnlimited(SENDER, FAR);
    });
  });
}
