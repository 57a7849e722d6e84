import {
  type BatchFailure,
  type Message,
  NFT_VERDICT,
  type NftSetElement,
  nftSetElement,
} from '@outboard/netlink';
import { hexOf } from '../bytes-text.js';
import type { OperationResult } from '../driver.js';
import { groupBy } from '../group-by.js';
import { DONE, missing, secondOf } from '../handlers.js';
import { resultOfFailure } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { policyChainKey, policyElementKey, policySetKey, setHome } from '../realise/linux-keys.js';
import type { PolicyElementSpec } from '../realise/linux-objects.js';
import { elementKind, isGroupSet } from '../realise/policy-names.js';
import { NAMED_PORT_SETS, PORT_SETS } from '../realise/port-sets.js';
import { type DeleteOperation, type Observed, type PutOperation } from './handler.js';
import {
  type Change,
  ifThere,
  policyTable,
  removalIfThere,
  type TransactionHandler,
} from './nft-transactions.js';
import type { Places } from './places.js';
import { groupSets } from './policy-sets.js';

/** Up to so many of a set are asked for one by one; for more the set is read as a whole. */
const SINGLE_GETS = 48;

const OWNED = { kind: 'owned' } as const;

type Element = NonNullable<NftSetElement['elements']>[number];

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

/** Elements of the policies' sets and maps: what comes and goes with ports. */
export class PolicyElements implements TransactionHandler {
  constructor(private readonly places: Places) {}

  putChange({ object }: PutOperation): Change {
    const spec = object.spec as PolicyElementSpec;
    return {
      namespace: spec.namespace,
      messages: putMessages(spec),
      withoutPlace: missing(setHome(spec.namespace, spec.set)),
      failureOf: (failure) => failureOf(spec, failure),
    };
  }

  removeChange({ observed }: DeleteOperation): Change {
    const { namespace, set, key, end } = observed as PolicyElementSpec;
    return {
      namespace,
      messages: [nftSetElement.remove(attributes(set, key, end))],
      withoutPlace: DONE,
    };
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') return (await Promise.all([...this.places.routers()].map(observeAll))).flat();
    const found: Observed[] = [];
    for (const [place, own] of groupBy(keys, (key) => this.places.router(secondOf(key)))) {
      for (const [set, ofSet] of groupBy(own, (key) => key.split('/')[2])) {
        const wanted = new Set(ofSet);
        if (ofSet.length > SINGLE_GETS) {
          found.push(...(await dumpSet(place, set)).filter(({ key }) => wanted.has(key)));
        } else for (const key of ofSet) found.push(...(await observeOne(place, set, key)));
      }
    }
    return found;
  }
}

const attributes = (set: string, key: string, end: string | undefined, data?: string) => ({
  ...policyTable(set),
  set,
  elements: [
    {
      key: { value: bytesOf(key) },
      ...(end === undefined ? {} : { keyEnd: { value: bytesOf(end) } }),
      ...(data === undefined ? {} : { data: dataOf(data) }),
    },
  ],
});

function dataOf(data: string) {
  if (data === 'accept') return { verdict: { code: NFT_VERDICT.ACCEPT } };
  if (data.startsWith('goto ')) {
    return { verdict: { code: NFT_VERDICT.GOTO, chain: data.slice('goto '.length) } };
  }
  return { value: bytesOf(data) };
}

/** An element keeps its data as long as it is there: one with data is taken away and added, in one transaction. */
function putMessages({ set, key, end, data }: PolicyElementSpec): Message[] {
  const add = nftSetElement.replace(attributes(set, key, end, data));
  return data === undefined ? [add] : [removalIfThere(nftSetElement.remove(attributes(set, key, end))), add];
}

/** Without its set or chain it has to wait, which is no failure. */
function failureOf({ namespace, set, data }: PolicyElementSpec, failure: BatchFailure): OperationResult {
  if (failure.code !== 'ENOENT') return resultOfFailure(failure);
  if (data?.startsWith('goto ')) return missing(policyChainKey(namespace, data.slice('goto '.length)));
  return missing(isGroupSet(set) ? policySetKey(namespace, set) : setHome(namespace, set));
}

async function observeOne(place: Place, set: string, key: string): Promise<Observed[]> {
  const [first = '', end] = (key.split('/')[3] ?? '').split('-');
  const found = await ifThere(() => place.netfilter.get(nftSetElement.get(attributes(set, first, end))));
  return (found?.elements ?? []).flatMap((element) => {
    const one = observedElement(place, set, element);
    return one?.key === key ? [one] : [];
  });
}

async function observeAll(place: Place): Promise<Observed[]> {
  const ofGroups = (await groupSets(place)).flatMap(({ name }) => name ?? []);
  const found: Observed[] = [];
  for (const set of [...FIXED_SETS, ...ofGroups]) {
    for (const object of await dumpSet(place, set)) found.push(object);
  }
  return found;
}

async function dumpSet(place: Place, set: string): Promise<Observed[]> {
  const request = nftSetElement.dump({ ...policyTable(set), set });
  // Only what they are is kept: of large sets not all messages have to exist at once.
  const read = ({ elements = [] }: NftSetElement): Observed[] =>
    elements.flatMap((element) => observedElement(place, set, element) ?? []);
  return (await ifThere(() => place.netfilter.dump(request, read)))?.flat() ?? [];
}

/** Sets that are always there. */
const FIXED_SETS: ReadonlySet<string> = new Set([
  ...Object.values(PORT_SETS),
  ...Object.values(NAMED_PORT_SETS),
]);

const isPolicySet = (set: string): boolean => FIXED_SETS.has(set) || isGroupSet(set);

/** The key of an element of these sets; undefined for one that is none, as those of the nameless sets of a rule (`__set0`). */
export const policyElementKeyOf = (
  { name }: Place,
  set: string,
  { key, keyEnd }: Element,
): string | undefined =>
  key?.value === undefined || !isPolicySet(set)
    ? undefined
    : policyElementKey(name, set, hexOf(key.value), keyEnd?.value && hexOf(keyEnd.value));

function observedElement(
  { name: namespace }: Place,
  set: string,
  { key: first, keyEnd, data }: Element,
): Observed | undefined {
  if (first?.value === undefined || !isPolicySet(set)) return undefined;
  const key = hexOf(first.value);
  const end = keyEnd?.value && hexOf(keyEnd.value);
  const text = data && dataTextOf(data);
  const spec: PolicyElementSpec = {
    kind: elementKind(set),
    namespace,
    set,
    key,
    ...(end === undefined ? {} : { end }),
    ...(text === undefined ? {} : { data: text }),
  };
  const within = isGroupSet(set) ? policySetKey(namespace, set) : setHome(namespace, set);
  return { key: policyElementKey(namespace, set, key, end), spec, within, ownership: OWNED };
}

function dataTextOf({ value, verdict }: NonNullable<Element['data']>): string {
  if (value !== undefined) return hexOf(value);
  if (verdict?.code === NFT_VERDICT.ACCEPT) return 'accept';
  return verdict?.code === NFT_VERDICT.GOTO ? `goto ${verdict.chain}` : `verdict ${verdict?.code}`;
}
