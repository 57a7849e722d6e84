import { AF, type NetlinkEvent, RT_TABLE, TC_CLSACT } from '@outboard/netlink';
import type { Change } from '../driver.js';
import { observedAddress } from '../kernel/addresses.js';
import { type DeviceChange, noteDevice } from '../kernel/device-events.js';
import { fixedTableOf } from '../kernel/guards.js';
import type { Place } from '../kernel/place.js';
import { GUARD_SETS, GUARD_TABLE } from '../realise/guard-table.js';
import {
  bridgeEntryKey,
  gateKey,
  guardKey,
  linkKey,
  neighbourKey,
  policyChainKey,
  policyCounterKey,
  policySetKey,
  rateKey,
  steeringKey,
  tunnelEntryKey,
} from '../realise/linux-keys.js';
import { DEVICE_PREFIXES } from '../realise/names.js';
import { isGroupSet } from '../realise/policy-names.js';
import { FIXED_POLICY_CHAINS, POLICY_TABLE } from '../realise/policy-table.js';
import { observedOf } from './entries.js';
import { takesFilters } from './ingress.js';
import { policyElementKeyOf } from './policy-elements.js';
import { OUTBOARD_PROTOCOL } from './protocol.js';
import { isRate } from './rates.js';
import { RouteReader } from './route-reader.js';
import { reachabilityKey } from './routes.js';
import { senderKeyOf } from './senders.js';
import { isSteeringPriority } from './steerings.js';

const SENDER_SETS: ReadonlySet<string> = new Set(Object.values(GUARD_SETS));

/** What events of one place amount to. */
export interface Digest {
  readonly changed: Set<string>;
  readonly lost: Set<string>;
  readonly devices: DeviceChange[];
  /** Addresses of devices came or went. */
  addresses: boolean;
}

/** Translates kernel events into the keys to look at again, and keeps the place's devices up to date. */
export function digestEvents(place: Place, events: readonly NetlinkEvent[]): Digest {
  const digest: Digest = { changed: new Set(), lost: new Set(), devices: [], addresses: false };
  for (const event of events) digestOne(place, event, digest);
  return digest;
}

export const changeOf = ({ changed, lost }: Digest): Change => ({
  kind: 'objects',
  changed: [...changed],
  lost: [...lost],
});

function digestOne(place: Place, event: NetlinkEvent, digest: Digest): void {
  const { changed } = digest;
  switch (event.family) {
    case 'link':
      digestLink(place, event, digest);
      return;
    case 'bridgePort':
      if (event.value.ifname !== undefined) changed.add(linkKey(event.value.ifname));
      return;
    case 'address': {
      digest.addresses = true;
      changed.add(reachabilityKey(place.name));
      const seen = observedAddress(place, event.value);
      if (seen !== undefined) changed.add(seen.key);
      // With its last address, a device silently loses its routes.
      if (seen?.within !== undefined && event.operation === 'delete') digest.lost.add(seen.within);
      return;
    }
    case 'neighbour': {
      const key = keyOfEntry(place, event);
      if (key !== undefined) changed.add(key);
      return;
    }
    case 'route': {
      // Of others only their coming matters: they may stand where ours was.
      const { value } = event;
      const foreign = value.rtmProtocol !== OUTBOARD_PROTOCOL && value.rtmTable === RT_TABLE.MAIN;
      const seen = new RouteReader(place).read(
        foreign ? { ...value, rtmProtocol: OUTBOARD_PROTOCOL } : value,
      );
      if (seen !== undefined) changed.add(seen.key);
      if (foreign) changed.add(reachabilityKey(place.name));
      return;
    }
    case 'filter':
    case 'qdisc': {
      const { ifindex, parent } = event.value;
      const device = place.deviceAt(ifindex);
      if (device === undefined || place.name !== '') return;
      if (event.family === 'qdisc' && isRate(event.value)) changed.add(rateKey(device.name));
      // With the place for filters all of them go.
      if (event.family === 'qdisc' && event.operation === 'delete' && takesFilters(event.value.kind))
        digest.lost.add(linkKey(device.name));
      if (event.family === 'filter' && isSteeringPriority(event.value.info >>> 16)) {
        const { info, handle } = event.value;
        // Without a handle it is all of the priority: which they were is not told.
        if (handle === 0) digest.lost.add(linkKey(device.name));
        else changed.add(steeringKey(device.name, info >>> 16, handle));
        return;
      }
      if (event.family === 'qdisc' ? takesFilters(event.value.kind) : parent === TC_CLSACT.INGRESS)
        changed.add(gateKey(device.name));
      return;
    }
    case 'nftTable':
    case 'nftChain':
    case 'nftRule':
    case 'nftSet':
      digestTable(place, event, digest);
      return;
    case 'nftObject':
      if (event.value.table !== POLICY_TABLE || event.value.name === undefined) return;
      changed.add(policyCounterKey(place.name, event.value.name));
      return;
    case 'nftSetElement':
      digestElements(place, event, digest);
      return;
    default:
      return;
  }
}

