import type { IpPrefix } from '@outboard/model';
import type { Command } from '../api.js';
import type { DpuEntry, RouterEntry } from '../entries.js';
import { prefixOfAddress } from '../netlink-objects/place.js';
import { addressOutside, isInside } from './regions.js';
import { linksOf, type Routed, routed } from './ways.js';

/** Where what has no other route goes. */
const DEFAULTS = ['0.0.0.0/0', '::/0'] as IpPrefix[];

/**
 * Where a router sends what is for each of these destinations, on a DPU, and for none with a longer prefix. A destination of
 * which those leave nothing is not in it.
 */
export type RoutingTable = ReadonlyMap<IpPrefix, Routed>;

/** The tables of the DPUs that route for a router; those that route alike have the same one. */
export interface RouterTables {
  readonly router: RouterEntry;
  readonly byDpu: ReadonlyMap<DpuEntry, RoutingTable>;
  /** The subnets on its links. */
  readonly links: readonly IpPrefix[];
}

/**
 * Where routers send what a command may be about: to the destinations that they have, and to those that it names. To be looked
 * at before the command, and after it with what was found (`former`).
 */
export function tablesOf(
  routers: Iterable<RouterEntry>,
  command: Command,
  former: readonly RouterTables[] = [],
): readonly RouterTables[] {
  return [...routers].map((router) => {
    const destinations = destinationsOf(router, command);
    for (const table of former.find((each) => each.router === router)?.byDpu.values() ?? []) {
      for (const prefix of table.keys()) destinations.add(prefix);
    }
    const links = linksOf(router);
    const known = [...destinations, ...links];
    const addresses = [...destinations].flatMap((prefix) => {
      const address = addressOutside(
        prefix,
        known.filter((each) => isInside(each, prefix)),
      );
      return address === undefined ? [] : [[prefix, address] as const];
    });
    const alike = new Map<string, RoutingTable>();
    const byDpu = new Map<DpuEntry, RoutingTable>();
    for (const { dpu } of router.hosts.values()) {
      // DPUs differ in nothing but what callers have placed there.
      const placed = [...dpu.netlinkObjects].flatMap(([key, entry]) =>
        entry.router === router ? [key] : [],
      );
      const text = placed.sort().join(' ');
      const table =
        alike.get(text) ??
        new Map(addresses.map(([prefix, address]) => [prefix, routed(router, dpu, address)]));
      alike.set(text, table);
      byDpu.set(dpu, table);
    }
    return { router, byDpu, links };
  });
}

/** The destinations of its routes, of what callers have placed, and of the command; and all others. */
export function destinationsOf({ record, netlinkObjects }: RouterEntry, command?: Command): Set<IpPrefix> {
  const destinations = new Set(DEFAULTS);
  for (const { destination } of record?.resource.spec.routes ?? []) destinations.add(destination);
  const objects = [...netlinkObjects].map((entry) => entry.record.resource.spec.object);
  if (command?.operation === 'apply' && command.intent.kind === 'Router') {
    for (const { destination } of command.intent.spec.routes) destinations.add(destination);
  }
  if (command?.operation === 'apply' && command.intent.kind === 'NetlinkObject') {
    objects.push(command.intent.spec.object);
  }
  for (const object of objects) {
    if (object.kind === 'route') destinations.add(object.dst);
    if (object.kind === 'addr') destinations.add(prefixOfAddress(object));
  }
  return destinations;
}
