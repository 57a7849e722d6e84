import {
  type Direction,
  type IpPrefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  type SecurityPolicy,
} from '@outboard/model';
import type { NetworkEntry, PortEntry } from '../entries.js';
import type { World } from '../world.js';
import { type Change, policiesOfChanged } from './change.js';
import type { PortClass } from './classes.js';
import { ClosureMarks } from './closures.js';
import { type AddressSets, rulesOf } from './evaluate.js';

/** The mark of ports that are themselves changed. */
export const ITSELF = 'itself';

/** By class, and in it by what tells ports apart from the others of the class. */
export type Marks = ReadonlyMap<PortClass, ReadonlyMap<string, readonly PortEntry[]>>;

/** What a change, and prefixes in rules, tell apart in classes. */
export class Dividing {
  readonly #marks = new Map<NetworkEntry, Map<PortEntry, string>>();
  /** Classes whose ports, but for those that are moved, are touched alike. */
  readonly touched = new Set<PortClass>();
  /** All in rules of ports that are compared. */
  readonly #prefixes: ReadonlySet<IpPrefix>;
  readonly #closures: ClosureMarks;

  constructor(
    private readonly world: World,
    change: Change,
  ) {
    const { ports, networks } = change;
    this.#prefixes = prefixesMeant(world, change);
    this.#closures = new ClosureMarks(change.closures);
    for (const port of change.touched) {
      const own = world.policies.classes.of(port);
      if (change.moved.has(port)) this.#mark(port, 'moved');
      else if (own) this.touched.add(own);
    }
    const [network] = networks;
    // Without one the change concerns no port: there is nothing to divide.
    if (network) {
      const { tenant } = network.record.resource.metadata;
      for (const [index, selector] of change.selectors.entries()) {
        for (const selected of world.policies.selectedPorts(tenant, selector)) {
          this.#mark(selected, `selector ${index}`);
        }
      }
    }
    for (const { before } of ports) if (before) this.#marksOf(before.network).set(before, ITSELF);
  }

  /** What parts of the network have in front of their sorts: with prefixes in rules, networks are not alike. */
  sortsIn({ record }: NetworkEntry): string {
    return this.#prefixes.size === 0 ? '' : record.resource.metadata.uid;
  }

  marksIn(network: NetworkEntry): Marks {
    const byPort = this.#marksOf(network);
    for (const prefix of this.#prefixesIn(network)) {
      for (const port of network.ports) {
        const { addresses } = port.record.resource.status;
        if (addresses.some(({ ip }) => prefixContains(prefix, ip))) this.#mark(port, prefix);
      }
    }
    if (!this.#closures.areNone) {
      for (const port of network.ports) {
        const mark = this.#closures.of(port);
        if (mark !== '') this.#mark(port, mark);
      }
    }
    const marks = new Map<PortClass, Map<string, PortEntry[]>>();
    for (const [port, mark] of byPort) {
      const own = this.world.policies.classes.of(port);
      if (!own) continue;
      const inClass = marks.get(own) ?? new Map<string, PortEntry[]>();
      marks.set(own, inClass);
      const alike = inClass.get(mark) ?? [];
      inClass.set(mark, alike);
      alike.push(port);
    }
    return marks;
  }

  /** Prefixes that hold some addresses of the network's subnets, but not all of one. */
  #prefixesIn(network: NetworkEntry): readonly IpPrefix[] {
    if (this.#prefixes.size === 0) return [];
    const cidrs = [...network.subnets.values()].map(({ record }) => record.resource.spec.cidr);
    return [...this.#prefixes].filter((prefix) =>
      cidrs.some((cidr) => prefixesOverlap(prefix, cidr) && !prefixCovers(prefix, cidr)),
    );
  }

  #marksOf(network: NetworkEntry): Map<PortEntry, string> {
    const known = this.#marks.get(network) ?? new Map<PortEntry, string>();
    this.#marks.set(network, known);
    return known;
  }

  #mark(port: PortEntry, text: string): void {
    const marks = this.#marksOf(port.network);
    const before = marks.get(port);
    if (before !== ITSELF) marks.set(port, `${before ?? ''} ${text}`);
  }
}

/** Every prefix in a rule of the tenant, before and after. */
function prefixesMeant(world: World, change: Change): ReadonlySet<IpPrefix> {
  const policies = new Set<SecurityPolicy>();
  const [network] = change.networks;
  const tenant = network?.record.resource.metadata.tenant;
  for (const { record } of world.policies.policies.values()) {
    if (record.resource.metadata.tenant === tenant) policies.add(record.resource);
  }
  // Who is not moved has the new rules where one of them has.
  const [kept] = change.touched;
  for (const port of [...change.moved, ...(kept ? [kept] : [])]) {
    for (const policy of change.policiesAfter(port)) policies.add(policy);
  }
  for (const { after } of change.ports) {
    for (const policy of after ? policiesOfChanged(world, after) : []) policies.add(policy);
  }
  const { before, after } = change.sets;
  return new Set(
    [...policies].flatMap((policy) => [
      ...prefixesIn(policy, 'INGRESS', before, after),
      ...prefixesIn(policy, 'EGRESS', before, after),
    ]),
  );
}

/** The prefixes of a policy's rules: their own, and those of their address sets. */
export function prefixesIn(
  policy: SecurityPolicy,
  direction: Direction,
  ...sets: readonly AddressSets[]
): readonly IpPrefix[] {
  const { tenant } = policy.metadata;
  return rulesOf(policy, direction)
    .flatMap(({ peers }) => peers)
    .flatMap((peer): readonly IpPrefix[] => {
      if (peer.kind === 'cidr') return [peer.cidr, ...peer.except];
      return peer.kind === 'addressSet' ? sets.flatMap((each) => each(tenant, peer.name)) : [];
    });
}
