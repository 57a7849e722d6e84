import {
  type Direction,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  ipFamily,
  type LabelSelector,
  type Labels,
  type Name,
  type NamedPort,
  type Port,
  prefixContains,
  prefixesOverlap,
  type SecurityPolicy,
} from '@outboard/model';
import type { Command, PlannedResource } from '../api.js';
import type { NetworkEntry, PortEntry } from '../entries.js';
import { compareInEvaluation } from '../policies/order.js';
import { nameKey, type World } from '../world.js';
import { isUp, type PortClass } from './classes.js';
import { type AddressSets, allowedBy, rulesOf, slicesOf } from './evaluate.js';
import { addressSetsOf } from './explain.js';
import {
  both,
  EVERYTHING,
  NOTHING,
  rangesOf,
  type ServiceRange,
  type Services,
  without,
} from './services.js';

/** Ports that are alike: a few of their names, and how many there are. */
export interface PortNames {
  readonly network: Name;
  readonly names: readonly Name[];
  readonly total: number;
}

/** Flows between ports of two sorts that begin or stop to be possible. */
export interface FlowChange {
  readonly change: 'BEGINS' | 'STOPS';
  readonly family: IpFamily;
  readonly from: PortNames;
  readonly to: PortNames;
  readonly services: readonly ServiceRange[];
}

export interface ReachabilityDifference {
  /** At most `MAX_LISTED`. */
  readonly flows: readonly FlowChange[];
  readonly total: number;
}

const MAX_LISTED = 100;
const MAX_NAMES = 5;
const FAMILIES = [4, 6] as const;

/** What others may know a port by. */
interface Identity {
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
  readonly addresses: readonly IpAddress[];
}

/** A port, or what stands for many, at one time; undefined: nothing that could be reached. */
type Side = { readonly policies: readonly SecurityPolicy[]; readonly identity: Identity } | undefined;

/** Ports that are alike before and after a change. */
interface Part {
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

/** What begins or stops between two sorts of ports. */
type Outcome = Pick<FlowChange, 'change' | 'family' | 'services'>;

/** From one sort of ports to another, and back. */
interface Exchange {
  readonly forth: readonly Outcome[];
  readonly back: readonly Outcome[];
}

/** What a command changes, as far as reachability goes. */
interface Change {
  /** Ports whose policies are others afterwards, or mean something else. */
  readonly touched: ReadonlySet<PortEntry>;
  policiesAfter(port: PortEntry): readonly SecurityPolicy[];
  /** Those of them that are alike with others that the command does not touch in the same way. */
  readonly moved: ReadonlySet<PortEntry>;
  /** Peers that no policy has meant so far: what is alike may differ in them. */
  readonly selectors: readonly LabelSelector[];
  readonly sets: { readonly before: AddressSets; readonly after: AddressSets };
  /** The port that is itself changed. */
  readonly port: { readonly before: PortEntry | undefined; readonly after: Port | undefined } | undefined;
  readonly networks: ReadonlySet<NetworkEntry>;
}

/**
 * Which flows between ports begin and stop to be possible by a command, of which `planned` is the outcome; undefined for
 * a kind that opens and closes nothing. Classes of ports are compared, and of those only what the command touches.
 */
export function differenceOf(
  world: World,
  command: Command,
  planned: PlannedResource,
): ReachabilityDifference | undefined {
  const change = changeOf(world, command.operation === 'delete', planned);
  if (!change) return undefined;
  const outcomes = new Outcomes(change.sets);
  const flows: FlowChange[] = [];
  let total = 0;
  const tell = (from: Part, to: Part, found: readonly Outcome[]): void => {
    for (const outcome of found) {
      if (++total <= MAX_LISTED) flows.push({ ...outcome, from: portsOf(from), to: portsOf(to) });
    }
  };
  const dividing = new Dividing(world, change);
  const parts = new Map<NetworkEntry, readonly Part[]>();
  const partsIn = (network: NetworkEntry): readonly Part[] => {
    const known = parts.get(network) ?? partsOf(world, network, change, dividing);
    parts.set(network, known);
    return known;
  };
  for (const network of change.networks) {
    const touched = partsIn(network).filter(({ isTouched }) => isTouched);
    if (touched.length === 0) continue;
    for (const reached of reachedFrom(network)) {
      for (const other of partsIn(reached)) {
        for (const part of touched) {
          if (part === other && part.total < 2) continue;
          const { forth, back } = outcomes.between(part, other);
          tell(part, other, forth);
          if (!other.isTouched) tell(other, part, back);
        }
      }
    }
  }
  return { flows, total };
}

/** What a change does between sorts of ports: worked out once for each two, in however many networks they are. */
class Outcomes {
  readonly #known = new Map<string, Map<string, Exchange>>();

