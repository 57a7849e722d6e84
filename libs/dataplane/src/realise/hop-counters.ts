import { hash as digest } from 'node:crypto';
import type { RuleCounter } from '../driver.js';

/** `forward`: what ports send; `reverse`: what they get. */
const HOP_DIRECTIONS = ['forward', 'reverse'] as const;
export type HopDirection = (typeof HOP_DIRECTIONS)[number];

const PREFIX = 'hop-';

/**
 * The name of what goes in a direction from one hop of a chain to another; an empty name is what is outside the chain, on either
 * side of it. Both are named, as hops in between may be left out. Behind the prefix, 16 hexadecimal digits: a filter has
 * room for as many bytes as that.
 */
export const hopCounterName = (chainUid: string, direction: HopDirection, from: string, to: string): string =>
  `${PREFIX}${digest('sha256', `${chainUid} ${direction} ${from} ${to}`, 'hex').slice(0, 16)}`;

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

interface Count {
  readonly packets: bigint;
  readonly bytes: bigint;
}

const NOTHING: Count = { packets: 0n, bytes: 0n };
const plus = (one: Count, other: Count): Count => ({
  packets: one.packets + other.packets,
  bytes: one.bytes + other.bytes,
});

/**
 * Of a chain with these hops, for each of them in their order both directions. What a hop passed was given to one behind it, or
 * left the chain.
 */
export function countsOfChain(
  counters: Iterable<RuleCounter>,
  chainUid: string,
  hops: readonly string[],
): HopCount[] {
  const sums = new Map<string, Count>();
  for (const counter of counters)
    if (counter.name.startsWith(PREFIX))
      sums.set(counter.name, plus(sums.get(counter.name) ?? NOTHING, counter));
  const among = (direction: HopDirection, from: readonly string[], to: readonly string[]): Count =>
    from
      .flatMap((one) =>
        to.map((other) => sums.get(hopCounterName(chainUid, direction, one, other)) ?? NOTHING),
      )
      .reduce(plus, NOTHING);
  return hops.flatMap((hop, index) => {
    const [before, behind] = [
      ['', ...hops.slice(0, index)],
      [...hops.slice(index + 1), ''],
    ] as const;
    return HOP_DIRECTIONS.map((direction) => {
      const [sources, targets] = direction === 'forward' ? [before, behind] : [behind, before];
      const passed = among(direction, [hop], targets);
      return {
        hop,
        direction,
        ...among(direction, sources, [hop]),
        passedPackets: passed.packets,
        passedBytes: passed.bytes,
      };
    });
  });
}
