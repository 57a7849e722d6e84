import { AppError, err, ok, type Result } from '@outboard/core';
import {
  type Direction,
  findCondition,
  type IpAddress,
  type IpFamily,
  ipFamily,
  type Name,
  type NamedPort,
  type Protocol,
  prefixContains,
  prefixOf,
  type TenantName,
  type Tier,
} from '@outboard/model';
import type { NetworkEntry, Placement, PortEntry } from '../entries.js';
import { nameKey, type World } from '../world.js';
import { isUp } from './classes.js';
import { type AddressSets, type Decider, type Peer, type Slice, slicesOf } from './evaluate.js';
import { includes, isOfFamily, placeOf } from './services.js';
import { holderIn, routed, subnetOf } from './ways.js';

/** A connection, or a datagram, that a port might begin. */
export interface Flow {
  readonly tenant: TenantName;
  readonly from: Name;
  /** What it claims to come from; undefined: an address of its own. */
  readonly source: IpAddress | undefined;
  readonly to:
    | { readonly kind: 'port'; readonly name: Name }
    | { readonly kind: 'address'; readonly address: IpAddress };
  readonly protocol: Protocol;
  /** Destination port; of ICMP, type * 256 + code. */
  readonly service: number;
}

export type Verdict = 'ALLOWED' | 'DENIED' | 'UNREACHABLE';

/** Why; a closed set. */
export type VerdictReason =
  | 'RuleAllows'
  | 'NoPolicyApplies'
  | 'RuleDenies'
  | 'Isolated'
  | 'SourceNotAllowed'
  | 'NotConnected'
  | 'AdminDown'
  | 'NoAddress'
  | 'UnknownAddress'
  | 'NotInNetwork'
  | 'NotRouted'
  | 'NoRoute'
  | 'LeavesRouter'
  | 'GatewayAnswersPingsOnly';

/** A rule, or for want of one the policy, that has decided in one direction. */
export interface DecidedBy {
  readonly direction: Direction;
  readonly policy: Name;
  readonly tier: Tier;
  /** Undefined: the policy isolates, and no rule allows. */
  readonly rule: Name | undefined;
}

/** A station of a packet, in the order in which it passes them. */
export interface Hop {
  readonly kind: 'port' | 'representor' | 'bridgeDomain' | 'router' | 'tunnel' | 'uplink';
  readonly name: string;
  readonly dpu: Name | undefined;
  /** What happens there, for people. */
  readonly detail: string;
}

export interface NextHopVerdict {
  readonly address: IpAddress;
  readonly verdict: Verdict;
  readonly reason: VerdictReason;
}

export interface Explanation {
  readonly verdict: Verdict;
  readonly reason: VerdictReason;
  readonly message: string;
  readonly source: IpAddress | undefined;
  readonly destination: IpAddress | undefined;
  /** What has decided: on what the sender opens, then on what the receiver accepts. */
  readonly decidedBy: readonly DecidedBy[];
  /** As far as a packet comes; with several next hops by the first that it does not pass, or the first. */
  readonly path: readonly Hop[];
  /** Where there are several, what becomes of it by each. */
  readonly nextHops: readonly NextHopVerdict[];
  /** Ports on the way that are not Ready: what is said here comes true when they are. */
  readonly notReady: readonly Name[];
}

interface Ends {
  readonly from: PortEntry;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** The port that has the destination, as seen from the sender. */
  readonly to: PortEntry | undefined;
  /** The port that was asked about, if one was. */
  readonly meant: PortEntry | undefined;
}

/** What becomes of a flow, once every DPU has what is planned. NOT_FOUND: no such port. */
export function explain(world: World, flow: Flow): Result<Explanation, AppError> {
  const from = portOf(world, flow, flow.from);
  if (!from.ok) return from;
  const to = flow.to.kind === 'port' ? portOf(world, flow, flow.to.name) : ok(undefined);
  if (!to.ok) return to;
  const route = new Route(from.value);
  const ends = endsOf(flow, from.value, to.value);
  if (!ends) {
    const family = flow.protocol === 'ICMP' ? 'IPv4' : flow.protocol === 'ICMPv6' ? 'IPv6' : 'IP';
    return ok(route.unreachable('NoAddress', `the two have no ${family} addresses of one family`));
  }
  return ok(follow(world, flow, ends, route));
}

