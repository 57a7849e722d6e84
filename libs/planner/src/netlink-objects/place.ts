import { objectKeys } from '@outboard/contracts';
import type { SharedObject } from '@outboard/document-owner/documents';
import {
  type IpPrefix,
  type Name,
  type NetlinkAddress,
  type NetlinkFdbEntry,
  type NetlinkNeighbour,
  type NetlinkObject,
  type NetlinkRoute,
  prefixesOverlap,
  prefixOf,
} from '@outboard/model';
import { describe } from '@outboard/model/decide';
import { gatewayMacAddressOf } from '../allocate/gateway-mac-address.js';
import type {
  DpuEntry,
  NetlinkObjectEntry,
  NetlinkPlace,
  NetworkEntry,
  PortEntry,
  RouterEntry,
} from '../entries.js';
import { placedRouteObject } from '../objects.js';
import { plannedHops } from '../routing.js';
import { share } from '../share.js';

/** Where something is placed, as far as that is known. */
export interface Surroundings {
  readonly router: RouterEntry;
  /** Undefined for routes. */
  readonly network: NetworkEntry | undefined;
}

const NOWHERE: ReadonlyMap<DpuEntry, SharedObject> = new Map();

const nowhere = (reason: NetlinkPlace['reason'], message: string): NetlinkPlace => ({
  reason,
  message,
  objects: NOWHERE,
});

/** The place of an object, as the world is. `portOf`: the port of its tenant with that name. */
export function placeOf(
  { record, router, network }: NetlinkObjectEntry,
  portOf: (name: Name) => PortEntry | undefined,
): NetlinkPlace {
  const { object } = record.resource.spec;
  const holder = holderOf(object, { router, network });
  if (holder) return nowhere('Conflict', `yields to ${holder}`);
  if (object.kind === 'route') return placeOfRoute(record.resource, object, router);
  if (!network) throw new Error('all but routes are in a network');
  switch (object.kind) {
    case 'neigh':
      return onDpus(record.resource, membersOf(network), () =>
        neighbourObject(record.resource, object, network),
      );
    case 'fdb':
      return placeOfFdbEntry(record.resource, object, network, portOf(object.port));
    case 'addr':
      if (!network.gateway) return nowhere('NotRouted', `network ${network.record.resource.metadata.name}`);
      return onDpus(record.resource, membersOf(network), () =>
        addressObject(record.resource, object, network),
      );
  }
}

/** What layers 2 and 3 have where the object would be; undefined: nothing. */
export function holderOf(
  object: NetlinkObject['spec']['object'],
  { router, network }: Surroundings,
): string | undefined {
  switch (object.kind) {
    case 'route':
      return holderOfRoute(object, router);
    case 'neigh': {
      const port = network?.addresses.get(object.dst);
      if (port) return describe(port.record.resource);
      const subnets = [...(network?.subnets.values() ?? [])].map(({ record }) => record.resource);
      const subnet = subnets.find(({ status }) => status.gateway === object.dst);
      return subnet && `the gateway of ${describe(subnet)}`;
    }
    case 'fdb': {
      const port = network?.macAddresses.get(object.lladdr);
      if (port) return describe(port.record.resource);
      return object.lladdr === gatewayMacAddressOf(router.key)
        ? `the gateway of router ${router.name}`
        : undefined;
    }
    case 'addr': {
      const prefix = prefixOfAddress(object);
      return destinationOf(router, prefix) ?? subnetOf(router, (cidr) => prefixesOverlap(cidr, prefix));
    }
  }
}

function holderOfRoute({ dst }: NetlinkRoute, router: RouterEntry): string | undefined {
  const isDefault = /^(0\.0\.0\.0|::)\/0$/.test(dst);
  const resource = router.record?.resource;
  if (resource?.spec.externalGateway && isDefault) return describe(resource);
  return destinationOf(router, dst) ?? subnetOf(router, (cidr) => cidr === dst);
}

/** The router's resource, if it has a route to exactly that prefix. */
function destinationOf({ record }: RouterEntry, prefix: IpPrefix): string | undefined {
  const resource = record?.resource;
  const isThere = resource?.spec.routes.some(({ destination }) => destination === prefix);
  return resource && isThere ? describe(resource) : undefined;
}

