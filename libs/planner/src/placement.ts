import { invariant } from '@outboard/core';
import type { Port } from '@outboard/model';
import { confirm, dpusThatKnow, expectConfirmation, isSettled } from './confirmation.js';
import type { Documents } from './documents.js';
import type { DpuEntry, Member, NetworkEntry, Placement, PortEntry } from './entries.js';
import {
  bridgeDomainObject,
  endpointObject,
  remoteEndpointObject,
  routerKeyOf,
  type SharedObject,
  tunnelPeerObject,
} from './objects.js';
import type { PhysicalNetworks } from './physical-networks.js';
import type { PolicyEntry } from './policies/entries.js';
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
  policies: readonly PolicyEntry[],
): Placement | undefined {
  const { dpu: name, representor } = port.status;
  if (name === undefined || representor === undefined) return undefined;
  const dpu = dpus.get(name);
  invariant(dpu, `${name} is known`);
  const { resource } = network.record;
  const endpoint = endpointObject(port, resource, representor, policies);
  if (network.physical) return { dpu, endpoint, remote: undefined };
  const { tunnelEndpoint } = dpu.record;
  invariant(tunnelEndpoint, `${name} can have ports`);
  return { dpu, endpoint, remote: remoteEndpointObject(port, resource, tunnelEndpoint) };
}

/** Every object of a DPU's document but those of policies, in no order. */
export function objectsOf(dpu: DpuEntry): SharedObject[] {
  const objects = [...dpu.routers.values()].map(({ object }) => object);
  for (const { network, bridgeDomain } of dpu.memberships.values()) {
    objects.push(bridgeDomain);
    for (const { dpu: other, peer } of network.members.values()) {
      if (other !== dpu && peer) objects.push(peer);
    }
    for (const { placement } of network.ports) {
      const object = placement?.dpu === dpu ? placement.endpoint : placement?.remote;
      if (object) objects.push(object);
    }
  }
  return objects;
}

/**
 * Puts ports in their places and keeps every document in step: a port change touches its home DPU and, as far as they
 * see it, the other members of its network; the first and last port of a network on a DPU bring and take all else.
 */
export class Placements {
  /** Ports for which there may be no DPU to wait for any more, because one has left their network. */
  readonly left = new Set<PortEntry>();
  /** Networks of which a DPU is not a part any more that told a problem. */
  readonly relieved = new Set<NetworkEntry>();

  constructor(
    private readonly documents: Documents,
    private readonly physicalNetworks: PhysicalNetworks,
    private readonly portsByUid: ReadonlyMap<string, PortEntry>,
  ) {}

  /** `sequence`: that the DPUs must confirm; undefined while a stored world is loaded, when nothing changes. */
  place(port: PortEntry, next: Placement | undefined, sequence: number | undefined): void {
    const previous = port.placement;
    if (previous && previous.dpu === next?.dpu) {
      this.#replace(port, previous, next, sequence);
    } else {
      if (previous) this.#remove(port, previous);
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

  /** The DPU's tunnels end elsewhere. Its ports are placed again by the caller. */
  replacePeers(dpu: DpuEntry): void {
    for (const member of dpu.memberships.values()) {
      if (member.network.physical) continue;
      const previous = member.peer;
      member.peer = peerOf(member.network, dpu);
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
    port.placement = next;
    for (const dpu of dpusThatKnow(port)) {
      const object = dpu === next.dpu ? next.endpoint : next.remote;
      this.documents.replace(dpu.record.name, undefined, object);
      if (sequence !== undefined) expectConfirmation(port, dpu, sequence);
    }
  }

  #remove(port: PortEntry, previous: Placement): void {
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
    if (member.ports.size === 0) this.#leave(member);
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
    const key = routerKeyOf(resource);
    const router = dpu.routers.get(key);
    if (router) router.networks++;
    else {
      dpu.routers.set(key, { object: network.router, networks: 1 });
      this.documents.replace(name, undefined, network.router);
    }
    this.documents.replace(name, undefined, member.bridgeDomain);
    for (const other of network.members.values()) {
      this.documents.replace(name, undefined, other.peer);
      this.documents.replace(other.dpu.record.name, undefined, member.peer);
    }
    for (const { placement } of network.ports) {
      if (placement) this.documents.replace(name, undefined, placement.remote);
    }
    network.members.set(name, member);
    dpu.memberships.set(resource.metadata.uid, member);
    member.trouble = troublesOn(dpu, this.portsByUid).get(network);
    if (sequence !== undefined) network.joining.set(name, sequence);
    return member;
  }

  #leave(member: Member): void {
    const { dpu, network } = member;
    const { name } = dpu.record;
    const { resource } = network.record;
    network.members.delete(name);
    network.joining.delete(name);
    if (member.trouble) this.relieved.add(network);
    dpu.memberships.delete(resource.metadata.uid);
    for (const port of network.ports) {
      if (!port.placement?.remote) continue;
      this.documents.replace(name, port.placement.remote, undefined);
      confirm(port, dpu);
      if (isSettled(port)) this.left.add(port);
    }
    for (const other of network.members.values()) {
      this.documents.replace(name, other.peer, undefined);
      this.documents.replace(other.dpu.record.name, member.peer, undefined);
    }
    this.documents.replace(name, member.bridgeDomain, undefined);
    const key = routerKeyOf(resource);
    const router = dpu.routers.get(key);
    invariant(router, `${name} has the router of its network`);
    if (--router.networks > 0) return;
    dpu.routers.delete(key);
    this.documents.replace(name, router.object, undefined);
  }
}

function peerOf(network: NetworkEntry, dpu: DpuEntry): SharedObject {
  const { name, tunnelEndpoint } = dpu.record;
  invariant(tunnelEndpoint, `${name} takes part in networks only when its tunnel endpoint is known`);
  return tunnelPeerObject(network.record.resource, name, tunnelEndpoint);
}
