import { AppError, err, ok, type Result } from '@outboard/core';
import {
  type Direction,
  type IpAddress,
  type IpFamily,
  ipFamily,
  type Name,
  type NamedPort,
  prefixContains,
  prefixOf,
} from '@outboard/model';
import type { NetworkEntry, Placement, PortEntry } from '../entries.js';
import { nameKey, type World } from '../world.js';
import { passChain } from './chains.js';
import { type AddressSets, type Peer, type Slice, slicesOf } from './evaluate.js';
import type { Explanation, Flow } from './explanation.js';
import { nameOf, Path } from './path.js';
import { includes, isOfFamily, placeOf } from './services.js';
import { holderIn, routed, subnetOf } from './ways.js';

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
  const path = new Path(from.value);
  const ends = endsOf(flow, from.value, to.value);
  if (!ends) {
    const family = flow.protocol === 'ICMP' ? 'IPv4' : flow.protocol === 'ICMPv6' ? 'IPv6' : 'IP';
    return ok(path.unreachable('NoAddress', `the two have no ${family} addresses of one family`));
  }
  return ok(follow(world, flow, ends, path));
}

function follow(world: World, flow: Flow, ends: Ends, path: Path): Explanation {
  const { from, source, destination, to: directly } = ends;
  path.source = source;
  path.destination = destination;
  const home = path.open(from, `sends from ${source}`);
  if (!home) return path.closed(from);
  atRepresentor(path, home, from, 'comes in');
  if (!maySend(from, source)) {
    const message = `${source} is neither an address of ${nameOf(from)} nor in an allowed address pair`;
    return path.denied('SourceNotAllowed', message, undefined);
  }
  const chained = passChain(world, path, from, destination, true);
  if (chained) return chained;
  const namedPorts = directly?.record.resource.spec.namedPorts ?? [];
  const egress = judge(world, from, 'EGRESS', destination, flow);
  if (!path.decided('EGRESS', egress)) return path.deniedBy(from, 'EGRESS', egress);
  const dpu = home.dpu.record.name;
  path.hop('bridgeDomain', dpu, networkName(from.network), `looks up ${destination}`);
  const { router, gateway } = from.network;
  const ways = gateway ? routed(router, home.dpu, destination) : undefined;
  // Its own gateway is on the port's link, too.
  if (ways !== 'gateway' && isOnLink(from, destination))
    return deliver(world, flow, ends, { to: directly, namedPorts }, path);
  if (!ways) {
    const message = `${networkName(from.network)} does not reach ${destination}, and has no gateway here`;
    return path.unreachable('NotRouted', message);
  }
  const { name } = router;
  path.hop('router', dpu, `router ${name}`, `routes to ${destination}`);
  if (ways === 'gateway') {
    return isPing(flow)
      ? path.allowed('the gateway answers')
      : path.unreachable('GatewayAnswersPingsOnly', `${destination} is a gateway of router ${name}`);
  }
  if (ways === 'outside') return path.leaves(`leaves ${dpu} with the address of its uplink`);
  if (ways.length === 0) {
    return path.unreachable('NoRoute', `router ${name} has no way to ${destination}`);
  }
  const outcomes = ways.map(({ network, address }) => {
    const by = path.fork();
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
  path: Path,
): Explanation {
  if (!to) return path.unreachable('UnknownAddress', `no port has ${destination}`);
  if (meant && !(isOnLink(from, destination) ? to === meant : directly === meant)) {
    return path.unreachable('NotInNetwork', `${destination} is not ${nameOf(meant)} here`);
  }
  const home = from.placement?.dpu;
  const far = to.placement;
  if (far && home && far.dpu !== home) {
    const { name, tunnelEndpoint } = far.dpu.record;
    if (to.network.physical)
      path.hop('uplink', home.record.name, segmentOf(to), `over the fabric to ${name}`);
    else path.hop('tunnel', home.record.name, segmentOf(to), `to ${tunnelEndpoint} on ${name}`);
    path.hop('bridgeDomain', name, networkName(to.network), `looks up ${destination}`);
  }
  const peer = peerOf(source, holderOf(from, source), to);
  const place = placeOf(flow.protocol, flow.service);
  const ingress = decide(world, to, 'INGRESS', peer, namedPorts, place);
  if (far && !path.decided('INGRESS', ingress)) return path.deniedBy(to, 'INGRESS', ingress);
  const chained = passChain(world, path, to, source, false);
  if (chained) return chained;
  if (far) atRepresentor(path, far, to, 'goes out');
  if (!path.open(to, `gets ${flow.protocol}`)) return path.closed(to);
  return path.allowed();
}

/** Between a port and its DPU, with the tag that it has there. */
function atRepresentor(path: Path, { dpu }: Placement, { record }: PortEntry, what: string): void {
  const { spec, status } = record.resource;
  const detail = spec.trunk ? `${what} with tag ${spec.trunk.vlanId}` : what;
  path.hop('representor', dpu.record.name, status.representor ?? '', detail);
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

/** What a port's policies say of a flow that it opens to an address (EGRESS), or that comes from one (INGRESS). */
export function judge(
  world: World,
  port: PortEntry,
  direction: Direction,
  address: IpAddress,
  { protocol, service }: Pick<Flow, 'protocol' | 'service'>,
): Slice {
  const holder = holderOf(port, address);
  const destination = direction === 'EGRESS' ? holder : port;
  const namedPorts = destination?.record.resource.spec.namedPorts ?? [];
  return decide(
    world,
    port,
    direction,
    peerOf(address, holder, port),
    namedPorts,
    placeOf(protocol, service),
  );
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

const networkName = ({ record }: NetworkEntry): string => `network ${record.resource.metadata.name}`;

function segmentOf({ network }: PortEntry): string {
  const { segment } = network.record.resource.status;
  return segment ? `${segment.networkType} ${segment.segmentationId ?? ''}`.trim() : '';
}
