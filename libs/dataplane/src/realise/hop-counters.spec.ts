import { describe, expect, it } from '@jest/globals';
import { countsOfChain } from './hop-counters.js';
import { legsOf } from './service-chain.js';

const HOPS = ['one', 'two', 'three'];

/** What is counted on a DPU on which these hops work, if each is given 10 packets of 100 bytes and drops none. */
const counted = (...names: readonly string[]) => {
  const hops = names.map((name) => ({ name, ingress: `${name}-in`, egress: `${name}-out` }));
  return legsOf({ chainUid: 'chain', destinations: [], exceptions: [], hops, closed: false }).map(
    ({ counter }) => ({ name: counter, packets: 10n, bytes: 1000n }),
  );
};

const told = (...counters: ReturnType<typeof counted>): string[] =>
  countsOfChain(counters, 'chain', HOPS).map(
    ({ hop, direction, packets, bytes, passedPackets, passedBytes }) =>
      `${hop} ${direction} ${packets}/${bytes} ${passedPackets}/${passedBytes}`,
  );

describe('counters of a chain', () => {
  it('tell what each hop was given and what of it went on, in both directions', () => {
    expect(told(...counted(...HOPS))).toEqual(
      HOPS.flatMap((hop) => [`${hop} forward 10/1000 10/1000`, `${hop} reverse 10/1000 10/1000`]),
    );
  });

  it.each(HOPS)(
    'say nothing of %s when it is left out, and the others have passed on what they were given',
    (left) => {
      const working = HOPS.filter((hop) => hop !== left);
      expect(told(...counted(...working))).toEqual(
        HOPS.flatMap((hop) => {
          const count = hop === left ? '0/0 0/0' : '10/1000 10/1000';
          return [`${hop} forward ${count}`, `${hop} reverse ${count}`];
        }),
      );
    },
  );

  it('are those of all DPUs together, whichever hops work on each', () => {
    expect(told(...counted('one', 'three'), ...counted(...HOPS))[0]).toBe('one forward 20/2000 20/2000');
  });

  it('of other chains and of policies do not count', () => {
    expect(countsOfChain(counted(...HOPS), 'other', ['one']).map(({ packets }) => packets)).toEqual([0n, 0n]);
    expect(countsOfChain([{ name: 'ingress-x-y', packets: 1n, bytes: 1n }], 'chain', [])).toEqual([]);
  });
});