  constructor(private readonly sets: Change['sets']) {}

  between(part: Part, other: Part): Exchange {
    const ofPart = this.#known.get(part.sort) ?? new Map<string, Exchange>();
    this.#known.set(part.sort, ofPart);
    const known = ofPart.get(other.sort);
    if (known) return known;
    const exchange = { forth: this.#from(part, other), back: this.#from(other, part) };
    ofPart.set(other.sort, exchange);
    return exchange;
  }

  #from(from: Part, to: Part): readonly Outcome[] {
    const [sender, receiver] = [from.sides(), to.sides()];
    return FAMILIES.flatMap((family) => this.#between(sender, receiver, family));
  }

  #between(
    from: ReturnType<Part['sides']>,
    to: ReturnType<Part['sides']>,
    family: IpFamily,
  ): readonly Outcome[] {
    const before = permitted(from.before, to.before, family, this.sets.before);
    const after = permitted(from.after, to.after, family, this.sets.after);
    const outcome = (change: FlowChange['change'], services: Services): Outcome[] =>
      services.length === 0 ? [] : [{ change, family, services: rangesOf(services, family) }];
    return [...outcome('BEGINS', without(after, before)), ...outcome('STOPS', without(before, after))];
  }
}

/** The networks whose ports a network's ports reach: itself, and what its router joins it with. */
function reachedFrom(network: NetworkEntry): readonly NetworkEntry[] {
  if (!network.gateway) return [network];
  return [...network.router.networks].filter(({ gateway }) => gateway !== undefined);
}

function changeOf(world: World, isDeleted: boolean, planned: PlannedResource): Change | undefined {
  const { tenant, name } = planned.metadata;
  const key = nameKey(tenant, name);
  const sets = { before: addressSetsOf(world), after: addressSetsOf(world) };
  const policiesAfter = policiesOf;
  const none = { moved: new Set<PortEntry>(), selectors: [], sets, policiesAfter, port: undefined };
  switch (planned.kind) {
    case 'SecurityPolicy':
      return changeOfPolicy(world, isDeleted ? undefined : planned, key, planned, none);
    case 'AddressSet': {
      const users = world.policies.addressSets.get(key)?.policies ?? [];
      const touched = new Set([...users].flatMap(({ ports }) => [...ports]));
      const after: AddressSets = (ofTenant, set) =>
        ofTenant === tenant && set === name ? planned.spec.addresses : sets.before(ofTenant, set);
      return { ...none, touched, sets: { ...sets, after }, networks: networksOf(touched) };
    }
    case 'Port': {
      const before = world.ports.get(key);
      const network = before?.network ?? world.networks.get(nameKey(tenant, planned.spec.network));
      const port = { before, after: isDeleted ? undefined : planned };
      return { ...none, touched: new Set(), port, networks: new Set(network ? [network] : []) };
    }
    default:
      return undefined;
  }
}

function changeOfPolicy(
  world: World,
  after: SecurityPolicy | undefined,
  key: string,
  { metadata, spec }: SecurityPolicy,
  none: Omit<Change, 'touched' | 'networks'>,
): Change {
  const existing = world.policies.policies.get(key);
  const selected = new Set(
    after?.spec.portSelector ? world.policies.selectedPorts(metadata.tenant, after.spec.portSelector) : [],
  );
  const touched = new Set([...(existing?.ports ?? []), ...selected]);
  const applies = (port: PortEntry): boolean =>
    after !== undefined && (selected.has(port) || existing?.namedBy.has(port) === true);
  const peers = after ? [...after.spec.ingress, ...after.spec.egress].flatMap((rule) => rule.peers) : [];
  const memory = new Map<string, readonly SecurityPolicy[]>();
  return {
    ...none,
    touched,
    moved: new Set([...touched].filter((port) => applies(port) !== (existing?.ports.has(port) ?? false))),
    networks: networksOf(touched),
    selectors: peers.flatMap((peer) =>
      peer.kind === 'ports' && !world.policies.isMeant(metadata.tenant, peer) ? [peer.selector] : [],
    ),
    policiesAfter(port) {
      const before = policiesOf(port);
      if (!touched.has(port)) return before;
      const others = before.filter((policy) => policy.metadata.name !== metadata.name);
      const isUnder = after && applies(port);
      const text = [isUnder ? spec.tier : '', ...others.map(({ metadata: { uid } }) => uid)].join();
      const known = memory.get(text);
      if (known) return known;
      const policies = isUnder ? [...others, after].sort(compareInEvaluation) : others;
      memory.set(text, policies);
      return policies;
    },
  };
}

const policiesOf = (port: PortEntry): readonly SecurityPolicy[] =>
  port.policies.map(({ record }) => record.resource);

const networksOf = (ports: Iterable<PortEntry>): ReadonlySet<NetworkEntry> =>
  new Set([...ports].map(({ network }) => network));

/** The ports of a network, as few parts as tell apart all that rules and the change tell apart. */
function partsOf(world: World, network: NetworkEntry, change: Change, dividing: Dividing): readonly Part[] {
  const marks = dividing.marksIn(network);
  const sorts = dividing.sortsIn(network);
  const parts: Part[] = [];
  for (const own of world.policies.classes.in(network)) {
    const marked = marks.get(own);
    let rest = own.ports.size;
    for (const [mark, ports] of marked ?? []) {
      rest -= ports.length;
      // What is itself changed is a part of its own.
      if (mark === ITSELF) continue;
      const isTouched = change.touched.has(firstOf(ports));
      const sort = `${sorts}${own.key} ${mark}`;
      parts.push(new PartOfClass(network, sort, ports.length, isTouched, change, own, ports, undefined));
    }
    if (rest === 0) continue;
    const sort = sorts + own.key;
    const isTouched = dividing.touched.has(own);
    parts.push(new PartOfClass(network, sort, rest, isTouched, change, own, undefined, marked));
  }
  if (change.port) parts.push(partOfChanged(world, network, change.port));
  return parts;
}

/** The mark of the port that is itself changed. */
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
    const { port, networks } = change;
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
    if (port?.before) this.#marksOf(port.before.network).set(port.before, ITSELF);
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
  for (const policy of change.port?.after ? policiesOfChanged(world, change.port.after) : []) {
    policies.add(policy);
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
    const port = firstOf(this.ports());
    if (!isUp(port)) return { before: undefined, after: undefined };
    const before = { policies: policiesOf(port), identity: identityOf(port.record.resource) };
    const after = this.isTouched ? { ...before, policies: this.change.policiesAfter(port) } : before;
    return { before, after };
  }
}

