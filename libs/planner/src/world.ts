import { invariant, unreachable } from '@outboard/core';
import { Documents, type SharedObject } from '@outboard/document-owner/documents';
import {
  FIRST_DEFAULT_VNI,
  functionIdentityKey,
  MAX_VNI,
  type Name,
  prefixRange,
  type Uid,
} from '@outboard/model';
import { Reservations } from './allocate/reservations.js';
import { Retentions } from './allocate/retentions.js';
import { Segments } from './allocate/segments.js';
import { fillPool, poolOf, settleAddress } from './allocate/subnet-pool.js';
import {
  expectJoining,
  expectPlaced,
  expectPolicy,
  expectRouter,
  expectStored,
  isSettled,
} from './confirmation.js';
import { EncapsulationPolicies, type VniRange } from './encapsulation-policies.js';
import type { DpuEntry, NetworkEntry, Placement, PortEntry, RouterEntry, SubnetEntry } from './entries.js';
import { Functions } from './functions.js';
import { LoadedDigests } from './loaded-digests.js';
import { NetlinkObjects } from './netlink-objects/netlink-objects.js';
import { routerObject } from './objects.js';
import { PhysicalNetworks } from './physical-networks.js';
import { comparePlacements, objectsOf, Placements, placementOf, type Touched } from './placement.js';
import { Policies } from './policies/policies.js';
import { Quarantine } from './quarantine.js';
import {
  type DpuRecord,
  type NetlinkObjectRecord,
  type NetworkRecord,
  type PhysicalNetworkRecord,
  type PortRecord,
  RECORD_KINDS,
  type RecordKey,
  type RetellingRecord,
  type RetentionRecord,
  type RouterRecord,
  type StoredRecord,
  type SubnetRecord,
} from './records.js';
import { Releases } from './releases.js';
import { ServiceChains } from './service-chains/service-chains.js';
import { expectUntold, isOutdated } from './untold.js';

export interface WorldOptions {
  /** What networks without an asked identifier get while there is no policy. */
  readonly vniRange: VniRange;
  /** Ports that one decision tells anew. */
  readonly toldAtOnce?: number;
}

/** The reserved and commonly hand-assigned identifiers below 4096 are left to explicit requests. */
export const DEFAULT_WORLD_OPTIONS: WorldOptions = { vniRange: { first: FIRST_DEFAULT_VNI, last: MAX_VNI } };

/** Ports that one decision tells anew, beside those that it is about: with their messages they are a tenth of what a commit may have. */
export const TOLD_AT_ONCE = 500;

/** Names a resource within its kind. Labels contain no slash. */
export const nameKey = (tenant: string, name: string): string => `${tenant}/${name}`;

/**
 * The store of one network-intent service in memory, with every index that decisions need, and the documents that
 * follow from it: all of it a function of the records, but for what the workers have confirmed since it was loaded.
 */
