import { type IpAddress, type IpPrefix, ipFamily, type Name, prefixLength } from '@outboard/model';
import type { DpuEntry, NetworkEntry, PortEntry, RouterEntry } from '../entries.js';
import type { World } from '../world.js';
import { policiesOf } from './change.js';
import { isUp } from './classes.js';
import { type ClosureChange, ClosureMarks, type Closures, closedOf, isClosed } from './closures.js';
import { prefixesIn } from './dividing.js';
import { allowedBy, slicesOf } from './evaluate.js';
import { addressOf, addressSetsOf } from './explain.js';
import { changesOf, type Outcome } from './outcomes.js';
import { addressOutside, isInside, type Region, regionsOf, type Verdict } from './regions.js';
import { destinationsOf, type RouterTables } from './routing-tables.js';
import { both, EVERYTHING, NOTHING, type Services } from './services.js';
import { holderIn, linksOf, type Routed, routed, subnetOf } from './ways.js';

/**
 * Flows that begin or stop to be possible because of a router or a service chain: from ports that are alike to a prefix, but
 * for what has a longer one in the router.
 */
export interface RouteFlow extends Outcome {
  readonly network: NetworkEntry;
  readonly ports: readonly PortEntry[];
  readonly to: Region;
}

/** A question looks at so many prefixes, in so many places; of more, the widest are told apart. */
const MAX_PREFIXES_LOOKED_AT = 200_000;

/** A destination to which these DPUs send otherwise than before. */
interface Rerouting {
  readonly to: IpPrefix;
  readonly dpus: ReadonlySet<DpuEntry>;
  readonly before: Routed;
  readonly after: Routed;
}

/**
 * What becomes of flows to destinations that routers send elsewhere, or that chains close or open. A destination is divided
 * where policies of the sender, or chains, tell its addresses apart.
 */
export function routeFlows(
  world: World,
  { before, after }: { readonly before: readonly RouterTables[]; readonly after: readonly RouterTables[] },
  closures: ClosureChange,
  /** Ports for which chains close others than before. */
  reclosed: ReadonlySet<PortEntry>,
): RouteFlow[] {
  const marks = new ClosureMarks(closures);
  const rerouted = before.flatMap(({ router, byDpu, links }) => {
    const now = after.find((each) => each.router === router);
    const tables = [...byDpu.values(), ...(now?.byDpu.values() ?? [])];
    const holes = new Set([...links, ...(now?.links ?? []), ...tables.flatMap((table) => [...table.keys()])]);
    return flowsOf(world, router, reroutingsOf(byDpu, now?.byDpu ?? new Map()), holes, closures, marks);
  });
  const routers = new Set([...reclosed].map(({ network }) => network.router));
  const chained = [...routers]
    .filter((router) => !before.some((each) => each.router === router))
    .flatMap((router) => {
      const destinations = destinationsOf(router);
      const holes = new Set([...destinations, ...linksOf(router)]);
      return flowsOf(world, router, waysTo(router, destinations, holes), holes, closures, marks);
    });
  return [...rerouted, ...chained];
}

function flowsOf(
  world: World,
  { networks }: RouterEntry,
  reroutings: Iterable<Rerouting>,
  /** All that the router has a place for. */
  holes: ReadonlySet<IpPrefix>,
  closures: ClosureChange,
  marks: ClosureMarks,
): RouteFlow[] {
  const flows: RouteFlow[] = [];
  for (const change of reroutings) {
    for (const network of networks) {
      if (network.gateway) flows.push(...flowsFrom(world, network, change, holes, closures, marks));
    }
  }
  return flows;
}

/** Where a router sends, as before, what is for destinations; but for its subnets. */
function* waysTo(
  router: RouterEntry,
  destinations: ReadonlySet<IpPrefix>,
  holes: ReadonlySet<IpPrefix>,
): Generator<Rerouting> {
  for (const to of destinations) {
    const inside = [...holes].filter((hole) => isInside(hole, to));
    const address = addressOutside(to, inside);
    if (address === undefined || subnetOf(router, address)) continue;
    const alike = new Map<string, Rerouting & { readonly dpus: Set<DpuEntry> }>();
    // All that route: a port for which a chain closes may be the next hop of others.
    for (const { dpu } of router.hosts.values()) {
      const ways = routed(router, dpu, address);
      const known = alike.get(textOf(ways)) ?? { to, dpus: new Set(), before: ways, after: ways };
      alike.set(textOf(ways), known);
      known.dpus.add(dpu);
    }
    yield* alike.values();
  }
}

