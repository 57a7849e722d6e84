import { NFT_SET, type NftSet, nftSet } from '@outboard/netlink';
import { groupBy } from '../group-by.js';
import { DONE, missing, secondOf } from '../handlers.js';
import type { Place } from '../kernel/place.js';
import { guardKey, policySetKey } from '../realise/linux-keys.js';
import type { PolicySetSpec } from '../realise/linux-objects.js';
import { isGroupSet } from '../realise/policy-names.js';
import { type DeleteOperation, type Observed, observedOf, type PutOperation, specOf } from './handler.js';
import { type Change, ifThere, policyTable, type TransactionHandler } from './nft-transactions.js';
import type { Places } from './places.js';

/** nft(8)'s numbers of data types, by which it shows elements; of several parts 6 bits each (2: protocol family). */
const NFT_TYPE = { 4: 7, 16: 8, 8: (2 << 6) | 7, 20: (2 << 6) | 8 } as const;

/** The sets that groups of addresses are. */
export class PolicySets implements TransactionHandler {
  #lastId = 0;

  constructor(private readonly places: Places) {}

  putChange(operation: PutOperation): Change {
    const { namespace, name, keyLength, prefixes } = specOf(operation, 'policyset');
    const ranges = {
      flags: NFT_SET.INTERVAL | NFT_SET.CONCAT,
      desc: { concat: [{ len: 1 }, { len: keyLength - 4 }] },
    };
    this.#lastId = (this.#lastId + 1) >>> 0;
    const message = nftSet.append({
      ...policyTable(),
      name,
      // Unique in its transaction.
      id: this.#lastId,
      keyType: NFT_TYPE[keyLength],
      keyLen: keyLength,
      ...(prefixes ? ranges : {}),
    });
    const withoutPlace = missing(guardKey(namespace, 'policies'));
    return {
      namespace,
      messages: [message],
      withoutPlace,
      failureOf: ({ code, message }) =>
        code === 'ENOENT' ? withoutPlace : { kind: 'failed', error: { code, message } },
    };
  }

  removeChange(operation: DeleteOperation): Change {
    const { namespace, name } = observedOf(operation, 'policyset');
    return { namespace, messages: [nftSet.remove({ ...policyTable(), name })], withoutPlace: DONE };
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') return (await Promise.all([...this.places.routers()].map(observeAll))).flat();
    const found: Observed[] = [];
    for (const [place, own] of groupBy(keys, (key) => this.places.router(secondOf(key)))) {
      for (const key of own) found.push(...(await observeOne(place, key)));
    }
    return found;
  }
}

async function observeOne(place: Place, key: string): Promise<Observed[]> {
  const name = key.slice(policySetKey(place.name, '').length);
  const set = await ifThere(() => place.netfilter.get(nftSet.get({ ...policyTable(), name })));
  return set === undefined ? [] : [observed(place, set)];
}

const observeAll = async (place: Place): Promise<Observed[]> =>
  (await groupSets(place)).map((set) => observed(place, set));

/** The sets of groups; none where there is no table. */
export async function groupSets(place: Place): Promise<readonly NftSet[]> {
  const sets = await ifThere(() => place.netfilter.dump(nftSet.dump(policyTable())));
  return (sets ?? []).filter(({ name = '' }) => isGroupSet(name));
}

function observed({ name: namespace }: Place, { name = '', keyLen, flags = 0 }: NftSet): Observed {
  const spec: PolicySetSpec = {
    kind: 'policyset',
    namespace,
    name,
    keyLength: (keyLen ?? 0) as PolicySetSpec['keyLength'],
    prefixes: (flags & NFT_SET.INTERVAL) !== 0,
  };
  return {
    key: policySetKey(namespace, name),
    spec,
    within: guardKey(namespace, 'policies'),
    ownership: { kind: 'owned' },
  };
}