function follow(world: World, flow: Flow, ends: Ends, route: Route): Explanation {
  const { from, source, destination, to: directly } = ends;
  route.source = source;
  route.destination = destination;
  const home = route.open(from, `sends from ${source}`);
  if (!home) return route.closed(from);
  route.hop('representor', home.dpu.record.name, from.record.resource.status.representor ?? '', 'comes in');
  if (!maySend(from, source)) {
    const message = `${source} is neither an address of ${nameOf(from)} nor in an allowed address pair`;
    return route.denied('SourceNotAllowed', message, undefined);
  }
  const place = placeOf(flow.protocol, flow.service);
  const namedPorts = directly?.record.resource.spec.namedPorts ?? [];
  const egress = decide(world, from, 'EGRESS', peerOf(destination, directly, from), namedPorts, place);
  if (!route.decided('EGRESS', egress)) return route.deniedBy(from, 'EGRESS', egress);
  const dpu = home.dpu.record.name;
  route.hop('bridgeDomain', dpu, networkName(from.network), `looks up ${destination}`);
  if (isOnLink(from, destination)) return deliver(world, flow, ends, { to: directly, namedPorts }, route);
  const { name } = from.network.router;
  if (!from.network.gateway) {
    const message = `${networkName(from.network)} does not reach ${destination}, and has no gateway here`;
    return route.unreachable('NotRouted', message);
  }
  route.hop('router', dpu, `router ${name}`, `routes to ${destination}`);
  const ways = routed(from.network.router, home.dpu, destination);
  if (ways === 'gateway') {
    return isPing(flow)
      ? route.allowed('the gateway answers')
      : route.unreachable('GatewayAnswersPingsOnly', `${destination} is a gateway of router ${name}`);
  }
  if (ways === 'outside') return route.leaves(`leaves ${dpu} with the address of its uplink`);
  if (ways.length === 0) {
    return route.unreachable('NoRoute', `router ${name} has no way to ${destination}`);
  }
  const outcomes = ways.map(({ network, address }) => {
    const by = route.fork();
    by.hop('bridgeDomain', dpu, networkName(network), `looks up ${address}`);
    const outcome = deliver(world, flow, ends, { to: holderIn(network, address, home.dpu), namedPorts }, by);
    return { address, outcome };
  });
  return together(outcomes);
}

/** The way on from the bridge that has the receiver: the port itself, or one that is the next hop. */
function deliver(
  world: World,
  flow: Flow,
  { from, source, destination, to: directly, meant }: Ends,
  { to, namedPorts }: { readonly to: PortEntry | undefined; readonly namedPorts: readonly NamedPort[] },
  route: Route,
): Explanation {
  if (!to) return route.unreachable('UnknownAddress', `no port has ${destination}`);
  if (meant && !(isOnLink(from, destination) ? to === meant : directly === meant)) {
    return route.unreachable('NotInNetwork', `${destination} is not ${nameOf(meant)} here`);
  }
  const home = from.placement?.dpu;
  const far = to.placement;
  if (far && home && far.dpu !== home) {
    const { name, tunnelEndpoint } = far.dpu.record;
    if (to.network.physical)
      route.hop('uplink', home.record.name, segmentOf(to), `over the fabric to ${name}`);
    else route.hop('tunnel', home.record.name, segmentOf(to), `to ${tunnelEndpoint} on ${name}`);
    route.hop('bridgeDomain', name, networkName(to.network), `looks up ${destination}`);
  }
  const peer = peerOf(source, holderOf(from, source), to);
  const place = placeOf(flow.protocol, flow.service);
  const ingress = decide(world, to, 'INGRESS', peer, namedPorts, place);
  if (far && !route.decided('INGRESS', ingress)) return route.deniedBy(to, 'INGRESS', ingress);
  if (far)
    route.hop('representor', far.dpu.record.name, to.record.resource.status.representor ?? '', 'goes out');
  if (!route.open(to, `gets ${flow.protocol}`)) return route.closed(to);
  return route.allowed();
}