function reroutingsOf(before: RouterTables['byDpu'], after: RouterTables['byDpu']): Iterable<Rerouting> {
  const found = new Map<string, Rerouting & { readonly dpus: Set<DpuEntry> }>();
  for (const [dpu, table] of before) {
    const others = after.get(dpu);
    for (const [to, ways] of table) {
      // Nothing is left of it but longer prefixes, which are told of by themselves.
      const now = others ? others.get(to) : [];
      if (now === undefined) continue;
      const [was, is] = [textOf(ways), textOf(now)];
      if (was === is) continue;
      const key = `${to} ${was} ${is}`;
      const known = found.get(key) ?? { to, dpus: new Set(), before: ways, after: now };
      known.dpus.add(dpu);
      found.set(key, known);
    }
  }
  return found.values();
}

const textOf = (ways: Routed): string =>
  typeof ways === 'string'
    ? ways
    : ways.map(({ network, address }) => `${network.record.resource.metadata.uid}/${address}`).join();

function* flowsFrom(
  world: World,
  network: NetworkEntry,
  change: Rerouting,
  holes: ReadonlySet<IpPrefix>,
  closures: ClosureChange,
  marks: ClosureMarks,
): Generator<RouteFlow> {
  const { to, dpus, before, after } = change;
  const family = ipFamily(to);
  for (const { ports } of world.policies.classes.in(network)) {
    const alike = [...ports].filter((port) => isUp(port) && port.placement && dpus.has(port.placement.dpu));
    for (const part of marks.divided(alike)) {
      const [first] = part;
      if (!first) continue;
      const judge = (address: IpAddress): Verdict<readonly Outcome[]> => {
        const was = servicesBy(world, first, before, address, closures.before);
        const is = servicesBy(world, first, after, address, closures.after);
        const value = changesOf(was, is, family);
        return { value, text: JSON.stringify(value) };
      };
      for (const { value, text, ...region } of regionsOf(
        to,
        marksFor(world, first, closures),
        holes,
        judge,
      )) {
        for (const outcome of value) yield { ...outcome, network, ports: part, to: region };
      }
    }
  }
}

/** What tells the addresses of a destination apart for what a port sends. */
function marksFor(world: World, port: PortEntry, closures: ClosureChange): readonly IpPrefix[] {
  const sets = addressSetsOf(world);
  const closed = [closures.before, closures.after].flatMap((each) => closedOf(each, nameOf(port)));
  const marks = [
    ...policiesOf(port).flatMap((policy) => prefixesIn(policy, 'EGRESS', sets)),
    ...closed.flatMap(({ prefixes, exceptions }) => [...prefixes, ...exceptions]),
  ];
  if (marks.length ** 2 <= MAX_PREFIXES_LOOKED_AT) return marks;
  const widest = marks.toSorted((one, other) => prefixLength(one) - prefixLength(other));
  return widest.slice(0, Math.ceil(MAX_PREFIXES_LOOKED_AT / marks.length));
}

/** What a port may open to an address that goes these ways: by several, what may go by each. */
function servicesBy(
  world: World,
  from: PortEntry,
  ways: Routed,
  to: IpAddress,
  closures: Closures,
): Services {
  const source = addressOf(from, ipFamily(to));
  if (!source || ways === 'gateway' || ways.length === 0) return NOTHING;
  if (isClosed(closedOf(closures, nameOf(from)), to)) return NOTHING;
  const sets = addressSetsOf(world);
  const allowed = (
    port: PortEntry,
    direction: 'EGRESS' | 'INGRESS',
    peer: Parameters<typeof slicesOf>[2],
  ) => {
    const policies = policiesOf(port);
    return policies.length === 0 ? EVERYTHING : allowedBy(slicesOf(policies, direction, peer, [], sets));
  };
  let services = allowed(from, 'EGRESS', { address: to, labels: undefined });
  if (ways === 'outside') return services;
  const { labels } = from.record.resource.metadata;
  for (const { network, address } of ways) {
    const hop = holderIn(network, address, from.placement?.dpu);
    if (!hop || !isUp(hop) || isClosed(closedOf(closures, nameOf(hop)), source)) return NOTHING;
    services = both(services, allowed(hop, 'INGRESS', { address: source, labels }));
  }
  return services;
}

const nameOf = ({ record }: PortEntry): Name => record.resource.metadata.name;