function subnetOf({ subnets }: RouterEntry, matches: (cidr: IpPrefix) => boolean): string | undefined {
  for (const { record } of subnets) if (matches(record.resource.spec.cidr)) return describe(record.resource);
  return undefined;
}

/** The prefix that is on the link by an address. */
export const prefixOfAddress = ({ address, prefixLength }: NetlinkAddress): IpPrefix =>
  prefixOf(address, prefixLength);

function placeOfRoute(resource: NetlinkObject, route: NetlinkRoute, router: RouterEntry): NetlinkPlace {
  const { nextHops } = route;
  const { known, unknown } = plannedHops(router, nextHops);
  const message = unknown.map(({ address }) => address).join(', ');
  if (nextHops.length > 0 && known.length === 0) return nowhere('NextHopUnknown', message);
  const object = placedRouteObject(resource, router.key, route, known);
  const place = onDpus(resource, hostsOf(router), () => object);
  return unknown.length > 0 ? { ...place, reason: 'NextHopUnknown', message } : place;
}

function placeOfFdbEntry(
  resource: NetlinkObject,
  { lladdr: macAddress, port: name }: NetlinkFdbEntry,
  network: NetworkEntry,
  port: PortEntry | undefined,
): NetlinkPlace {
  const home = port?.network === network ? port.placement?.dpu : undefined;
  if (!port || !home) return nowhere('PortNotConnected', `port ${name}`);
  const { uid: networkUid } = network.record.resource.metadata;
  const entry = (target: { case: 'portUid' | 'tunnelEndpoint'; value: string }): SharedObject =>
    share(objectKeys.forwardingEntry(networkUid, macAddress), 'NetlinkObject', resource, {
      case: 'forwardingEntry',
      value: { networkUid, macAddress, target },
    });
  const here = entry({ case: 'portUid', value: port.record.resource.metadata.uid });
  const there = entry({ case: 'tunnelEndpoint', value: home.record.tunnelEndpoint ?? '' });
  // Where the fabric learns, it does so elsewhere, too.
  const dpus = network.physical ? [home] : membersOf(network);
  return onDpus(resource, dpus, (dpu) => (dpu === home ? here : there));
}

function neighbourObject(
  resource: NetlinkObject,
  { dst, lladdr }: NetlinkNeighbour,
  network: NetworkEntry,
): SharedObject {
  const { uid: networkUid } = network.record.resource.metadata;
  return share(objectKeys.neighbour(networkUid, dst), 'NetlinkObject', resource, {
    case: 'neighbour',
    value: { networkUid, address: dst, macAddress: lladdr },
  });
}

function addressObject(
  resource: NetlinkObject,
  { address, prefixLength }: NetlinkAddress,
  network: NetworkEntry,
): SharedObject {
  const { uid: networkUid } = network.record.resource.metadata;
  return share(objectKeys.interfaceAddress(networkUid, address), 'NetlinkObject', resource, {
    case: 'interfaceAddress',
    value: { networkUid, address: `${address}/${prefixLength}` },
  });
}

const hostsOf = ({ hosts }: RouterEntry): DpuEntry[] => [...hosts.values()].map(({ dpu }) => dpu);
const membersOf = ({ members }: NetworkEntry): DpuEntry[] => [...members.values()].map(({ dpu }) => dpu);

/** On all of these DPUs, or those of them that are asked for. */
function onDpus(
  { spec: { dpus: asked } }: NetlinkObject,
  concerned: readonly DpuEntry[],
  objectOn: (dpu: DpuEntry) => SharedObject,
): NetlinkPlace {
  const wanted = new Set<string>(asked);
  const those = asked.length === 0 ? concerned : concerned.filter(({ record }) => wanted.has(record.name));
  const objects = new Map(those.map((dpu) => [dpu, objectOn(dpu)]));
  for (const { record } of those) wanted.delete(record.name);
  return wanted.size > 0
    ? { reason: 'DpuNotConcerned', message: [...wanted].sort().join(', '), objects }
    : { reason: 'Planned', message: '', objects };
}

/** Objects that callers have placed in a router, or in that network of it. */
export function* placedIn(
  { netlinkObjects }: RouterEntry,
  network?: NetworkEntry,
): Generator<NetlinkObjectEntry> {
  for (const entry of netlinkObjects) {
    if (network ? entry.network === network : entry.network === undefined) yield entry;
  }
}