/** Which of several next hops a flow takes is the kernel's choice: it is possible if it is by every one of them. */
function together(
  outcomes: readonly { readonly address: IpAddress; readonly outcome: Explanation }[],
): Explanation {
  const [first] = outcomes;
  if (!first) throw new Error('there is a next hop');
  if (outcomes.length === 1) return first.outcome;
  const told = outcomes.find(({ outcome }) => outcome.verdict !== 'ALLOWED') ?? first;
  const nextHops = outcomes.map(({ address, outcome: { verdict, reason } }) => ({
    address,
    verdict,
    reason,
  }));
  const alike = nextHops.every(({ verdict }) => verdict === told.outcome.verdict);
  const which = `by ${told.address}, ${alike ? 'as by each' : 'one'} of ${outcomes.length} next hops`;
  const { message } = told.outcome;
  const notReady = [...new Set(outcomes.flatMap(({ outcome }) => outcome.notReady))];
  return { ...told.outcome, message: message === '' ? which : `${which}: ${message}`, nextHops, notReady };
}

/** The explanation in the making. */
class Route {
  source: IpAddress | undefined;
  destination: IpAddress | undefined;
  readonly #path: Hop[] = [];
  readonly #decidedBy: DecidedBy[] = [];
  readonly #ports = new Set<PortEntry>();

  readonly #from: PortEntry;

  constructor(from: PortEntry) {
    this.#from = from;
    this.#ports.add(from);
  }

