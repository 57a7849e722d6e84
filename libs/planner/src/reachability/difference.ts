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
import { isUp } from './classes.js';
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
  readonly names: PortNames;
  readonly before: Side;
  readonly after: Side;
}

/** What a command changes, as far as reachability goes. */
interface Change {
  /** Ports whose policies are others afterwards, or mean something else. */
  readonly touched: ReadonlySet<PortEntry>;
  policiesAfter(port: PortEntry): readonly SecurityPolicy[];
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
  const flows: FlowChange[] = [];
  let total = 0;
  const compare = (from: Part, to: Part): void => {
    if (from === to && from.names.total < 2) return;
    for (const family of FAMILIES) {
      const before = permitted(from.before, to.before, family, change.sets.before);
      const after = permitted(from.after, to.after, family, change.sets.after);
      if (before === after) continue;
      for (const [kind, services] of [
        ['BEGINS', without(after, before)],
        ['STOPS', without(before, after)],
      ] as const) {
        if (services.length === 0) continue;
        if (++total > MAX_LISTED) continue;
        const ranges = rangesOf(services, family);
        flows.push({ change: kind, family, from: from.names, to: to.names, services: ranges });
      }
    }
  };
  const parts = new Map<NetworkEntry, readonly Part[]>();
  const partsIn = (network: NetworkEntry): readonly Part[] => {
    const known = parts.get(network) ?? partsOf(world, network, change);
    parts.set(network, known);
    return known;
  };
  for (const network of change.networks) {
    const touched = partsIn(network).filter(({ before, after }) => before !== after);
    for (const other of reachedFrom(network).flatMap(partsIn)) {
      for (const part of touched) {
        compare(part, other);
        if (other.before === other.after) compare(other, part);
      }
    }
  }
  return { flows, total };
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
  const none = { selectors: [], sets, policiesAfter, port: undefined };
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
  const peers = after ? [...after.spec.ingress, ...after.spec.egress].flatMap((rule) => rule.peers) : [];
  const memory = new Map<string, readonly SecurityPolicy[]>();
  return {
    ...none,
    touched,
    networks: networksOf(touched),
    selectors: peers.flatMap((peer) => (peer.kind === 'ports' ? [peer.selector] : [])),
    policiesAfter(port) {
      const before = policiesOf(port);
      if (!touched.has(port)) return before;
      const others = before.filter((policy) => policy.metadata.name !== metadata.name);
      const applies = after && (selected.has(port) || existing?.namedBy.has(port));
      const text = [applies ? spec.tier : '', ...others.map(({ metadata: { uid } }) => uid)].join();
      const known = memory.get(text);
      if (known) return known;
      const policies = applies ? [...others, after].sort(compareInEvaluation) : others;
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
function partsOf(world: World, network: NetworkEntry, change: Change): readonly Part[] {
  const marks = marksOf(world, network, change);
  const parts: Part[] = [];
  const add = (ports: readonly PortEntry[], total: number): void => {
    const [first] = ports;
    if (first) parts.push(partOf(first, namesOf(network, ports, total), change));
  };
  for (const { ports } of world.policies.classes.in(network)) {
    const marked = new Map<string, Set<PortEntry>>();
    let rest = ports.size;
    // Whichever is smaller tells which of the class are marked.
    for (const port of marks.size < ports.size ? marks.keys() : ports) {
      const mark = ports.has(port) ? marks.get(port) : undefined;
      if (mark === undefined) continue;
      rest--;
      if (port === change.port?.before) continue;
      const alike = marked.get(mark) ?? new Set();
      marked.set(mark, alike.add(port));
    }
    for (const alike of marked.values()) add([...alike], alike.size);
    if (rest > 0) add(unmarked(ports, marks), rest);
  }
  if (change.port) parts.push(partOfChanged(world, network, change.port));
  return parts;
}

/** What tells a port apart from others of its class, as far as it is anything. */
function marksOf(world: World, network: NetworkEntry, change: Change): ReadonlyMap<PortEntry, string> {
  const marks = new Map<PortEntry, string>();
  const mark = (port: PortEntry, text: string): void => {
    if (port.network === network) marks.set(port, `${marks.get(port) ?? ''} ${text}`);
  };
  const uids = (policies: readonly SecurityPolicy[]): string =>
    policies.map(({ metadata }) => metadata.uid).join();
  for (const port of change.touched) mark(port, `policies ${uids(change.policiesAfter(port))}`);
  for (const [index, selector] of change.selectors.entries()) {
    const { tenant } = network.record.resource.metadata;
    for (const port of world.policies.selectedPorts(tenant, selector)) mark(port, `selector ${index}`);
  }
  for (const prefix of prefixesThatDivide(world, network, change)) {
    for (const port of network.ports) {
      const { addresses } = port.record.resource.status;
      if (addresses.some(({ ip }) => prefixContains(prefix, ip))) mark(port, prefix);
    }
  }
  if (change.port?.before) mark(change.port.before, 'itself');
  return marks;
}

/** Prefixes in rules that hold some addresses of the network's subnets, but not all of one. */
function prefixesThatDivide(world: World, network: NetworkEntry, change: Change): ReadonlySet<IpPrefix> {
  const policies = new Set<SecurityPolicy>();
  for (const { ports } of world.policies.classes.in(network)) {
    const [port] = ports;
    if (port) for (const policy of policiesOf(port)) policies.add(policy);
  }
  for (const port of change.touched) for (const policy of change.policiesAfter(port)) policies.add(policy);
  const cidrs = [...network.subnets.values()].map(({ record }) => record.resource.spec.cidr);
  const divides = (prefix: IpPrefix): boolean =>
    cidrs.some((cidr) => prefixesOverlap(prefix, cidr) && !covers(prefix, cidr));
  return new Set([...policies].flatMap((policy) => prefixesIn(policy, change.sets)).filter(divides));
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
function unmarked(ports: ReadonlySet<PortEntry>, marks: ReadonlyMap<PortEntry, string>): PortEntry[] {
  const found: PortEntry[] = [];
  for (const port of ports) {
    if (found.length === MAX_NAMES) break;
    if (!marks.has(port)) found.push(port);
  }
  return found;
}

function partOf(port: PortEntry, names: PortNames, change: Change): Part {
  if (!isUp(port)) return { names, before: undefined, after: undefined };
  const before = { policies: policiesOf(port), identity: identityOf(port.record.resource) };
  if (!change.touched.has(port)) return { names, before, after: before };
  return { names, before, after: { policies: change.policiesAfter(port), identity: before.identity } };
}

function partOfChanged(
  world: World,
  network: NetworkEntry,
  { before, after }: NonNullable<Change['port']>,
): Part {
  const name = (after ?? before?.record.resource)?.metadata.name;
  const names = { network: network.record.resource.metadata.name, names: name ? [name] : [], total: 1 };
  const former: Side =
    before && isUp(before)
      ? { policies: policiesOf(before), identity: identityOf(before.record.resource) }
      : undefined;
  if (!after || after.status.dpu === undefined || after.spec.adminState !== 'UP') {
    return { names, before: former, after: undefined };
  }
  const { tenant, labels } = after.metadata;
  const policies = world.policies.applyingTo(tenant, labels, after.spec.securityPolicies);
  const side = { policies: policies.map(({ record }) => record.resource), identity: identityOf(after) };
  return { names, before: former, after: side };
}

const identityOf = ({ metadata, spec, status }: Port): Identity => ({
  labels: metadata.labels,
  namedPorts: spec.namedPorts,
  addresses: status.addresses.map(({ ip }) => ip),
});

const namesOf = (network: NetworkEntry, ports: readonly PortEntry[], total: number): PortNames => ({
  network: network.record.resource.metadata.name,
  names: ports.slice(0, MAX_NAMES).map(({ record }) => record.resource.metadata.name),
  total,
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
