import {
  type IpAddress,
  type IpPrefix,
  type Labels,
  type Name,
  type NamedPort,
  type Port,
  prefixContains,
  prefixesOverlap,
  type SecurityPolicy,
} from '@outboard/model';
import type { NetworkEntry, PortEntry } from '../entries.js';
import type { World } from '../world.js';
import { type Change, type ChangedPort, policiesOf, policiesOfChanged } from './change.js';
import { isUp, type PortClass } from './classes.js';
import { rulesOf } from './evaluate.js';

/** Ports of a part that are named. */
export const MAX_NAMES = 5;

/** What others may know a port by. */
interface Identity {
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
  readonly addresses: readonly IpAddress[];
}

/** A port, or what stands for many, at one time; undefined: nothing that could be reached. */
export type Side = { readonly policies: readonly SecurityPolicy[]; readonly identity: Identity } | undefined;

/** Ports that are alike before and after a change. */
export interface Part {
  readonly network: NetworkEntry;
  /** Equal for parts, of whatever networks, that rules cannot tell apart. */
  readonly sort: string;
  readonly total: number;
  /** The first of them at least; one that does not exist yet by its name. */
  ports(): readonly (PortEntry | Name)[];
  /** It may be another side afterwards. */
  readonly isTouched: boolean;
  sides(): { readonly before: Side; readonly after: Side };
}

/** Ports of networks in parts: as few as tell apart all that rules and a change tell apart. Made when they are asked for. */
export class Parts {
  readonly #dividing: Dividing;
  /** Classes whose ports may be other sides afterwards. */
  readonly #touched = new Map<NetworkEntry, PortClass[]>();
  readonly #marks = new Map<NetworkEntry, Marks>();
  readonly #marked = new Map<NetworkEntry, readonly Part[]>();
  readonly #rest = new Map<PortClass, Part | undefined>();

  constructor(
    private readonly world: World,
    private readonly change: Change,
  ) {
    this.#dividing = new Dividing(world, change);
    for (const own of this.#dividing.touched) {
      const ofNetwork = this.#touched.get(own.network) ?? [];
      this.#touched.set(own.network, ofNetwork);
      ofNetwork.push(own);
    }
  }

  /** What makes a network's sorts its own: where rules have prefixes, networks are not alike. */
  scopeOf(network: NetworkEntry): string {
    return this.#dividing.sortsIn(network);
  }

  /** Parts of a network whose ports may be other sides afterwards. */
  touchedIn(network: NetworkEntry): readonly Part[] {
    const classes = this.#touched.get(network) ?? [];
    const rest = classes.flatMap((own) => this.restOf(own) ?? []);
    return [...this.markedIn(network).filter(({ isTouched }) => isTouched), ...rest];
  }

  /** Parts of a network that are less than a class: what is told apart from the rest of it, and what is itself changed. */
  markedIn(network: NetworkEntry): readonly Part[] {
    const known = this.#marked.get(network) ?? this.#markedIn(network);
    this.#marked.set(network, known);
    return known;
  }

  #markedIn(network: NetworkEntry): readonly Part[] {
    const scope = this.scopeOf(network);
    const parts: Part[] = [];
    for (const [own, marked] of this.#marksIn(network)) {
      for (const [mark, ports] of marked) {
        // What is itself changed is a part of its own.
        if (mark === ITSELF) continue;
        const isTouched = this.change.touched.has(firstOf(ports));
        const sort = `${scope}${own.key} ${mark}`;
        parts.push(
          new PartOfClass(network, sort, ports.length, isTouched, this.change, own, ports, undefined),
        );
      }
    }
    const changed = this.change.ports.filter((port) => port.network === network);
    return [...parts, ...changed.map((port) => partOfChanged(this.world, port))];
  }

  /** What is left of a class; undefined: nothing. */
  restOf(own: PortClass): Part | undefined {
    if (this.#rest.has(own)) return this.#rest.get(own);
    const marked = this.#marksIn(own.network).get(own);
    let total = own.ports.size;
    for (const ports of marked?.values() ?? []) total -= ports.length;
    const sort = this.scopeOf(own.network) + own.key;
    const isTouched = this.#dividing.touched.has(own);
    const part =
      total === 0
        ? undefined
        : new PartOfClass(own.network, sort, total, isTouched, this.change, own, undefined, marked);
    this.#rest.set(own, part);
    return part;
  }

  #marksIn(network: NetworkEntry): Marks {
    const known = this.#marks.get(network) ?? this.#dividing.marksIn(network);
    this.#marks.set(network, known);
    return known;
  }
}

/** The mark of ports that are themselves changed. */
const ITSELF = 'itself';

/** By class, and in it by what tells ports apart from the others of the class. */
type Marks = ReadonlyMap<PortClass, ReadonlyMap<string, readonly PortEntry[]>>;

