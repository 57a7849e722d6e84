import { type IpAddress, type IpPrefix, ipFamily, prefixContains, prefixLength } from '@outboard/model';
import type { DpuEntry, NetworkEntry, PortEntry, RouterEntry, SubnetEntry } from '../entries.js';
import { prefixOfAddress } from '../netlink-objects/place.js';
import { isActive, plannedHops } from '../routing.js';

/** Into a network, there to this address: of the destination itself, or of a next hop. */
export interface Way {
  readonly network: NetworkEntry;
  readonly address: IpAddress;
}

/**
 * Where a router on a DPU sends what is for an address: one of these ways, and which is the kernel's choice; to one of its own
 * gateways; or outside. None: nowhere.
 */
export type Routed = readonly Way[] | 'gateway' | 'outside';

interface Candidate {
  readonly prefix: IpPrefix;
  readonly ways: () => readonly Way[];
}

/** By the longest prefix of what is on its links, of its routes, and of what callers have placed there. */
export function routed(router: RouterEntry, dpu: DpuEntry, address: IpAddress): Routed {
  const placed = placedOn(dpu, router);
  const isGateway =
    [...router.subnets].some(
      ({ network, record }) => isActive(network) && record.resource.status.gateway === address,
    ) || placed.some(({ object }) => object.kind === 'addr' && object.address === address);
  if (isGateway) return 'gateway';
  const { routes = [], externalGateway } = router.record?.resource.spec ?? {};
  const viaHops = (hops: Parameters<typeof plannedHops>[1]): readonly Way[] =>
    plannedHops(router, hops).known.map(({ gateway, network }) => ({ network, address: gateway }));
  const candidates: Candidate[] = [
    ...activeSubnets(router).map(({ network, record }) => ({
      prefix: record.resource.spec.cidr,
      ways: () => [{ network, address }],
    })),
    ...routes.map(({ destination, nextHops }) => ({ prefix: destination, ways: () => viaHops(nextHops) })),
    ...placed.flatMap(({ object, network }): Candidate[] => {
      if (object.kind === 'route') return [{ prefix: object.dst, ways: () => viaHops(object.nextHops) }];
      if (object.kind !== 'addr' || !network) return [];
      return [{ prefix: prefixOfAddress(object), ways: () => [{ network, address }] }];
    }),
  ];
  const [best] = candidates
    .filter(({ prefix }) => prefixContains(prefix, address))
    .sort((one, other) => prefixLength(other.prefix) - prefixLength(one.prefix));
  if (best) return best.ways();
  return externalGateway?.ipFamilies.includes(`IPV${ipFamily(address)}`) ? 'outside' : [];
}

/** The subnet that is routed to and holds an address. */
export const subnetOf = (router: RouterEntry, address: IpAddress): SubnetEntry | undefined =>
  activeSubnets(router).find(({ record }) => prefixContains(record.resource.spec.cidr, address));

/** The subnets that a router has on its links. */
export const linksOf = (router: RouterEntry): IpPrefix[] =>
  activeSubnets(router).map(({ record }) => record.resource.spec.cidr);

const activeSubnets = ({ subnets }: RouterEntry): SubnetEntry[] =>
  [...subnets].filter(({ network }) => isActive(network));

/**
 * The port that a DPU takes for the one that has an address: whose own it is; behind which a caller has placed it; or, where
 * that is one port only, that has it by an allowed address pair.
 */
export function holderIn(
  network: NetworkEntry,
  address: IpAddress,
  dpu: DpuEntry | undefined,
): PortEntry | undefined {
  const owner = network.addresses.get(address);
  if (owner) return owner;
  const placed = dpu ? placedOn(dpu, network.router).filter((each) => each.network === network) : [];
  for (const { object } of placed) {
    if (object.kind === 'neigh' && object.dst === address) return behind(network, object.lladdr, placed);
  }
  return onlyOne(network, (pair) => prefixContains(pair.ip, address));
}

/** The port that frames for a MAC address go to. */
function behind(
  network: NetworkEntry,
  lladdr: string,
  placed: ReturnType<typeof placedOn>,
): PortEntry | undefined {
  for (const [macAddress, port] of network.macAddresses) if (macAddress === lladdr) return port;
  for (const { object } of placed) {
    if (object.kind !== 'fdb' || object.lladdr !== lladdr) continue;
    return [...network.ports].find(({ record }) => record.resource.metadata.name === object.port);
  }
  return onlyOne(network, (pair) => pair.macAddress === lladdr);
}

type Pair = PortEntry['record']['resource']['spec']['allowedAddressPairs'][number];

/** The only port that has such a pair. */
function onlyOne({ ports }: NetworkEntry, matches: (pair: Pair) => boolean): PortEntry | undefined {
  const holders = [...ports].filter(({ record }) => record.resource.spec.allowedAddressPairs.some(matches));
  return holders.length === 1 ? holders[0] : undefined;
}

/** What callers have placed on a DPU in a router and its networks. */
const placedOn = (dpu: DpuEntry, router: RouterEntry) =>
  [...dpu.netlinkObjects.values()]
    .filter((entry) => entry.router === router)
    .map(({ record, network }) => ({ object: record.resource.spec.object, network }));
