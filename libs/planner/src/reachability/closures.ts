import type { IpAddress, Name, ServiceChain, TenantName } from '@outboard/model';
import { type ChainEntry, type DpuEntry, type PortEntry, placeKey } from '../entries.js';
import { type Destination, isDestination } from '../service-chains/destination.js';
import { nameKey, type World } from '../world.js';
import { isUp } from './classes.js';

type Hop = ServiceChain['spec']['hops'][number];

/** With whom ports of a tenant have nothing, by the ports' names: chains that are FAIL_CLOSED lack a hop there. */
export type Closures = ReadonlyMap<Name, readonly Destination[]>;

/** What is closed before a command and after it. */
export interface ClosureChange {
  readonly before: Closures;
  readonly after: Closures;
}

/** The hops of a chain of which a DPU has no port, or none that is up. */
export function absentHops(world: World, { record }: ChainEntry, home: DpuEntry): readonly Hop[] {
  const { metadata, spec } = record.resource;
  return spec.hops.filter(({ ingressPort, egressPort }) =>
    [ingressPort, egressPort].some((name) => {
      const hop = world.ports.get(nameKey(metadata.tenant, name));
      return !hop || !isUp(hop) || hop.placement?.dpu !== home;
    }),
  );
}

/** `tenant`: empty for what is of none, which has no chains. */
export function closuresOf(world: World, tenant: string): Closures {
  const closures = new Map<Name, Destination[]>();
  for (const chain of world.serviceChains.ofTenant(tenant as TenantName)) {
    if (chain.record.resource.spec.failureMode !== 'FAIL_CLOSED') continue;
    const closed = new Map<string, Destination>();
    for (const [key, { dpu, router }] of chain.places)
      if (absentHops(world, chain, dpu).length > 0)
        closed.set(key, world.serviceChains.destinationOf(chain, router));
    if (closed.size === 0) continue;
    for (const { placement, network, record } of chain.ports) {
      const destination = placement && closed.get(placeKey(placement.dpu, network.router.name as Name));
      if (!destination) continue;
      const { name } = record.resource.metadata;
      closures.set(name, [...(closures.get(name) ?? []), destination]);
    }
  }
  return closures;
}

export const isClosed = (destinations: readonly Destination[], other: IpAddress): boolean =>
  destinations.some((each) => isDestination(each, other));

export const closedOf = (closures: Closures, name: Name): readonly Destination[] => closures.get(name) ?? [];

const textOf = (destinations: readonly Destination[]): string => JSON.stringify(destinations);

/** The ports for which others are closed than before; those that are there now. */
export function reclosedPorts(
  world: World,
  tenant: TenantName,
  { before, after }: ClosureChange,
): ReadonlySet<PortEntry> {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const others = names.filter((name) => textOf(closedOf(before, name)) !== textOf(closedOf(after, name)));
  return new Set(others.flatMap((name) => world.ports.get(nameKey(tenant, name)) ?? []));
}

/** What closures tell ports apart by: what is closed for them, and where they are what is closed for others. */
export class ClosureMarks {
  readonly #destinations: readonly Destination[];

  constructor(private readonly closures: ClosureChange) {
    const { before, after } = closures;
    const all = [...before.values(), ...after.values()].flat();
    this.#destinations = [...new Map(all.map((each) => [textOf([each]), each])).values()];
  }

  get areNone(): boolean {
    return this.#destinations.length === 0;
  }

  /** Ports in parts that closures do not tell apart. */
  divided(ports: readonly PortEntry[]): Iterable<readonly PortEntry[]> {
    if (this.areNone) return [ports];
    const parts = new Map<string, PortEntry[]>();
    for (const port of ports) {
      const mark = this.of(port);
      parts.set(mark, [...(parts.get(mark) ?? []), port]);
    }
    return parts.values();
  }

  /** Empty: it has nothing to do with any closure. */
  of({ record }: PortEntry): string {
    const { metadata, status } = record.resource;
    const own = [this.closures.before, this.closures.after].map((each) =>
      textOf(closedOf(each, metadata.name)),
    );
    const meant = this.#destinations.flatMap((destination, index) =>
      status.addresses.flatMap(({ ip }, place) =>
        isDestination(destination, ip) ? `${index}/${place}` : [],
      ),
    );
    return meant.length === 0 && own.every((each) => each === '[]') ? '' : `closed ${own} ${meant}`;
  }
}
