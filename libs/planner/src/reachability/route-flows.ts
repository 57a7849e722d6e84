import { type IpFamily, type IpPrefix, ipFamily, prefixAddress } from '@outboard/model';
import type { DpuEntry, NetworkEntry, PortEntry } from '../entries.js';
import type { World } from '../world.js';
import { policiesOf } from './change.js';
import { isUp } from './classes.js';
import { allowedBy, slicesOf } from './evaluate.js';
import { addressOf, addressSetsOf } from './explain.js';
import { changesOf, type Outcome } from './outcomes.js';
import type { RouterTables } from './routing-tables.js';
import { both, EVERYTHING, NOTHING, type Services } from './services.js';
import { holderIn, type Routed } from './ways.js';

/** Flows that begin or stop to be possible because a router sends them elsewhere: from ports that are alike to a prefix. */
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
 * What becomes of flows to destinations that routers send elsewhere. A destination is judged by its first address, as if all
 * of it were one: policies that tell its addresses apart are not followed there.
 */
export function routeFlows(
  world: World,
  before: readonly RouterTables[],
  after: readonly RouterTables[],
): RouteFlow[] {
  return before.flatMap(({ router, byDpu }) => {
    const now = after.find((each) => each.router === router)?.byDpu ?? new Map();
    const flows: RouteFlow[] = [];
    for (const change of reroutingsOf(byDpu, now)) {
      for (const network of router.networks) {
        if (network.gateway) flows.push(...flowsFrom(world, network, change));
      }
    }
    return flows;
  });
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

function* flowsFrom(world: World, network: NetworkEntry, change: Rerouting): Generator<RouteFlow> {
  const { to, dpus, before, after } = change;
  const family = ipFamily(to);
  for (const { ports } of world.policies.classes.in(network)) {
    const alike = [...ports].filter((port) => isUp(port) && port.placement && dpus.has(port.placement.dpu));
    const [first] = alike;
    if (!first) continue;
    const [was, is] = [before, after].map((ways) => servicesBy(world, first, ways, to, family));
    for (const outcome of changesOf(was ?? NOTHING, is ?? NOTHING, family)) {
      yield { ...outcome, network, ports: alike, to };
    }
  }
}

/** What a port may open that goes these ways: by several, what may go by each. */
function servicesBy(world: World, from: PortEntry, ways: Routed, to: IpPrefix, family: IpFamily): Services {
  const source = addressOf(from, family);
  if (!source || ways === 'gateway' || ways.length === 0) return NOTHING;
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
    if (!hop || !isUp(hop)) return NOTHING;
    services = both(services, allowed(hop, 'INGRESS', { address: source, labels }));
  }
  return services;
}
