import { NFT_OBJECT, type NftObject, nftObject } from '@outboard/netlink';
import type { RuleCounter } from '../driver.js';
import { groupBy } from '../group-by.js';
import { DONE, missing, secondOf } from '../handlers.js';
import { resultOfFailure } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { guardKey, policyCounterKey } from '../realise/linux-keys.js';
import { type DeleteOperation, type Observed, observedOf, type PutOperation, specOf } from './handler.js';
import { type Change, ifThere, policyTable, type TransactionHandler } from './nft-transactions.js';
import type { Places } from './places.js';

const counter = (name: string) => ({ ...policyTable(), name, type: NFT_OBJECT.COUNTER });

/** Counters of rules, which stay when the rules change. */
export class PolicyCounters implements TransactionHandler {
  constructor(private readonly places: Places) {}

  putChange(operation: PutOperation): Change {
    const { namespace, name } = specOf(operation, 'policycounter');
    const withoutPlace = missing(guardKey(namespace, 'policies'));
    return {
      namespace,
      messages: [nftObject.append({ ...counter(name), data: {} })],
      withoutPlace,
      failureOf: (failure) => (failure.code === 'ENOENT' ? withoutPlace : resultOfFailure(failure)),
    };
  }

  removeChange(operation: DeleteOperation): Change {
    const { namespace, name } = observedOf(operation, 'policycounter');
    return { namespace, messages: [nftObject.remove(counter(name))], withoutPlace: DONE };
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') {
      const all = await Promise.all([...this.places.routers()].map(dump));
      return all.flatMap(({ place, counters }) => counters.map(({ name = '' }) => observed(place, name)));
    }
    const found: Observed[] = [];
    for (const [place, own] of groupBy(keys, (key) => this.places.router(secondOf(key)))) {
      for (const key of own) {
        const name = key.slice(policyCounterKey(place.name, '').length);
        if ((await get(place, name)) !== undefined) found.push(observed(place, name));
      }
    }
    return found;
  }
}

/** Every counter of a rule, in all routers. */
export async function readCounters(places: Places): Promise<readonly RuleCounter[]> {
  const all = await Promise.all([...places.routers()].map(dump));
  return all.flatMap(({ place, counters }) =>
    counters.map(({ name = '', data }) => ({
      namespace: place.name,
      name,
      packets: data?.packets ?? 0n,
      bytes: data?.bytes ?? 0n,
    })),
  );
}

const get = (place: Place, name: string): Promise<NftObject | undefined> =>
  ifThere(() => place.netfilter.get(nftObject.get(counter(name))));

async function dump(
  place: Place,
): Promise<{ readonly place: Place; readonly counters: readonly NftObject[] }> {
  const request = nftObject.dump({ ...policyTable(), type: NFT_OBJECT.COUNTER });
  return { place, counters: (await ifThere(() => place.netfilter.dump(request))) ?? [] };
}

const observed = ({ name: namespace }: Place, name: string): Observed => ({
  key: policyCounterKey(namespace, name),
  spec: { kind: 'policycounter', namespace, name },
  within: guardKey(namespace, 'policies'),
  ownership: { kind: 'owned' },
});
