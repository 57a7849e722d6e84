import { invariant } from '@outboard/core';
import type { Documents, SharedObject } from '@outboard/document-owner/documents';
import type { Name, Port } from '@outboard/model';
import { confirm, dpusThatKnow, expectConfirmation, isSettled } from './confirmation.js';

import type {
  DpuEntry,
  Member,
  NetworkEntry,
  Placement,
  PortEntry,
  RouterEntry,
  SubnetEntry,
} from './entries.js';
import type { NetlinkObjects } from './netlink-objects/netlink-objects.js';
import { bridgeDomainObject, endpointObject, remoteEndpointObject, tunnelPeerObject } from './objects.js';
import type { PhysicalNetworks } from './physical-networks.js';
import { gatewayOfNetwork, hasNextHopIn, hostConfigurationOf, isActive, ownObjectsOf } from './routing.js';

import { troublesOn } from './trouble.js';

/** Whether a placement differs from another where the home DPU and where the other DPUs see it. */
export interface PlacementDifference {
  readonly home: boolean;
  readonly remote: boolean;
}

export function comparePlacements(
  before: Placement | undefined,
  after: Placement | undefined,
): PlacementDifference {
  if (!before || !after || before.dpu !== after.dpu) {
    const differ = before !== after;
    return { home: differ, remote: differ };
  }
  const remote = after.remote !== before.remote && !after.remote?.equals(before.remote);
  return { home: !after.endpoint.equals(before.endpoint), remote };
}

/** The placement of a port whose status names its DPU and representor; undefined: it is not planned. */
export function placementOf(
  port: Port,
  network: NetworkEntry,
  dpus: ReadonlyMap<string, DpuEntry>,
  applying: Pick<PortEntry, 'policies' | 'chains'>,
): Placement | undefined {
  const { dpu: name, representor } = port.status;
  if (name === undefined || representor === undefined) return undefined;
  const dpu = dpus.get(name);
  invariant(dpu, `${name} is known`);
  const { resource } = network.record;
  const endpoint = endpointObject(port, resource, representor, applying);
  if (network.physical) return { dpu, endpoint, remote: undefined };
  const { tunnelEndpoint } = dpu.record;
  invariant(tunnelEndpoint, `${name} can have ports`);
  return { dpu, endpoint, remote: remoteEndpointObject(port, resource, tunnelEndpoint) };
}

/** Every object of a DPU's document but those of policies, in no order. */
export function objectsOf(dpu: DpuEntry): SharedObject[] {
  const objects = objectsBesidePorts(dpu);
  for (const { network } of dpu.memberships.values()) {
    for (const { dpu: other, peer, ports } of network.members.values()) {
      if (other !== dpu && peer && ports.size > 0) objects.push(peer);
    }
    for (const { placement } of network.ports) {
      const object = placement?.dpu === dpu ? placement.endpoint : placement?.remote;
      if (object) objects.push(object);
    }
  }
  return objects;
}

/** Of routers and networks, without what follows from their ports. */
export function objectsBesidePorts(dpu: DpuEntry): SharedObject[] {
  const objects: SharedObject[] = [];
  for (const router of dpu.routers.keys()) {
    objects.push(router.object);
    if (router.hosts.has(dpu.record.name)) objects.push(...router.own);
  }
  for (const { network, bridgeDomain } of dpu.memberships.values()) {
    objects.push(bridgeDomain);
    if (network.gateway) objects.push(network.gateway);
    if (network.hostConfiguration) objects.push(network.hostConfiguration);
  }
  return objects;
}

/** What placing has done to others than the port, and what follows from that is not written yet. */
export interface Touched {
  /** Networks that DPUs have come to or left, with those that left. */
  readonly networks: Map<NetworkEntry, Set<Name>>;
  /** Routers whose DPUs or own objects have changed. */
  readonly routers: Set<RouterEntry>;
}

/**
 * Puts ports in their places and keeps every document in step: a port change touches its home DPU and, as far as they
 * see it, the other members of its network; the first and last port of a network on a DPU bring and take all else; the
 * first and last port of a router on a DPU bring and take everything of all of its networks that are routed to.
 */
export class Placements {
  /** Ports for which there may be no DPU to wait for any more, because one has left their network. */
  readonly left = new Set<PortEntry>();
  /** Networks of which a DPU is not a part any more that told a problem. */
  readonly relieved = new Set<NetworkEntry>();
  readonly touched: Touched = { networks: new Map(), routers: new Set() };