function digestElements(place: Place, { value }: EventOf<'nftSetElement'>, { changed }: Digest): void {
  const { table, set = '', elements = [] } = value;
  if (table !== GUARD_TABLE && table !== POLICY_TABLE) return;
  for (const element of elements) {
    const { key: first, keyEnd } = element;
    if (first?.value === undefined) continue;
    const ends = keyEnd?.value === undefined ? {} : { keyEnd: keyEnd.value };
    const key = SENDER_SETS.has(set)
      ? senderKeyOf(place, { key: first.value, ...ends })
      : policyElementKeyOf(place, set, element);
    if (key !== undefined) changed.add(key);
  }
}

type EventOf<Family extends NetlinkEvent['family']> = Extract<NetlinkEvent, { family: Family }>;

function digestLink(place: Place, event: EventOf<'link'>, digest: Digest): void {
  const change = noteDevice(place, event);
  digest.devices.push(change);
  for (const key of change.changed) digest.changed.add(key);
  for (const key of change.lost) digest.lost.add(key);
  const { before, after } = change;
  if (after !== undefined && before?.promiscuous !== after.promiscuous)
    digest.changed.add(gateKey(after.name));
  if (place.name !== '' && after !== undefined && before?.up !== after.up)
    digest.changed.add(reachabilityKey(place.name));
}

function digestTable(
  place: Place,
  { operation, family, value }: EventOf<'nftTable' | 'nftChain' | 'nftRule' | 'nftSet'>,
  { changed, lost }: Digest,
): void {
  const fixed = fixedTableOf(value);
  if (fixed === undefined) return;
  const { key, holds } = (fixed === 'policies' && policyObjectOf(place, family, value)) || {
    key: guardKey(place.name, fixed),
    holds: family === 'nftTable' || family === 'nftSet',
  };
  // What was in it goes with it.
  (operation === 'delete' && holds ? lost : changed).add(key);
}

/** What of policies and ports the event is about; undefined: the guard itself. `holds`: other objects are in it. */
function policyObjectOf(
  { name: namespace }: Place,
  family: 'nftTable' | 'nftChain' | 'nftRule' | 'nftSet',
  value: EventOf<'nftTable' | 'nftChain' | 'nftRule' | 'nftSet'>['value'],
): { readonly key: string; readonly holds: boolean } | undefined {
  const name = ('name' in value ? value.name : undefined) ?? '';
  if (family === 'nftSet' && isGroupSet(name)) return { key: policySetKey(namespace, name), holds: true };
  const chain = 'chain' in value ? value.chain : family === 'nftChain' ? name : undefined;
  if (chain === undefined || FIXED_POLICY_CHAINS.has(chain)) return undefined;
  return { key: policyChainKey(namespace, chain), holds: false };
}

/** The key of a neighbour or forwarding entry, also of one that is going, of which the kernel tells less. */
function keyOfEntry(place: Place, { value, operation }: EventOf<'neighbour'>): string | undefined {
  const seen = observedOf(place, value);
  if (seen !== undefined || operation === 'new') return seen?.key;
  const device = place.deviceAt(value.ndmIfindex);
  const { ndmFamily, lladdr = '', dst = '', master } = value;
  if (device === undefined) return undefined;
  if (ndmFamily !== AF.BRIDGE)
    return device.name.startsWith(DEVICE_PREFIXES.bridge) ? neighbourKey(device.name, dst) : undefined;
  if (master !== undefined) return bridgeEntryKey(place.deviceAt(master)?.name ?? '', lladdr);
  return device.name.startsWith(DEVICE_PREFIXES.tunnel)
    ? tunnelEntryKey(device.name, lladdr, dst)
    : undefined;
}
