import type { SharedObject } from '@outboard/document-owner/documents';
import { ipFamily, ipToNumber, type RouteNextHop, type Router, rangeContains } from '@outboard/model';
import { gatewayMacAddressOf } from './allocate/gateway-mac-address.js';
import type { NetworkEntry, RouterEntry, SubnetEntry } from './entries.js';
import {
  egressGatewayObject,
  hostConfigurationObject,
  type PlannedNextHop,
  routeObject,
  routerInterfaceObject,
} from './objects.js';

/**
 * Whether the network is routed to: then it is on every DPU that routes for its router (asymmetric integrated routing
 * and bridging: a packet is routed where it comes from, and bridged from there on).
 */
export const isActive = ({ gateway, placed }: NetworkEntry): boolean => gateway !== undefined && placed > 0;

/** The gateway of a network; undefined: it has no subnets, or no tunnels, and then its gateway is the fabric's. */
export function gatewayOfNetwork({
  record,
  router,
  subnets,
  physical,
}: NetworkEntry): SharedObject | undefined {
  if (subnets.size === 0 || physical) return undefined;
  const resources = [...subnets.values()].map((subnet) => subnet.record.resource);
  return routerInterfaceObject(record.resource, resources, gatewayMacAddressOf(router.key));
}

/** What ports of the network are told by its DPUs; undefined: nothing. */
export function hostConfigurationOf({ record, router, subnets }: NetworkEntry): SharedObject | undefined {
  const telling = [...subnets.values()].flatMap(({ record: { resource } }) =>
    resource.spec.dhcp || resource.spec.routerAdvertisement ? [resource] : [],
  );
  if (telling.length === 0) return undefined;
  return hostConfigurationObject(record.resource, telling, gatewayMacAddressOf(router.key));
}

/** What the DPUs that route for the router have of its resource. */
export function ownObjectsOf(router: RouterEntry): Pick<RouterEntry, 'own' | 'unknownNextHops'> {
  const resource = router.record?.resource;
  if (!resource) return { own: [], unknownNextHops: [] };
  const { routes, externalGateway } = resource.spec;
  const unknownNextHops: string[] = [];
  const own = routes.map((route) => {
    const { known, unknown } = plannedHops(router, route.nextHops);
    unknownNextHops.push(...unknown.map(({ address }) => `${route.destination} via ${address}`));
    return routeObject(resource, route, known);
  });
  for (const family of externalGateway?.ipFamilies ?? []) own.push(egressGatewayObject(resource, family));
  return { own, unknownNextHops };
}

/** Next hops with the networks that they are in, and those that are in none with connected ports. */
export function plannedHops(router: RouterEntry, hops: readonly RouteNextHop[]) {
  const known: (PlannedNextHop & { readonly network: NetworkEntry })[] = [];
  const unknown: RouteNextHop[] = [];
  for (const hop of hops) {
    const network = networkOfHop(router, hop);
    const { address: gateway, weight } = hop;
    if (network) known.push({ gateway, weight, networkUid: network.record.resource.metadata.uid, network });
    else unknown.push(hop);
  }
  return { known, unknown };
}

/** The network with connected ports that a next hop is in. */
function networkOfHop({ subnets }: RouterEntry, { address }: RouteNextHop): NetworkEntry | undefined {
  const family = ipFamily(address);
  const value = ipToNumber(address);
  for (const { network, range } of subnets) {
    if (range.family !== family || value < range.first || value > range.last) continue;
    return isActive(network) ? network : undefined;
  }
  return undefined;
}

/** Whether a next hop of the router may be in one of the subnets. */
export function hasNextHopIn(router: Router, subnets: Iterable<SubnetEntry>): boolean {
  const ranges = [...subnets].map(({ range }) => range);
  if (ranges.length === 0) return false;
  return router.spec.routes.some(({ nextHops }) =>
    nextHops.some(({ address }) => ranges.some((range) => rangeContains(range, address))),
  );
}