  /** The same so far, to go on by one of several ways. */
  fork(): Route {
    const fork = new Route(this.#from);
    fork.source = this.source;
    fork.destination = this.destination;
    fork.#path.push(...this.#path);
    fork.#decidedBy.push(...this.#decidedBy);
    for (const port of this.#ports) fork.#ports.add(port);
    return fork;
  }

  hop(kind: Hop['kind'], dpu: Name | undefined, name: string, detail: string): void {
    this.#path.push({ kind, name, dpu, detail });
  }

  /** The port's place, if it is connected and up. */
  open(port: PortEntry, detail: string): Placement | undefined {
    this.#ports.add(port);
    this.hop('port', port.placement?.dpu.record.name, nameOf(port), detail);
    return isUp(port) ? port.placement : undefined;
  }

  closed(port: PortEntry): Explanation {
    if (!port.placement) return this.unreachable('NotConnected', `${nameOf(port)} is connected to nothing`);
    return this.unreachable('AdminDown', `${nameOf(port)} is administratively down`);
  }

  /** Notes what has decided. True: it allows. */
  decided(direction: Direction, { isAllowed, by }: Slice): boolean {
    if (by.kind !== 'none') this.#decidedBy.push(decidedBy(direction, by));
    return isAllowed;
  }

  allowed(message = ''): Explanation {
    const reason = this.#decidedBy.length > 0 ? 'RuleAllows' : 'NoPolicyApplies';
    return this.#end('ALLOWED', reason, message);
  }

  /** Out of what is known here. */
  leaves(message: string): Explanation {
    return this.#end('ALLOWED', 'LeavesRouter', message);
  }

  deniedBy(port: PortEntry, direction: Direction, { by }: Slice): Explanation {
    const side = direction === 'EGRESS' ? 'opens' : 'accepts';
    if (by.kind === 'rule') {
      const message = `rule ${by.rule} of ${by.policy.metadata.name} decides what ${nameOf(port)} ${side}`;
      return this.denied('RuleDenies', message, port);
    }
    const policy = by.kind === 'isolation' ? by.policy.metadata.name : '';
    return this.denied(
      'Isolated',
      `${policy} isolates ${nameOf(port)}: it ${side} what is allowed only`,
      port,
    );
  }

  denied(reason: VerdictReason, message: string, port: PortEntry | undefined): Explanation {
    if (port) this.#ports.add(port);
    return this.#end('DENIED', reason, message);
  }

  unreachable(reason: VerdictReason, message: string): Explanation {
    return this.#end('UNREACHABLE', reason, message);
  }

  #end(verdict: Verdict, reason: VerdictReason, message: string): Explanation {
    const { source, destination } = this;
    const notReady = [...this.#ports].filter((port) => !isReady(port)).map(plainName);
    return {
      verdict,
      reason,
      message,
      source,
      destination,
      decidedBy: this.#decidedBy,
      path: this.#path,
      nextHops: [],
      notReady,
    };
  }
}

function portOf(world: World, { tenant }: Flow, name: Name): Result<PortEntry, AppError> {
  const entry = world.ports.get(nameKey(tenant, name));
  if (entry) return ok(entry);
  const metadata = { kind: 'Port', tenant, name };
  return err(new AppError('NOT_FOUND', `no Port ${tenant}/${name}`, { reason: 'NOT_FOUND', metadata }));
}

/** The addresses between which the flow would go; undefined: there are none of one family. */
function endsOf(flow: Flow, from: PortEntry, to: PortEntry | undefined): Ends | undefined {
  const wanted = flow.source && ipFamily(flow.source);
  for (const family of [4, 6] as const) {
    if (!isOfFamily(flow.protocol, family) || (wanted !== undefined && wanted !== family)) continue;
    const source = flow.source ?? addressOf(from, family);
    const destination = flow.to.kind === 'address' ? flow.to.address : to && addressOf(to, family);
    if (!source || !destination || ipFamily(destination) !== family) continue;
    return {
      from,
      source,
      destination,
      to: holderOf(from, destination),
      meant: to,
    };
  }
  return undefined;
}

/** The port that has an address as seen from another: in its own network, or in another of its router. */
function holderOf({ network, placement }: PortEntry, address: IpAddress): PortEntry | undefined {
  const own = holderIn(network, address, placement?.dpu);
  if (own || !network.gateway) return own;
  const subnet = subnetOf(network.router, address);
  return subnet && holderIn(subnet.network, address, placement?.dpu);
}

const isPing = ({ protocol, service }: Flow): boolean =>
  (protocol === 'ICMP' && service >> 8 === 8) || (protocol === 'ICMPv6' && service >> 8 === 128);

/** How rules see who has an address: as a member of groups by the addresses that are its own, and only if connected. */
function peerOf(address: IpAddress, holder: PortEntry | undefined, { network }: PortEntry): Peer {
  const isMember =
    holder?.placement !== undefined &&
    holder.network.router === network.router &&
    holder.network.addresses.get(address) === holder;
  return { address, labels: isMember ? holder.record.resource.metadata.labels : undefined };
}

/** The slice in which a place is. */
function decide(
  world: World,
  port: PortEntry,
  direction: Direction,
  peer: Peer,
  namedPorts: readonly NamedPort[],
  place: number,
): Slice {
  const policies = port.policies.map(({ record }) => record.resource);
  const slices = slicesOf(policies, direction, peer, namedPorts, addressSetsOf(world));
  const found = slices.find(({ services }) => includes(services, place));
  if (!found) throw new Error('slices are everything together');
  return found;
}

export const addressSetsOf =
  ({ policies }: World): AddressSets =>
  (tenant, name) =>
    policies.addressSets.get(nameKey(tenant, name))?.record.resource.spec.addresses ?? [];

function decidedBy(direction: Direction, by: Exclude<Decider, { kind: 'none' }>): DecidedBy {
  const { metadata, spec } = by.policy;
  const rule = by.kind === 'rule' ? by.rule : undefined;
  return { direction, policy: metadata.name, tier: spec.tier, rule };
}

const maySend = (port: PortEntry, source: IpAddress): boolean =>
  port.record.resource.status.addresses.some(({ ip }) => ip === source) || hasPair(port, source);

const hasPair = ({ record }: PortEntry, address: IpAddress): boolean =>
  record.resource.spec.allowedAddressPairs.some(({ ip }) => prefixContains(ip, address));

/** Whether the port's holder looks for an address on its own link: a subnet that it has an address of holds it. */
const isOnLink = ({ record }: PortEntry, destination: IpAddress): boolean =>
  record.resource.status.addresses.some(
    ({ ip, prefixLength }) =>
      ipFamily(ip) === ipFamily(destination) && prefixContains(prefixOf(ip, prefixLength), destination),
  );

export const addressOf = ({ record }: PortEntry, family: IpFamily): IpAddress | undefined =>
  record.resource.status.addresses.find(({ ip }) => ipFamily(ip) === family)?.ip;

const isReady = ({ record }: PortEntry): boolean =>
  findCondition(record.resource.status.conditions, 'Ready')?.status === 'True';

const plainName = ({ record }: PortEntry): Name => record.resource.metadata.name;
const nameOf = (port: PortEntry): string => `port ${plainName(port)}`;
const networkName = ({ record }: NetworkEntry): string => `network ${record.resource.metadata.name}`;

function segmentOf({ network }: PortEntry): string {
  const { segment } = network.record.resource.status;
  return segment ? `${segment.networkType} ${segment.segmentationId ?? ''}`.trim() : '';
}
