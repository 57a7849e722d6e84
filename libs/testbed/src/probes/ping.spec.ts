import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { internetChecksum } from '@outboard/netlink';
import type { Dpu } from '../places.js';
import type { Pod } from '../pod.js';
import type { Testbed } from '../testbed.js';
import { bridgedPods, setRepresentor } from '../testing.js';
import { connectivityMatrix, ping, waitConnected, waitReachable, waitUnreachable } from './ping.js';

let testbed: Testbed;
let dpu: Dpu;
let pods: Pod[];
let first: Pod;

beforeAll(async () => {
  ({ testbed, dpu, pods } = await bridgedPods(3));
  [first] = pods as [Pod];
  await waitConnected(pods);
});

afterAll(() => testbed.dispose());

describe('ping', () => {
  it('counts and times the answers, over IPv4 and IPv6', async () => {
    for (const ip of ['10.0.1.11', 'fd00:1::11']) {
      const report = await ping(first, ip, { count: 3 });
      expect(report).toMatchObject({ sent: 3, received: 3 });
      for (const outcome of report.outcomes) {
        expect(outcome).toEqual({ kind: 'reply', milliseconds: expect.any(Number) });
      }
    }
  });

  it('with "do not fragment" passes up to the MTU and is refused above it; without, it is fragmented', async () => {
    for (const [ip, headers] of [
      ['10.0.1.11', 28],
      ['fd00:1::11', 48],
    ] as const) {
      const fits = { payloadBytes: 1500 - headers, doNotFragment: true };
      expect(await ping(first, ip, fits)).toMatchObject({ received: 1 });
      const exceeds = { ...fits, payloadBytes: fits.payloadBytes + 1 };
      expect((await ping(first, ip, exceeds)).outcomes).toEqual([{ kind: 'unsent', code: 'EMSGSIZE' }]);
      expect(await ping(first, ip, { ...exceeds, doNotFragment: false })).toMatchObject({ received: 1 });
    }
  });

  it('tells no route, no such neighbour and no answer apart', async () => {
    expect((await ping(first, '192.0.2.1')).outcomes).toEqual([{ kind: 'unsent', code: 'ENETUNREACH' }]);
    expect((await ping(first, '10.0.1.98', { timeoutMilliseconds: 1 })).outcomes).toEqual([
      { kind: 'timeout' },
    ]);
    // Three ARP requests without an answer, then the own kernel says so (net.ipv4.neigh.*.mcast_solicit).
    expect((await ping(first, '10.0.1.99', { timeoutMilliseconds: 5000 })).outcomes).toEqual([
      { kind: 'unreachable', reason: 'host unreachable' },
    ]);
  });

  it('of what is no address is refused', async () => {
    await expect(ping(first, 'web-0')).rejects.toMatchObject({ violations: [{ field: 'address' }] });
  });
});

describe('a connectivity matrix', () => {
  it('has every address of every pair, and names the pairs that do not reach each other', async () => {
    const whole = await connectivityMatrix(pods);
    expect(whole.entries).toHaveLength(12);
    expect(whole.failures).toEqual([]);
    expect(whole.reaches('p0', 'p1')).toBe(true);
    expect(whole.reaches('p0', 'p9')).toBe(false);

    await setRepresentor(dpu, 2, false);
    const cut = await connectivityMatrix(pods, { timeoutMilliseconds: 100 });
    expect(cut.reaches('p0', 'p1')).toBe(true);
    expect(cut.reaches('p0', 'p2')).toBe(false);
    expect(cut.reaches('p2', 'p0')).toBe(false);
    expect(cut.failures).toHaveLength(8);
    expect(cut.failures).toContain('p0 -> p2 (10.0.1.12): no answer');

    await expect(waitConnected(pods, 300)).rejects.toThrow(/not within 300 ms: 8 pairs do not: /);
    await setRepresentor(dpu, 2, true);
    await waitConnected(pods);
  });
});

describe('waiting', () => {
  it('for an answer, and for its end, takes as long as it takes and no longer than its deadline', async () => {
    const deadlineMilliseconds = 300;
    await expect(waitUnreachable(first, '10.0.1.12', { deadlineMilliseconds })).rejects.toThrow(
      'p0 does not reach 10.0.1.12: not within 300 ms: it does',
    );
    await setRepresentor(dpu, 2, false);
    await waitUnreachable(first, '10.0.1.12');
    await expect(waitReachable(first, '10.0.1.12', { deadlineMilliseconds })).rejects.toThrow(
      'p0 reaches 10.0.1.12: not within 300 ms: no answer',
    );
    const reachable = waitReachable(first, '10.0.1.12');
    await setRepresentor(dpu, 2, true);
    await reachable;
  });
});

describe('the internet checksum', () => {
  it('is that of the example of RFC 1071', () => {
    expect(internetChecksum(Buffer.from('0001f203f4f5f6f7', 'hex'))).toBe(~0xddf2 & 0xffff);
    expect(internetChecksum(Buffer.from('000102', 'hex'))).toBe(~0x0201 & 0xffff);
  });
});
