import { expect, it } from '@jest/globals';
import { countsOfPolicy } from './rule-counters.js';

it('of all counters those of a policy are told, by rule, of several routers together', () => {
  const of = (name: string, packets: bigint) => ({ name, packets, bytes: 100n * packets });
  const counters = [
    of('ingress-p-web', 1n),
    of('ingress-p-web', 2n),
    of('egress-p-web', 4n),
    of('ingress-p-a-b', 8n),
    of('ingress-q-web', 16n),
    of('ingress-denied-obp1', 32n),
  ];
  expect(countsOfPolicy(counters, 'p')).toEqual([
    { direction: 'egress', rule: 'web', packets: 4n, bytes: 400n },
    { direction: 'ingress', rule: 'a-b', packets: 8n, bytes: 800n },
    { direction: 'ingress', rule: 'web', packets: 3n, bytes: 300n },
  ]);
});