  constructor(
    private readonly documents: Documents,
    private readonly physicalNetworks: PhysicalNetworks,
    private readonly portsByUid: ReadonlyMap<string, PortEntry>,
    private readonly netlinkObjects: Pick<NetlinkObjects, 'routerChanged' | 'networkChanged'>,
  ) {}

  /** `sequence`: that the DPUs must confirm; undefined while a stored world is loaded, when nothing changes. */
  place(port: PortEntry, next: Placement | undefined, sequence: number | undefined): void {
    const previous = port.placement;
    if (previous && previous.dpu === next?.dpu) {
      this.#replace(port, previous, next, sequence);
    } else {
      if (previous) this.#remove(port, previous, sequence);
      if (next) this.#add(port, next, sequence);
    }
    port.placement = next;
  }

  /** What a network's own object says has changed. */
  replaceBridgeDomains(network: NetworkEntry): void {
    network.bridgeDomains.clear();
    for (const member of network.members.values()) this.#replaceBridgeDomain(member);
  }

  /** Where the DPU's uplinks lead has changed. */
  replaceUplinks(dpu: DpuEntry): void {
    for (const member of dpu.memberships.values()) {
      if (member.network.physical) this.#replaceBridgeDomain(member);
    }
  }

  #replaceBridgeDomain(member: Member): void {
    const previous = member.bridgeDomain;
    member.bridgeDomain = this.#bridgeDomainOf(member.network, member.dpu);
    this.documents.replace(member.dpu.record.name, previous, member.bridgeDomain);
  }

  #bridgeDomainOf({ record, physical, bridgeDomains }: NetworkEntry, dpu: DpuEntry): SharedObject {
    const uplink = physical && this.physicalNetworks.uplink(physical, dpu.record);
    invariant(uplink ?? !physical, `${dpu.record.name} is attached to the physical network of its port`);
    const known = bridgeDomains.get(uplink ?? '');
    if (known) return known;
    const object = bridgeDomainObject(record.resource, uplink);
    bridgeDomains.set(uplink ?? '', object);
    return object;
  }

  /** The network's subnets have changed: it gets its gateway, loses it, or gets one with other addresses. */
  replaceGateway(network: NetworkEntry, sequence: number | undefined): void {
    const previous = network.gateway;
    const next = gatewayOfNetwork(network);
    if (next ? next.equals(previous) : !previous) return;
    const members = [...network.members.values()];
    for (const { dpu } of members) this.documents.replace(dpu.record.name, previous, next);
    const wasActive = isActive(network);
    network.gateway = next;
    if (previous && next) return;
    this.netlinkObjects.networkChanged(network);
    for (const { dpu, ports } of members) {
      if (ports.size > 0) this.#host(network.router, dpu, next ? ports.size : -ports.size, sequence);
    }
    if (isActive(network) !== wasActive) this.#activate(network, sequence);
  }

  /** What ports of the network are told has changed. */
  replaceHostConfiguration(network: NetworkEntry): void {
    const previous = network.hostConfiguration;
    const next = hostConfigurationOf(network);
    if (next ? next.equals(previous) : !previous) return;
    for (const name of network.members.keys()) this.documents.replace(name, previous, next);
    network.hostConfiguration = next;
  }

  /** These subnets can be reached from now on, or not any more: next hops may be in them. */
  reroute(router: RouterEntry, subnets: Iterable<SubnetEntry>, sequence: number | undefined): void {
    const resource = router.record?.resource;
    if (resource && hasNextHopIn(resource, subnets)) this.replaceOwn(router, sequence);
  }

  /** The router's resource, or what its next hops are in, has changed. */
  replaceOwn(router: RouterEntry, sequence: number | undefined): void {
    const before = new Map(router.own.map((object) => [object.key, object]));
    this.netlinkObjects.routerChanged(router);
    const { own, unknownNextHops } = ownObjectsOf(router);
    const after = new Map(own.map((object) => [object.key, object]));
    const keys = [...new Set([...before.keys(), ...after.keys()])];
    const changed = keys.filter((key) => !(after.get(key)?.equals(before.get(key)) ?? false));
    router.own = own;
    router.unknownNextHops = unknownNextHops;
    this.touched.routers.add(router);
    if (changed.length === 0) return;
    for (const name of router.hosts.keys()) {
      for (const key of changed) this.documents.replace(name, before.get(key), after.get(key));
      if (sequence !== undefined) router.unconfirmed.set(name, sequence);
    }
  }

  /** The DPU's tunnels end elsewhere. Its ports are placed again by the caller. */
  replacePeers(dpu: DpuEntry): void {
    for (const member of dpu.memberships.values()) {
      if (member.network.physical) continue;
      const previous = member.peer;
      member.peer = peerOf(member.network, dpu);
      if (member.ports.size === 0) continue;
      for (const other of member.network.members.values()) {
        if (other !== member) this.documents.replace(other.dpu.record.name, previous, member.peer);
      }
    }
  }

  #replace(port: PortEntry, previous: Placement, next: Placement, sequence: number | undefined): void {
    const changed = comparePlacements(previous, next);
    if (changed.home) {
      this.documents.replace(next.dpu.record.name, previous.endpoint, next.endpoint);
      if (sequence !== undefined) expectConfirmation(port, next.dpu, sequence);
    }
    if (!changed.remote) return;
    for (const dpu of dpusThatKnow(port)) {
      if (dpu === next.dpu) continue;
      this.documents.replace(dpu.record.name, previous.remote, next.remote);
      if (sequence !== undefined) expectConfirmation(port, dpu, sequence);
    }
  }

  #add(port: PortEntry, next: Placement, sequence: number | undefined): void {
    const { network } = port;
    const home = next.dpu.record.name;
    const member = network.members.get(home) ?? this.#join(network, next.dpu, sequence);
    member.ports.add(port);
    if (member.ports.size === 1) this.#tellPeer(member, undefined, member.peer);
    this.#count(network, next.dpu, 1, sequence);
    port.placement = next;
    for (const dpu of dpusThatKnow(port)) {
      const object = dpu === next.dpu ? next.endpoint : next.remote;
      this.documents.replace(dpu.record.name, undefined, object);
      if (sequence !== undefined) expectConfirmation(port, dpu, sequence);
    }
  }

  #remove(port: PortEntry, previous: Placement, sequence: number | undefined): void {
    const { network } = port;
    const home = previous.dpu.record.name;
    for (const dpu of dpusThatKnow(port)) {
      const object = dpu === previous.dpu ? previous.endpoint : previous.remote;
      this.documents.replace(dpu.record.name, object, undefined);
      confirm(port, dpu);
    }
    // Nowhere in between, so that a DPU that leaves or joins because of this port handles only the others.
    port.placement = undefined;
    const member = network.members.get(home);
    invariant(member, `${home} takes part in the network of its port`);
    member.ports.delete(port);
    if (member.ports.size === 0) this.#tellPeer(member, member.peer, undefined);
    this.#count(network, previous.dpu, -1, sequence);
    this.#adjust(network, previous.dpu, sequence);
  }

  /** The other members hear that the DPU takes part in their broadcasts, or that it does not any more. */
  #tellPeer(
    { dpu, network }: Member,
    before: SharedObject | undefined,
    after: SharedObject | undefined,
  ): void {
    for (const other of network.members.values()) {
      if (other.dpu !== dpu) this.documents.replace(other.dpu.record.name, before, after);
    }
  }

  /** The network has more (or less) ports on a DPU. */
  #count(network: NetworkEntry, dpu: DpuEntry, ports: number, sequence: number | undefined): void {
    const wasActive = isActive(network);
    network.placed += ports;
    if (network.gateway) this.#host(network.router, dpu, ports, sequence);
    if (isActive(network) !== wasActive) this.#activate(network, sequence);
  }

  /** The router has more (or less) ports of networks with subnets on a DPU: the first and the last matter. */
  #host(router: RouterEntry, dpu: DpuEntry, ports: number, sequence: number | undefined): void {
    const { hosts, own } = router;
    const { name } = dpu.record;
    const before = hosts.get(name)?.ports ?? 0;
    const after = before + ports;
    if (after > 0) hosts.set(name, { dpu, ports: after });
    else hosts.delete(name);
    if (before > 0 && after > 0) return;
    router.unconfirmed.delete(name);
    this.touched.routers.add(router);
    this.netlinkObjects.routerChanged(router);
    for (const object of own) {
      this.documents.replace(name, after > 0 ? undefined : object, after > 0 ? object : undefined);
    }
    for (const network of router.networks) this.#adjust(network, dpu, sequence);
  }

  /** The network is routed to from now on, or not any more. */
  #activate(network: NetworkEntry, sequence: number | undefined): void {
    const { router, subnets } = network;
    for (const { dpu } of [...router.hosts.values(), ...network.members.values()]) {
      this.#adjust(network, dpu, sequence);
    }
    this.reroute(router, subnets.values(), sequence);
    this.netlinkObjects.routerChanged(router);
  }

  /** Whether a DPU takes part in a network follows from its ports, and from those of the router. */
  #adjust(network: NetworkEntry, dpu: DpuEntry, sequence: number | undefined): void {
    const { name } = dpu.record;
    const member = network.members.get(name);
    const routes = isActive(network) && network.router.hosts.has(name);
    const wanted = routes || (member !== undefined && member.ports.size > 0);
    if (wanted && !member) this.#join(network, dpu, sequence);
    if (!wanted && member) this.#leave(member);
  }

  #join(network: NetworkEntry, dpu: DpuEntry, sequence: number | undefined): Member {
    const { name } = dpu.record;
    const { resource } = network.record;
    const member: Member = {
      dpu,
      network,
      ports: new Set(),
      bridgeDomain: this.#bridgeDomainOf(network, dpu),
      peer: network.physical ? undefined : peerOf(network, dpu),
      trouble: undefined,
    };
    const { router } = network;
    const networks = dpu.routers.get(router) ?? 0;
    dpu.routers.set(router, networks + 1);
    if (networks === 0) this.documents.replace(name, undefined, router.object);
    this.documents.replace(name, undefined, member.bridgeDomain);
    for (const object of [network.gateway, network.hostConfiguration]) {
      if (object) this.documents.replace(name, undefined, object);
    }
    for (const other of network.members.values()) {
      if (other.ports.size > 0) this.documents.replace(name, undefined, other.peer);
    }
    for (const { placement } of network.ports) {
      if (placement) this.documents.replace(name, undefined, placement.remote);
    }
    network.members.set(name, member);
    network.dpus.add(dpu);
    dpu.memberships.set(resource.metadata.uid, member);
    member.trouble = troublesOn(dpu, this.portsByUid).get(network);
    if (sequence !== undefined) network.joining.set(name, sequence);
    this.#touch(network).delete(name);
    this.netlinkObjects.networkChanged(network);
    return member;
  }

  #leave(member: Member): void {
    const { dpu, network } = member;
    const { name } = dpu.record;
    const { resource } = network.record;
    network.members.delete(name);
    network.dpus.delete(dpu);
    network.joining.delete(name);
    this.netlinkObjects.networkChanged(network);
    if (member.trouble) this.relieved.add(network);
    dpu.memberships.delete(resource.metadata.uid);
    for (const port of network.ports) {
      if (!port.placement?.remote) continue;
      this.documents.replace(name, port.placement.remote, undefined);
      confirm(port, dpu);
      if (isSettled(port)) this.left.add(port);
    }
    for (const other of network.members.values()) {
      if (other.ports.size > 0) this.documents.replace(name, other.peer, undefined);
    }
    for (const object of [network.gateway, network.hostConfiguration]) {
      if (object) this.documents.replace(name, object, undefined);
    }
    this.documents.replace(name, member.bridgeDomain, undefined);
    this.#touch(network).add(name);
    const { router } = network;
    const networks = dpu.routers.get(router);
    invariant(networks, `${name} has the router of its network`);
    if (networks > 1) dpu.routers.set(router, networks - 1);
    else {
      dpu.routers.delete(router);
      this.documents.replace(name, router.object, undefined);
    }
  }

  #touch(network: NetworkEntry): Set<Name> {
    const left = this.touched.networks.get(network) ?? new Set();
    this.touched.networks.set(network, left);
    return left;
  }
}

function peerOf(network: NetworkEntry, dpu: DpuEntry): SharedObject {
  const { name, tunnelEndpoint } = dpu.record;
  invariant(tunnelEndpoint, `${name} takes part in networks only when its tunnel endpoint is known`);
  return tunnelPeerObject(network.record.resource, name, tunnelEndpoint);
}