/** What a change, and prefixes in rules, tell apart in classes. */
class Dividing {
  readonly #marks = new Map<NetworkEntry, Map<PortEntry, string>>();
  /** Classes whose ports, but for those that are moved, are touched alike. */
  readonly touched = new Set<PortClass>();
  /** All in rules of ports that are compared. */
  readonly #prefixes: ReadonlySet<IpPrefix>;

  constructor(
    private readonly world: World,
    change: Change,
  ) {
    const { ports, networks } = change;
    this.#prefixes = prefixesMeant(world, change);
    for (const port of change.touched) {
      const own = world.policies.classes.of(port);
      if (change.moved.has(port)) this.#mark(port, 'moved');
      else if (own) this.touched.add(own);
    }
    const [network] = networks;
    for (const [index, selector] of change.selectors.entries()) {
      const { tenant } = (network as NetworkEntry).record.resource.metadata;
      for (const selected of world.policies.selectedPorts(tenant, selector)) {
        this.#mark(selected, `selector ${index}`);
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
      cidrs.some((cidr) => prefixesOverlap(prefix, cidr) && !covers(prefix, cidr)),
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
  return new Set([...policies].flatMap((policy) => prefixesIn(policy, change.sets)));
}

/** One of ports that are alike; a class has at least one. */
function firstOf(ports: Iterable<PortEntry>): PortEntry {
  for (const port of ports) return port;
  throw new Error('a class has ports');
}

function prefixesIn(policy: SecurityPolicy, { before, after }: Change['sets']): readonly IpPrefix[] {
  const { tenant } = policy.metadata;
  const rules = [...rulesOf(policy, 'INGRESS'), ...rulesOf(policy, 'EGRESS')];
  return rules
    .flatMap(({ peers }) => peers)
    .flatMap((peer): readonly IpPrefix[] => {
      if (peer.kind === 'cidr') return [peer.cidr, ...peer.except];
      return peer.kind === 'addressSet' ? [...before(tenant, peer.name), ...after(tenant, peer.name)] : [];
    });
}

const covers = (outer: IpPrefix, inner: IpPrefix): boolean =>
  prefixesOverlap(outer, inner) && Number(outer.split('/')[1]) <= Number(inner.split('/')[1]);

/** The first ports that are not marked: enough to stand for all. */
function unmarked(
  { ports }: PortClass,
  marked: ReadonlyMap<string, readonly PortEntry[]> | undefined,
): PortEntry[] {
  const left = new Set(marked && [...marked.values()].flat());
  const found: PortEntry[] = [];
  for (const port of ports) {
    if (found.length === MAX_NAMES) break;
    if (!left.has(port)) found.push(port);
  }
  return found;
}

/**
 * Ports of a class: some that are marked alike, or all that are not marked. Tens of thousands are made for one question,
 * and ports are looked at only where the outcome for their sort is not known yet, or is told.
 */
class PartOfClass implements Part {
  #sides: ReturnType<Part['sides']> | undefined;

  constructor(
    readonly network: NetworkEntry,
    readonly sort: string,
    readonly total: number,
    readonly isTouched: boolean,
    private readonly change: Change,
    private readonly own: PortClass,
    private readonly some: readonly PortEntry[] | undefined,
    private readonly marked: ReadonlyMap<string, readonly PortEntry[]> | undefined,
  ) {}

  ports(): readonly PortEntry[] {
    return this.some ?? unmarked(this.own, this.marked);
  }

  sides(): ReturnType<Part['sides']> {
    this.#sides ??= this.#look();
    return this.#sides;
  }

  #look(): ReturnType<Part['sides']> {
    const port = firstOf(this.ports());
    if (!isUp(port)) return { before: undefined, after: undefined };
    const before = { policies: policiesOf(port), identity: identityOf(port.record.resource) };
    const after = this.isTouched ? { ...before, policies: this.change.policiesAfter(port) } : before;
    return { before, after };
  }
}

/** A port that is itself changed, which nothing else is like. */
function partOfChanged(world: World, { network, before, after }: ChangedPort): Part {
  const former: Side =
    before && isUp(before)
      ? { policies: policiesOf(before), identity: identityOf(before.record.resource) }
      : undefined;
  const isOpen = after?.status.dpu !== undefined && after.spec.adminState === 'UP';
  const latter: Side =
    after && isOpen ? { policies: policiesOfChanged(world, after), identity: identityOf(after) } : undefined;
  const name = (after ?? before?.record.resource)?.metadata.name;
  const sides = () => ({ before: former, after: latter });
  const ports = () => (name ? [name] : []);
  return { network, sort: `${ITSELF} ${name}`, total: 1, isTouched: true, ports, sides };
}

const identityOf = ({ metadata, spec, status }: Port): Identity => ({
  labels: metadata.labels,
  namedPorts: spec.namedPorts,
  addresses: status.addresses.map(({ ip }) => ip),
});
