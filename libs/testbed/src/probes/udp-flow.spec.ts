import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Dpu } from '../places.js';
import type { Pod } from '../pod.js';
import type { Testbed } from '../testbed.js';
import { bridgedPods, setRepresentor } from '../testing.js';
import { waitConnected } from './ping.js';
import { PacketLog, UdpFlow } from './udp-flow.js';
import { waitUntil } from './wait.js';

describe('a packet log', () => {
  /** Packet n is sent at 10 n ms. */
  const logOf = (sent: number, arrivals: readonly number[]): PacketLog => {
    const log = new PacketLog();
    for (let sequence = 0; sequence < sent; sequence++) log.send(sequence * 10);
    for (const sequence of arrivals) log.receive(sequence);
    return log;
  };

  it('finds a planted gap and tells how long it was', () => {
    const report = logOf(10, [0, 1, 2, 6, 7, 8, 9]).judge(10);
    expect(report).toEqual({
      sent: 10,
      received: 7,
      lost: 3,
      reordered: 0,
      duplicates: 0,
      gaps: [{ first: 3, last: 5, startMilliseconds: 30, milliseconds: 30 }],
      gapTotal: 1,
      longestGapMilliseconds: 30,
      longestPauseMilliseconds: 10,
    });
  });

  it('knows late packets and doubled ones from lost ones', () => {
    const report = logOf(5, [0, 2, 1, 1, 4, 3]).judge(5);
    expect(report).toMatchObject({ lost: 0, reordered: 2, duplicates: 1, gaps: [] });
  });

  it('does not judge what may still be on its way', () => {
    const log = logOf(10, [0, 1, 3]);
    expect(log.judge(log.highest + 1)).toMatchObject({ sent: 4, lost: 1 });
    expect(log.judge(10).gaps).toEqual([
      { first: 2, last: 2, startMilliseconds: 20, milliseconds: 10 },
      { first: 4, last: 9, startMilliseconds: 40, milliseconds: 50 },
    ]);
  });

  it('accounts for every packet whatever arrives, in whatever order', () => {
    const packets = fc.integer({ min: 1, max: 10_000 }).chain((sent) =>
      fc.record({
        sent: fc.constant(sent),
        arrivals: fc.array(fc.integer({ min: 0, max: sent + 5 }), { maxLength: 200 }),
      }),
    );
    fc.assert(
      fc.property(packets, ({ sent, arrivals }) => {
        const report = logOf(sent, arrivals).judge(sent);
        const arrived = new Set(arrivals.filter((sequence) => sequence < sent));
        const missing = Array.from({ length: sent }, (_, sequence) => sequence).filter(
          (n) => !arrived.has(n),
        );
        expect(report.received).toBe(arrived.size);
        expect(report.lost).toBe(missing.length);
        const inGaps = report.gaps.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, offset) => first + offset),
        );
        expect(inGaps).toEqual(missing);
        expect(report.duplicates).toBe(arrivals.filter((n) => n < sent).length - arrived.size);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a UDP flow', () => {
  let testbed: Testbed;
  let dpu: Dpu;
  let from: Pod;
  let to: Pod;

  beforeAll(async () => {
    const world = await bridgedPods(2);
    ({ testbed, dpu } = world);
    [from, to] = world.pods as [Pod, Pod];
    await waitConnected(world.pods);
  });

  afterAll(() => testbed.dispose());

  it.each(['10.0.1.11', 'fd00:1::11'])('to %s loses nothing on a whole path', async (ip) => {
    const flow = UdpFlow.start({ from, to, ip, rate: 2000, payloadBytes: 200 });
    await flow.progress(600);
    const report = await flow.stop();
    expect(report.sent).toBeGreaterThanOrEqual(600);
    expect(report).toMatchObject({ received: report.sent, lost: 0, gaps: [], refused: {}, receiverDrops: 0 });
    // The rate that was asked for, as far as the timer of the machine allows.
    expect(report.sent).toBeLessThanOrEqual((report.milliseconds / 1000) * 2000 + 2);
  });

  it('sees a real outage as a gap of its packets and its length', async () => {
    const flow = UdpFlow.start({ from, to });
    await flow.progress(100);
    await setRepresentor(dpu, 1, false);
    const cutAt = flow.sent;
    await waitUntil('packets are lost', () => (flow.sent > cutAt + 100 ? undefined : `${flow.sent - cutAt}`));
    await setRepresentor(dpu, 1, true);
    await flow.progress(100);
    const report = await flow.stop();
    expect(report.lost).toBeGreaterThanOrEqual(100);
    expect(report.received + report.lost).toBe(report.sent);
    // A packet each millisecond; after a pause of this process those that are due go out at once.
    const packetsLost = report.lost;
    expect(report.longestGapMilliseconds).toBeGreaterThan(packetsLost - report.longestPauseMilliseconds - 10);
    const longest = report.gaps.find((gap) => gap.milliseconds === report.longestGapMilliseconds);
    expect(longest?.first).toBeGreaterThanOrEqual(100);
    expect(longest?.first).toBeLessThanOrEqual(cutAt + 5);
    expect(flow.report).toBe(report);
  });

  it('tells what the own kernel refused', async () => {
    const flow = UdpFlow.start({ from, to, ip: '192.0.2.1' });
    await waitUntil('packets are refused', () => (flow.sent > 10 ? undefined : 'none'));
    const report = await flow.stop();
    expect(report).toMatchObject({ received: 0, lost: report.sent, refused: { ENETUNREACH: report.sent } });
  });

  it('does not wait for ever for packets', async () => {
    const flow = UdpFlow.start({ from, to, ip: '192.0.2.1' });
    await expect(flow.progress(5, 100)).rejects.toThrow('5 of 5 packets did not arrive within 100 ms');
    flow[Symbol.dispose]();
  });

  it('refuses rates and sizes that it cannot do', () => {
    expect(() => UdpFlow.start({ from, to, rate: 0, payloadBytes: 4 })).toThrow('2 problems');
    expect(() => UdpFlow.start({ from, to: testbed.fabric })).toThrow('1 problem');
  });
});
