import { hash as digest } from 'node:crypto';
import type { RuleCounter } from '../driver.js';

/** `forward`: what ports send; `reverse`: what they get. */
export const HOP_DIRECTIONS = ['forward', 'reverse'] as const;
export type HopDirection = (typeof HOP_DIRECTIONS)[number];

const PREFIX = 'hop-';

/**
 * The name of what is given to a hop of a chain, or with an empty name, of what leaves the chain. Behind the prefix, 16 hexadecimal digits: a
 * filter has room for as many bytes as that.
 */
export const hopCounterName = (chainUid: string, direction: HopDirection, hop: string): string =>
  `${PREFIX}${digest('sha256', `${chainUid} ${direction} ${hop}`, 'hex').slice(0, 16)}`;

/** The part of a counter's name that a filter bears as its cookie, in hexadecimal. */
export const cookieOfCounter = (name: string): string => name.slice(PREFIX.length);
export const counterOfCookie = (cookie: string): string => `${PREFIX}${cookie}`;

/** What a hop was given in one direction, and what of that went on from it. */
export interface HopCount {
  readonly hop: string;
  readonly direction: HopDirection;
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly passedPackets: bigint;
  readonly passedBytes: bigint;
}

/** Of a chain with these hops, for each of them in their order both directions. What a hop passed was given to the next one, or left the chain. */
export function countsOfChain(
  counters: Iterable<RuleCounter>,
  chainUid: string,
  hops: readonly string[],
): HopCount[] {
  const sums = new Map<string, { packets: bigint; bytes: bigint }>();
  for (const { name, packets, bytes } of counters) {
    if (!name.startsWith(PREFIX)) continue;
    const sum = sums.get(name) ?? { packets: 0n, bytes: 0n };
    sums.set(name, { packets: sum.packets + packets, bytes: sum.bytes + bytes });
  }
  const given = (direction: HopDirection, hop: string) =>
    sums.get(hopCounterName(chainUid, direction, hop)) ?? { packets: 0n, bytes: 0n };
  return hops.flatMap((hop, index) =>
    HOP_DIRECTIONS.map((direction) => {
      const next = hops[direction === 'forward' ? index + 1 : index - 1] ?? '';
      const passed = given(direction, next);
      return {
        hop,
        direction,
        ...given(direction, hop),
        passedPackets: passed.packets,
        passedBytes: passed.bytes,
      };
    }),
  );
}
