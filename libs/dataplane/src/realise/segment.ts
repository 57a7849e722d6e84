import type { DriverObject } from '../driver.js';
import type { Prefix } from './addresses.js';
import { afterLink, bridgeEntryKey, linkKey, neighbourKey } from './linux-keys.js';
import type { LinuxSpec } from './linux-objects.js';
import { remembered } from './remembered.js';

/** Where a network lives on this DPU: what its members need to know of it. */
export interface Segment {
  readonly networkUid: string;
  readonly namespace: string;
  readonly bridge: string;
  readonly networkType: string;
  readonly vni: number;
  readonly mtu: number;
}

/** The key of a network's bridge domain, and of nothing else: what each of its members refers to. */
export const domainOnly = remembered((networkUid): readonly [string] => [`bridgedomain/${networkUid}`]);

/** How a bridge knows a member, local or remote, so that it neither floods for it nor asks for it. */
export function memberEntries(
  namespace: string,
  bridge: string,
  port: string,
  mac: string,
  addresses: readonly string[],
): DriverObject<LinuxSpec>[] {
  return [
    {
      key: bridgeEntryKey(bridge, mac),
      spec: { kind: 'bridgeentry', namespace, bridge, mac, port },
      after: afterLink(port),
      within: linkKey(port),
    },
    ...addresses.map((address) => neighbourEntry(namespace, bridge, address, mac)),
  ];
}

/** What a port may send as besides: from a source, with that MAC address. */
export interface Pair {
  readonly mac: string;
  readonly source: Prefix;
}

/** Who a port is, and who it may be besides. */
export interface Member {
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly pairs: readonly Pair[];
}

/** The MAC addresses of pairs but the port's own. */
export const otherMacs = (mac: string, pairs: readonly Pair[]): ReadonlySet<string> =>
  new Set(pairs.map((pair) => pair.mac).filter((each) => each !== mac));

/** The host addresses of pairs that only one MAC address has, with that; its own addresses are known otherwise. */
export function pairNeighbours({ addresses, pairs }: Member): { address: string; mac: string }[] {
  const holders = new Map<string, Set<string>>();
  for (const { mac: holder, source } of pairs) {
    if (source.length < source.bits || addresses.includes(source.address)) continue;
    holders.set(source.address, (holders.get(source.address) ?? new Set()).add(holder));
  }
  return [...holders].flatMap(([address, [mac, another]]) =>
    mac === undefined || another !== undefined ? [] : [{ address, mac }],
  );
}

/**
 * How a bridge knows a member by its allowed pairs: their MAC addresses, and who has which host address. Several ports
 * may have the same pair, and nobody knows which of them uses it: these are guesses.
 */
export function pairEntries(
  namespace: string,
  bridge: string,
  port: string,
  member: Member,
): DriverObject<LinuxSpec>[] {
  const macs = [...otherMacs(member.mac, member.pairs)].flatMap((other) =>
    memberEntries(namespace, bridge, port, other, []),
  );
  const neighbours = pairNeighbours(member).map(({ address, mac }) =>
    neighbourEntry(namespace, bridge, address, mac),
  );
  return [...macs, ...neighbours].map((object) => ({ ...object, guess: true }));
}

export const neighbourEntry = (
  namespace: string,
  bridge: string,
  address: string,
  mac: string,
): DriverObject<LinuxSpec> => ({
  key: neighbourKey(bridge, address),
  spec: { kind: 'neighbour', namespace, bridge, address, mac },
  after: afterLink(bridge),
  within: linkKey(bridge),
});