/** The port that is itself changed, which nothing else is like. */
function partOfChanged(
  world: World,
  network: NetworkEntry,
  { before, after }: NonNullable<Change['port']>,
): Part {
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
  return { network, sort: ITSELF, total: 1, isTouched: true, ports, sides };
}

const policiesOfChanged = (world: World, { metadata, spec }: Port): readonly SecurityPolicy[] =>
  world.policies
    .applyingTo(metadata.tenant, metadata.labels, spec.securityPolicies)
    .map(({ record }) => record.resource);

const identityOf = ({ metadata, spec, status }: Port): Identity => ({
  labels: metadata.labels,
  namedPorts: spec.namedPorts,
  addresses: status.addresses.map(({ ip }) => ip),
});

const portsOf = (part: Part): PortNames => ({
  network: part.network.record.resource.metadata.name,
  names: part
    .ports()
    .slice(0, MAX_NAMES)
    .map((port) => (typeof port === 'string' ? port : port.record.resource.metadata.name)),
  total: part.total,
});

/** What one may open and the other accepts. */
function permitted(from: Side, to: Side, family: IpFamily, sets: AddressSets): Services {
  const source = from?.identity.addresses.find((ip) => ipFamily(ip) === family);
  const destination = to?.identity.addresses.find((ip) => ipFamily(ip) === family);
  if (!from || !to || !source || !destination) return NOTHING;
  const { namedPorts } = to.identity;
  const allowed = (side: NonNullable<Side>, direction: Direction, address: IpAddress, labels: Labels) =>
    side.policies.length === 0
      ? EVERYTHING
      : allowedBy(slicesOf(side.policies, direction, { address, labels }, namedPorts, sets));
  const opened = allowed(from, 'EGRESS', destination, to.identity.labels);
  return opened.length === 0 ? NOTHING : both(opened, allowed(to, 'INGRESS', source, from.identity.labels));
}
