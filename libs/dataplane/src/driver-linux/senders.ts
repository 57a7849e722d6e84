import { NetlinkError, NFPROTO, type NftSetElement, nftSetElement } from '@outboard/netlink';
import { groupBy } from '../group-by.js';
import { DONE, missing, secondOf } from '../handlers.js';
import { resultOfFailure } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { GUARD_SETS, GUARD_TABLE } from '../realise/guard-table.js';
import { guardKey, senderKey } from '../realise/linux-keys.js';
import type { SenderSpec } from '../realise/linux-objects.js';
import { type DeleteOperation, type Observed, observedOf, type PutOperation, specOf } from './handler.js';
import { type Change, ifThere, type TransactionHandler } from './nft-transactions.js';
import type { Places } from './places.js';
import { elementCount, type SenderElement, senderElements, senderOf } from './sender-elements.js';

/** Up to so many are asked for one by one; for more the sets are read as a whole. */
const SINGLE_GETS = 48;

const attributesOf = (set: string, { key, keyEnd }: SenderElement) => ({
  nfgenFamily: NFPROTO.BRIDGE,
  table: GUARD_TABLE,
  set,
  elements: [{ key: { value: key }, ...(keyEnd === undefined ? {} : { keyEnd: { value: keyEnd } }) }],
});

/** Elements of the guard's sets. */
export class Senders implements TransactionHandler {
  constructor(private readonly places: Places) {}

  putChange(operation: PutOperation): Change {
    const spec = specOf(operation, 'sender');
    // Without the table there is no set to put something into: that is a matter of waiting, not of failing.
    const withoutPlace = missing(guardKey(spec.namespace, 'ports'));
    return {
      namespace: spec.namespace,
      messages: elementsIn(spec).map((element) => nftSetElement.replace(element)),
      withoutPlace,
      failureOf: (failure) => (failure.code === 'ENOENT' ? withoutPlace : resultOfFailure(failure)),
    };
  }

  removeChange(operation: DeleteOperation): Change {
    const spec = observedOf(operation, 'sender');
    const messages = elementsIn(spec).map((element) => nftSetElement.remove(element));
    return { namespace: spec.namespace, messages, withoutPlace: DONE };
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') return (await Promise.all([...this.places.routers()].map(observeAll))).flat();
    const found: Observed[] = [];
    for (const [place, own] of groupBy(keys, (key) => this.places.router(secondOf(key)))) {
      if (own.length > SINGLE_GETS) {
        const wanted = new Set(own);
        found.push(...(await observeAll(place)).filter(({ key }) => wanted.has(key)));
      } else {
        for (const key of own) found.push(...(await observeOne(place, key)));
      }
    }
    return found;
  }
}

const elementsIn = ({ port, mac, source }: SenderSpec) =>
  senderElements(port, mac, source).map((element) => attributesOf(element.set, element));

async function observeOne(place: Place, key: string): Promise<Observed[]> {
  const [, , port = '', mac = '', ...rest] = key.split('/');
  const source = rest.length === 0 ? undefined : rest.join('/');
  try {
    for (const element of senderElements(port, mac, source))
      await place.netfilter.get(nftSetElement.get(attributesOf(element.set, element)));
  } catch (failure) {
    if (failure instanceof NetlinkError && failure.code === 'ENOENT') return [];
    throw failure;
  }
  return [observed(place, { port, mac, source })];
}

/** What all sets of a namespace say; a sender counts as there only with all of its elements. */
async function observeAll(place: Place): Promise<Observed[]> {
  const found: Observed[] = [];
  /** Elements that are still to be found, of those with more than one. */
  const missing = new Map<string, number>();
  for (const set of Object.values(GUARD_SETS)) {
    for (const one of await dumpSet(place, set)) {
      const { source } = one.spec as SenderSpec;
      const left = (missing.get(one.key) ?? elementCount(source)) - 1;
      if (left === 0) found.push(one);
      else missing.set(one.key, left);
    }
  }
  return found;
}

/** The sender of each element. Of large sets only that is kept, so that not all messages have to exist at once. */
async function dumpSet(place: Place, set: string): Promise<Observed[]> {
  const request = nftSetElement.dump({ nfgenFamily: NFPROTO.BRIDGE, table: GUARD_TABLE, set });
  const read = ({ elements = [] }: NftSetElement): Observed[] =>
    elements.flatMap(({ key, keyEnd }) => {
      if (key?.value === undefined) return [];
      const ends = keyEnd?.value === undefined ? {} : { keyEnd: keyEnd.value };
      const sender = senderOf({ key: key.value, ...ends });
      return sender === undefined ? [] : [observed(place, { source: undefined, ...sender })];
    });
  return (await ifThere(() => place.netfilter.dump(request, read)))?.flat() ?? [];
}

/** The key of the sender that an element is part of. */
export const senderKeyOf = (
  place: Place,
  element: Pick<SenderElement, 'key' | 'keyEnd'>,
): string | undefined => {
  const sender = senderOf(element);
  return sender === undefined ? undefined : senderKey(place.name, sender.port, sender.mac, sender.source);
};

function observed(
  { name: namespace }: Place,
  { port, mac, source }: { port: string; mac: string; source: string | undefined },
): Observed {
  return {
    key: senderKey(namespace, port, mac, source),
    spec: { kind: 'sender', namespace, port, mac, ...(source === undefined ? {} : { source }) },
    within: guardKey(namespace, 'ports'),
    ownership: { kind: 'owned' },
  };
}