export class World {
  readonly routers = new Map<string, RouterEntry>();
  readonly networks = new Map<string, NetworkEntry>();
  readonly networksByUid = new Map<string, NetworkEntry>();
  readonly subnets = new Map<string, SubnetEntry>();
  readonly ports = new Map<string, PortEntry>();
  readonly portsByUid = new Map<string, PortEntry>();
  /** Who has bound which function, by the function's identity. */
  readonly bindings = new Map<string, PortEntry>();
  /** The VLANs of ports, by the parent, and of each by the VLAN's number. */
  readonly trunks = new Map<string, Map<number, PortEntry>>();
  readonly dpus = new Map<string, DpuEntry>();
  readonly functions = new Functions();
  readonly retentions = new Map<string, RetentionRecord>();
  readonly physicalNetworks = new PhysicalNetworks();
  readonly encapsulationPolicies: EncapsulationPolicies;
  readonly segments = new Segments();
  readonly releases = new Releases(this.dpus, this.networksByUid, this.segments);
  readonly documents = new Documents();
  readonly policies = new Policies(
    this.documents,
    (port) => this.#replan(port),
    () => this.#revision,
  );
  readonly serviceChains = new ServiceChains(this.documents, {
    networkOf: (tenant, name) => this.networks.get(nameKey(tenant, name)),
    portOf: (tenant, name) => this.ports.get(nameKey(tenant, name)),
    selectedPorts: (tenant, selector) => this.policies.selectedPorts(tenant, selector),
    onStale: (port) => this.#replan(port),
    revision: () => this.#revision,
  });
  /** Connected ports that are told other policies or chains, since this was last asked. */
  readonly #retold = new Set<PortEntry>();
  /** Ports whose records do not say any more what is so, and that the decision which made that so could not hold too. */
  readonly outdated = new Set<PortEntry>();
  /**
   * By uid: ports whose records say what is so and whose rows do not yet, as the decision which made that so could not hold
   * all of them; and what the rows say, which differs in the status only.
   */
  readonly unwritten = new Map<Uid, PortRecord>();
  /** By tenant: of which tenants such rows may claim too much. */
  readonly retellings = new Map<string, RetellingRecord>();
  /** Ports that one decision tells anew. */
  readonly toldAtOnce: number;
  readonly netlinkObjects = new NetlinkObjects(this.documents, (tenant, name) =>
    this.ports.get(nameKey(tenant, name)),
  );
  readonly #placements = new Placements(
    this.documents,
    this.physicalNetworks,
    this.portsByUid,
    this.netlinkObjects,
  );
  /** What changes must be confirmed at; undefined while loading. */
  #revision: number | undefined;
  /** Numbers releases, whose names must be unique for ever. */
  #releaseNumber = 0;

  private constructor(options: WorldOptions) {
    this.encapsulationPolicies = new EncapsulationPolicies(options.vniRange);
    this.toldAtOnce = options.toldAtOnce ?? TOLD_AT_ONCE;
  }

  /**
   * The world of these records. `revision` becomes the sequence of every document: it must be greater than any that
   * was ever handed out, that is, the revision of a commit made for this start.
   */
  static load(
    records: Iterable<StoredRecord>,
    revision: number,
    options: WorldOptions = DEFAULT_WORLD_OPTIONS,
  ): World {
    const world = new World(options);
    const byKind = new Map<string, StoredRecord[]>(RECORD_KINDS.map((kind) => [kind, []]));
    for (const record of records) byKind.get(record.kind)?.push(record);
    for (const ofKind of byKind.values()) for (const record of ofKind) world.put(record);
    const digests = new LoadedDigests();
    for (const dpu of world.dpus.values()) {
      world.documents.loadDigest(
        dpu.record.name,
        revision,
        digests.of(dpu, world.#objectsBesideNetworks(dpu)),
      );
    }
    world.documents.loaded();
    world.#awaitStored(revision);
    world.#revision = revision;
    return world;
  }

  /** What is stored waits for who has not confirmed it, as far as it says; what it does not say any more is to be told. */
  #awaitStored(revision: number): void {
    for (const port of this.ports.values()) {
      expectStored(port);
      if (isOutdated(port)) this.outdated.add(port);
    }
    for (const network of this.networks.values()) expectJoining(network, revision);
    for (const port of this.ports.values()) {
      const retelling = this.retellings.get(port.record.resource.metadata.tenant);
      if (!retelling || port.record.sequence >= retelling.revision || !port.placement) continue;
      this.unwritten.set(port.record.resource.metadata.uid, port.record);
      expectUntold(port, retelling.time, revision);
    }
    for (const router of this.routers.values()) expectRouter(router, revision);
    for (const entry of this.netlinkObjects.values()) expectPlaced(entry, revision);
    const { policies, addressSets } = this.policies;
    for (const entry of policies.values()) expectPolicy(entry, this.policies.dpusOf(entry), revision);
    for (const entry of addressSets.values()) expectPolicy(entry, this.policies.dpusOf(entry), revision);
    const { serviceChains } = this;
    for (const entry of serviceChains.chains.values())
      expectPolicy(entry, serviceChains.dpusOf(entry), revision);
    // What is stored was settled when it was.
    this.takeTouched();
    this.takeRetold();
    this.netlinkObjects.takeMoved();
    this.policies.takeMoved();
    serviceChains.takeMoved();
  }

  /** Starts a decision at that revision. */
  startRevision(revision: number): void {
    invariant(this.#revision === undefined || revision >= this.#revision, 'revisions do not go back');
    if (revision !== this.#revision) this.#releaseNumber = 0;
    this.#revision = revision;
  }

  newReleaseName(): string {
    return `r${this.#revision}-${this.#releaseNumber++}`;
  }

  /** Ports that are known everywhere because a DPU that lagged has left, since the last call. */
  takeSettled(): PortEntry[] {
    const { left } = this.#placements;
    if (left.size === 0) return [];
    const settled = [...left].filter((port) => this.portsByUid.has(port.record.resource.metadata.uid));
    left.clear();
    return settled.filter(isSettled);
  }

  /** What has followed from decisions for others than the ports that they were about, since the last call. */
  takeTouched(): Touched {
    const { networks, routers } = this.#placements.touched;
    const touched = { networks: new Map(networks), routers: new Set(routers) };
    networks.clear();
    routers.clear();
    return touched;
  }

  /** Ports whose own objects are others because of policies, since the last call: their records do not say so yet. */
  takeRetold(): PortEntry[] {
    const retold = [...this.#retold];
    this.#retold.clear();
    return retold;
  }

  /** Every object of a DPU's document, in no order. */
  objectsOf(dpu: DpuEntry): SharedObject[] {
    return [...objectsOf(dpu), ...this.#objectsBesideNetworks(dpu)];
  }

  #objectsBesideNetworks(dpu: DpuEntry): SharedObject[] {
    const placed = [...dpu.netlinkObjects.values()].flatMap(({ place }) => place.objects.get(dpu) ?? []);
    return [...this.policies.objectsOf(dpu), ...dpu.serviceChains.values(), ...placed];
  }

  /** Networks that are rid of a DPU that told a problem of them, since the last call. */
  takeRelieved(): NetworkEntry[] {
    const { relieved } = this.#placements;
    const networks = [...relieved].filter(({ record }) =>
      this.networksByUid.has(record.resource.metadata.uid),
    );
    relieved.clear();
    return networks;
  }

  /** The record with that key. */
  find({ kind, tenant, name }: RecordKey): StoredRecord | undefined {
    switch (kind) {
      case 'PhysicalNetwork':
        return this.physicalNetworks.get(name)?.record;
      case 'EncapsulationPolicy':
        return this.encapsulationPolicies.get(name);
      case 'Router':
        return this.routers.get(nameKey(tenant, name))?.record;
      case 'Network':
        return this.networks.get(nameKey(tenant, name))?.record;
      case 'Subnet':
        return this.subnets.get(nameKey(tenant, name))?.record;
      case 'AddressSet':
        return this.policies.addressSets.get(nameKey(tenant, name))?.record;
      case 'SecurityPolicy':
        return this.policies.policies.get(nameKey(tenant, name))?.record;
      case 'Port':
        return this.ports.get(nameKey(tenant, name))?.record;
      case 'NetlinkObject':
        return this.netlinkObjects.get(nameKey(tenant, name))?.record;
      case 'ServiceChain':
        return this.serviceChains.chains.get(nameKey(tenant, name))?.record;
      case 'Dpu':
        return this.dpus.get(name)?.record;
      case 'Function':
        return this.functions.get(name);
      case 'Release':
        return this.releases.get(name)?.record;
      case 'Retention':
        return this.retentions.get(name);
      case 'Retelling':
        return this.retellings.get(name);
      default:
        return unreachable(kind);
    }
  }

  /** Takes a record over in the place of the one with its key, if there is one. */
  put(record: StoredRecord): void {
    switch (record.kind) {
      case 'PhysicalNetwork':
        this.#putPhysicalNetwork(record);
        break;
      case 'EncapsulationPolicy':
        this.encapsulationPolicies.put(record);
        break;
      case 'Router':
        this.#putRouter(record);
        break;
      case 'Network':
        this.#putNetwork(record);
        break;
      case 'Subnet':
        this.#putSubnet(record);
        break;
      case 'AddressSet':
        this.policies.putAddressSet(record);
        break;
      case 'SecurityPolicy':
        this.policies.putPolicy(record);
        break;
      case 'Port':
        this.putPort(record);
        break;
      case 'NetlinkObject':
        this.#putNetlinkObject(record);
        break;
      case 'ServiceChain':
        this.serviceChains.put(record);
        break;
      case 'Dpu':
        this.#putDpu(record);
        break;
      case 'Function':
        this.functions.put(record);
        break;
      case 'Release':
        this.releases.put(record);
        break;
      case 'Retention':
        this.#removeRetention(record.name);
        this.#putRetention(record);
        break;
      case 'Retelling':
        this.retellings.set(record.name, record);
        break;
      default:
        unreachable(record);
    }
    this.netlinkObjects.settle(this.#revision);
  }

  /** Forgets a record. Nothing may refer to it. */
  remove({ kind, tenant, name }: RecordKey): void {
    switch (kind) {
      case 'PhysicalNetwork':
        this.physicalNetworks.remove(name);
        break;
      case 'EncapsulationPolicy':
        this.encapsulationPolicies.remove(name);
        break;
      case 'Router':
        this.#removeRouter(nameKey(tenant, name));
        break;
      case 'Network':
        this.#removeNetwork(nameKey(tenant, name));
        break;
      case 'Subnet':
        this.#removeSubnet(nameKey(tenant, name));
        break;
      case 'AddressSet':
        this.policies.removeAddressSet(tenant, name);
        break;
      case 'SecurityPolicy':
        this.policies.removePolicy(tenant, name);
        break;
      case 'Port':
        this.#removePort(nameKey(tenant, name));
        break;
      case 'NetlinkObject':
        this.#removeNetlinkObject(nameKey(tenant, name));
        break;
      case 'ServiceChain':
        this.serviceChains.remove(tenant, name);
        break;
      case 'Dpu':
        this.#removeDpu(name as Name);
        break;
      case 'Function':
        this.functions.remove(name);
        break;
      case 'Release':
        this.releases.remove(name);
        break;
      case 'Retention':
        this.#removeRetention(name);
        break;
      case 'Retelling':
        this.retellings.delete(name);
        break;
      default:
        unreachable(kind);
    }
    this.netlinkObjects.settle(this.#revision);
  }

  /** Uplinks of DPUs may lead elsewhere now: also those of other physical networks, which give way to each other. */
  #putPhysicalNetwork(record: PhysicalNetworkRecord): void {
    this.physicalNetworks.put(record);
    for (const { networks } of this.physicalNetworks.values()) {
      for (const network of networks) this.#placements.replaceBridgeDomains(network);
    }
  }

  #putRouter(record: RouterRecord): void {
    const { metadata, spec } = record.resource;
    const entry = this.#routerOf(metadata.tenant, metadata.name);
    const before = entry.record?.resource.spec;
    entry.record = record;
    if (before !== spec) this.#placements.replaceOwn(entry, this.#revision);
  }

  #removeRouter(key: string): void {
    const entry = this.routers.get(key);
    invariant(entry, `${key} exists`);
    entry.record = undefined;
    this.#placements.replaceOwn(entry, this.#revision);
    this.#forgetRouter(entry);
  }

  /** The router of that name, which need not have a resource. */
  #routerOf(tenant: string, name: string): RouterEntry {
    const key = nameKey(tenant, name);
    const known = this.routers.get(key);
    if (known) return known;
    const object = routerObject(tenant, name);
    const created: RouterEntry = {
      key: object.key,
      tenant,
      name,
      object,
      record: undefined,
      networks: new Set(),
      subnets: new Set(),
      hosts: new Map(),
      own: [],
      unknownNextHops: [],
      unconfirmed: new Map(),
      netlinkObjects: new Set(),
    };
    this.routers.set(key, created);
    return created;
  }

  #forgetRouter({ record, networks, netlinkObjects, tenant, name }: RouterEntry): void {
    if (!record && networks.size + netlinkObjects.size === 0) this.routers.delete(nameKey(tenant, name));
  }

  #putNetlinkObject(record: NetlinkObjectRecord): void {
    const { metadata, spec } = record.resource;
    const { tenant, name } = metadata;
    const { object } = spec;
    const network = object.kind === 'route' ? undefined : this.networks.get(nameKey(tenant, object.network));
    const router = object.kind === 'route' ? this.#routerOf(tenant, object.router) : network?.router;
    invariant(router, `the network of netlinkobject ${tenant}/${name} is known`);
    this.netlinkObjects.put(nameKey(tenant, name), record, { router, network });
  }

  #removeNetlinkObject(key: string): void {
    const router = this.netlinkObjects.get(key)?.router;
    this.netlinkObjects.remove(key);
    if (router) this.#forgetRouter(router);
  }

  #putNetwork(record: NetworkRecord): void {
    const { metadata, status } = record.resource;
    const key = nameKey(metadata.tenant, metadata.name);
    const entry = this.networks.get(key);
    if (entry) {
      const before = entry.record.resource.status;
      entry.record = record;
      if (before.mtu !== status.mtu || before.segment !== status.segment) {
        this.#placements.replaceBridgeDomains(entry);
      }
      return;
    }
    const { segment } = status;
    const physical = segment?.physicalNetwork && this.physicalNetworks.get(segment.physicalNetwork);
    invariant(physical || !segment?.physicalNetwork, `the physical network of ${key} is known`);
    const created: NetworkEntry = {
      record,
      physical: physical || undefined,
      bridgeDomains: new Map(),
      gateway: undefined,
      hostConfiguration: undefined,
      router: this.#routerOf(metadata.tenant, record.resource.spec.router),
      subnets: new Map(),
      ports: new Set(),
      placed: 0,
      members: new Map(),
      dpus: new Set(),
      joining: new Map(),
      addresses: new Map(),
      macAddresses: new Map(),
      quarantinedAddresses: new Quarantine(),
      quarantinedMacAddresses: new Quarantine(),
      releases: new Set(),
      stragglers: new Map(),
    };
    created.router.networks.add(created);
    this.networks.set(key, created);
    this.networksByUid.set(metadata.uid, created);
    created.physical?.networks.add(created);
    if (segment) this.segments.take(segment, created);
  }

  #removeNetwork(key: string): void {
    const entry = this.networks.get(key);
    invariant(entry && entry.ports.size + entry.subnets.size === 0, `${key} is not in use`);
    const { metadata, status } = entry.record.resource;
    entry.router.networks.delete(entry);
    this.#forgetRouter(entry.router);
    this.networks.delete(key);
    this.networksByUid.delete(metadata.uid);
    entry.physical?.networks.delete(entry);
    if (status.segment) this.segments.release(status.segment);
  }

  #putSubnet(record: SubnetRecord): void {
    const { metadata, spec, status } = record.resource;
    const key = nameKey(metadata.tenant, metadata.name);
    const entry = this.subnets.get(key);
    if (!entry) {
      const network = this.networks.get(nameKey(metadata.tenant, spec.network));
      invariant(network, `the network of subnet ${key} is known`);
      const range = prefixRange(spec.cidr);
      const created: SubnetEntry = {
        record,
        network,
        range,
        pool: poolOf(record.resource),
        reservations: new Reservations(spec),
        retained: new Retentions(),
        allocated: 0,
      };
      this.subnets.set(key, created);
      network.subnets.set(metadata.name, created);
      network.router.subnets.add(created);
      fillPool(created);
      this.#placements.replaceGateway(network, this.#revision);
      this.#placements.replaceHostConfiguration(network);
      this.#placements.reroute(network.router, [created], this.#revision);
      this.netlinkObjects.routerChanged(network.router);
      this.serviceChains.networkChanged(network);
      return;
    }
    const before = entry.record.resource;
    entry.record = record;
    if (before.spec === spec && before.status.gateway === status.gateway) return;
    entry.pool = poolOf(record.resource);
    entry.reservations = new Reservations(spec);
    fillPool(entry);
    this.#placements.replaceGateway(entry.network, this.#revision);
    this.netlinkObjects.routerChanged(entry.network.router);
    this.#placements.replaceHostConfiguration(entry.network);
  }

  #removeSubnet(key: string): void {
    const entry = this.subnets.get(key);
    invariant(entry && entry.allocated + entry.retained.size === 0, `${key} is not in use`);
    this.subnets.delete(key);
    const { network } = entry;
    network.subnets.delete(entry.record.resource.metadata.name);
    network.router.subnets.delete(entry);
    this.#placements.replaceGateway(network, this.#revision);
    this.#placements.replaceHostConfiguration(network);
    this.#placements.reroute(network.router, [entry], this.#revision);
    this.netlinkObjects.routerChanged(network.router);
    this.serviceChains.networkChanged(network);
  }

  /** A port that goes to that place; unless it is given, to the one that its status names. */
  putPort(record: PortRecord, given?: Placement): PortEntry {
    const { metadata, spec } = record.resource;
    const key = nameKey(metadata.tenant, metadata.name);
    let entry = this.ports.get(key);
    const before = entry?.record.resource;
    if (entry && holdsTheSame(entry.record, record)) {
      entry.record = record;
    } else if (entry) {
      this.#unindexPort(entry);
      entry.record = record;
      this.#indexPort(entry);
    } else {
      const network = this.networks.get(nameKey(metadata.tenant, spec.network));
      invariant(network, `the network of port ${key} is known`);
      entry = {
        record,
        network,
        placement: undefined,
        lagging: 0,
        policies: [],
        groups: [],
        presence: undefined,
        chains: [],
        chained: undefined,
      };
      this.ports.set(key, entry);
      this.portsByUid.set(metadata.uid, entry);
      network.ports.add(entry);
      this.#indexPort(entry);
    }
    const relabelled =
      before?.metadata.labels !== metadata.labels || before.spec.securityPolicies !== spec.securityPolicies;
    if (relabelled) this.policies.relabel(entry);
    this.serviceChains.relabel(entry);
    const placement = given ?? placementOf(record.resource, entry.network, this.dpus, entry);
    this.#placements.place(entry, placement, this.#revision);
    this.policies.settle(entry);
    this.serviceChains.settle(entry);
    this.netlinkObjects.portChanged(entry, before);
    this.netlinkObjects.settle(this.#revision);
    return entry;
  }

  /** The ports that are VLANs of a port. */
  vlansOf({ record }: PortEntry): readonly PortEntry[] {
    const { tenant, name } = record.resource.metadata;
    return [...(this.trunks.get(nameKey(tenant, name))?.values() ?? [])];
  }

  /** Other policies apply to a connected port, or it goes through other chains. */
  #replan(port: PortEntry): void {
    const placement = placementOf(port.record.resource, port.network, this.dpus, port);
    if (!comparePlacements(port.placement, placement).home) return;
    this.#placements.place(port, placement, this.#revision);
    this.#retold.add(port);
  }

  #removePort(key: string): void {
    const entry = this.ports.get(key);
    invariant(entry, `${key} exists`);
    this.#placements.place(entry, undefined, this.#revision);
    this.policies.settle(entry);
    this.serviceChains.settle(entry);
    this.policies.forget(entry);
    this.serviceChains.forget(entry);
    this.#retold.delete(entry);
    this.outdated.delete(entry);
    this.unwritten.delete(entry.record.resource.metadata.uid);
    this.#unindexPort(entry);
    this.ports.delete(key);
    this.portsByUid.delete(entry.record.resource.metadata.uid);
    entry.network.ports.delete(entry);
    this.netlinkObjects.portChanged(entry, undefined);
  }

  #indexPort(entry: PortEntry): void {
    const { network } = entry;
    const { metadata, spec, status } = entry.record.resource;
    if (spec.function) this.bindings.set(functionIdentityKey(spec.function), entry);
    if (spec.trunk) {
      const parent = nameKey(metadata.tenant, spec.trunk.parent);
      const trunk = this.trunks.get(parent) ?? new Map();
      this.trunks.set(parent, trunk.set(spec.trunk.vlanId, entry));
    }
    if (status.macAddress) network.macAddresses.set(status.macAddress, entry);
    for (const { subnet, ip } of status.addresses) {
      network.addresses.set(ip, entry);
      const holder = network.subnets.get(subnet);
      invariant(holder, `subnet ${subnet} of an allocated address is known`);
      holder.allocated++;
      holder.pool.take(ip);
    }
  }

  #unindexPort(entry: PortEntry): void {
    const { network } = entry;
    const { metadata, spec, status } = entry.record.resource;
    if (spec.function) this.bindings.delete(functionIdentityKey(spec.function));
    if (spec.trunk) {
      const parent = nameKey(metadata.tenant, spec.trunk.parent);
      const trunk = this.trunks.get(parent);
      trunk?.delete(spec.trunk.vlanId);
      if (trunk?.size === 0) this.trunks.delete(parent);
    }
    if (status.macAddress) network.macAddresses.delete(status.macAddress);
    for (const { subnet, ip } of status.addresses) {
      network.addresses.delete(ip);
      const holder = network.subnets.get(subnet);
      invariant(holder, `subnet ${subnet} of an allocated address is known`);
      holder.allocated--;
      settleAddress(holder, ip);
    }
  }

  #putDpu(record: DpuRecord): void {
    const entry = this.dpus.get(record.name);
    if (!entry) {
      // An empty document had this sequence when its DPU was last known, if ever, or a lower one.
      if (this.#revision !== undefined) this.documents.open(record.name, this.#revision - 1);
      this.dpus.set(record.name, {
        record,
        memberships: new Map(),
        routers: new Map(),
        ruleSets: new Map(),
        serviceChains: new Map(),
        groups: new Map(),
        netlinkObjects: new Map(),
        awaited: new Map(),
        applied: undefined,
        problems: new Map(),
        offload: undefined,
        unconfirmed: new Map(),
        waits: new Map(),
      });
      return;
    }
    const before = entry.record;
    entry.record = record;
    if (before.tunnelEndpoint !== record.tunnelEndpoint) this.#placements.replacePeers(entry);
    if (before.labels !== record.labels) this.#placements.replaceUplinks(entry);
  }

  #removeDpu(name: Name): void {
    const entry = this.dpus.get(name);
    invariant(entry && entry.memberships.size === 0, `${name} has no ports`);
    this.dpus.delete(name);
    this.documents.close(name);
  }

  #putRetention(record: RetentionRecord): void {
    const subnet = this.subnets.get(record.subnet);
    invariant(subnet, `the subnet of retention ${record.name} is known`);
    this.retentions.set(record.name, record);
    subnet.retained.add(record);
    settleAddress(subnet, record.address);
  }

  #removeRetention(name: string): void {
    const record = this.retentions.get(name);
    const subnet = record && this.subnets.get(record.subnet);
    if (!subnet) return;
    this.retentions.delete(name);
    subnet.retained.delete(record);
    settleAddress(subnet, record.address);
  }
}

/** Whether nothing changes that a port is found by. */
const holdsTheSame = ({ resource: before }: PortRecord, { resource: after }: PortRecord): boolean =>
  before.spec.function === after.spec.function &&
  before.spec.trunk === after.spec.trunk &&
  before.status.macAddress === after.status.macAddress &&
  before.status.addresses === after.status.addresses;
