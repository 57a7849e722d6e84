import { type IpPrefix, ipFamily, type Name, prefixAddress } from '@outboard/model';
import type { DpuEntry, NetworkEntry, PortEntry, RouterEntry } from '../entries.js';
import type { World } from '../world.js';
import { policiesOf } from './change.js';
import { isUp } from './classes.js';
import { type ClosureChange, ClosureMarks, type Closures, closedOf, isClosed } from './closures.js';
import { allowedBy, slicesOf } from './evaluate.js';
import { addressOf, addressSetsOf } from './explain.js';
import { changesOf, type Outcome } from './outcomes.js';
import { destinationsOf, type RouterTables } from './routing-tables.js';
import { both, EVERYTHING, NOTHING, type Services } from './services.js';
import { holderIn, type Routed, routed, subnetOf } from './ways.js';

/** Flows that begin or stop to be possible because of a router or a service chain: from ports that are alike to a prefix. */
export interface RouteFlow extends Outcome {
  readonly network: NetworkEntry;
  readonly ports: readonly PortEntry[];
  readonly to: IpPrefix;
}

/** A destination to which these DPUs send otherwise than before. */
interface Rerouting {
  readonly to: IpPrefix;
  readonly dpus: ReadonlySet<DpuEntry>;
  readonly before: Routed;
  readonly after: Routed;
}

/**
 * What becomes of flows to destinations that routers send elsewhere, or that chains close or open. A destination is judged
 * by its first address, as if all of it were one: policies that tell its addresses apart are not followed there.
 */
export function routeFlows(
  world: World,
  { before, after }: { readonly before: readonly RouterTables[]; readonly after: readonly RouterTables[] },
  closures: ClosureChange,
  /** Ports for which chains close others than before. */
  reclosed: ReadonlySet<PortEntry>,
): RouteFlow[] {
  const marks = new ClosureMarks(closures);
  const rerouted = before.flatMap(({ router, byDpu }) => {
    const now = after.find((each) => each.router === router)?.byDpu ?? new Map();
    return flowsOf(world, router, reroutingsOf(byDpu, now), closures, marks);
  });
  const routers = new Set([...reclosed].map(({ network }) => network.router));
  const chained = [...routers]
    .filter((router) => !before.some((each) => each.router === router))
    .flatMap((router) => flowsOf(world, router, reclosedWays(router, reclosed, closures), closures, marks));
  return [...rerouted, ...chained];
}

function flowsOf(
  world: World,
  { networks }: RouterEntry,
  reroutings: Iterable<Rerouting>,
  closures: ClosureChange,
  marks: ClosureMarks,
): RouteFlow[] {
  const flows: RouteFlow[] = [];
  for (const change of reroutings) {
    for (const network of networks) {
      if (network.gateway) flows.push(...flowsFrom(world, network, change, closures, marks));
    }
  }
  return flows;
}

/** Where a router sends, as before, what is for its destinations and for those that chains close; but for its subnets. */
function* reclosedWays(
  router: RouterEntry,
  reclosed: ReadonlySet<PortEntry>,
  { before, after }: ClosureChange,
): Generator<Rerouting> {
  const destinations = destinationsOf(router);
  for (const { network, record } of reclosed) {
    if (network.router !== router) continue;
    const { name } = record.resource.metadata;
    for (const { prefixes } of [...closedOf(before, name), ...closedOf(after, name)]) {
      for (const prefix of prefixes) destinations.add(prefix);
    }
  }
  for (const to of destinations) {
    const address = prefixAddress(to);
    if (subnetOf(router, address)) continue;
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
    for (const [to, ways] of table) {
      const now = after.get(dpu)?.get(to) ?? [];
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
      const was = servicesBy(world, first, before, to, closures.before);
      const is = servicesBy(world, first, after, to, closures.after);
      for (const outcome of changesOf(was, is, family)) yield { ...outcome, network, ports: part, to };
    }
  }
}

/** What a port may open that goes these ways: by several, what may go by each. */
function servicesBy(world: World, from: PortEntry, ways: Routed, to: IpPrefix, closures: Closures): Services {
  const source = addressOf(from, ipFamily(to));
  if (!source || ways === 'gateway' || ways.length === 0) return NOTHING;
  if (isClosed(closedOf(closures, nameOf(from)), prefixAddress(to))) return NOTHING;
  const sets = addressSetsOf(world);
  const allowed = (
    port: PortEntry,
    direction: 'EGRESS' | 'INGRESS',
    peer: Parameters<typeof slicesOf>[2],
  ) => {
    const policies = policiesOf(port);
    return policies.length === 0 ? EVERYTHING : allowedBy(slicesOf(policies, direction, peer, [], sets));
  };
  let services = allowed(from, 'EGRESS', { address: prefixAddress(to), labels: undefined });
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
