import { invariant } from '@outboard/core';
import type { Documents, SharedObject } from '@outboard/document-owner/documents';
import type { LabelSelector, Name, Port, ServiceChain, TenantName } from '@outboard/model';
import { confirmObject, expectObject } from '../awaited.js';
import {
  type ChainEntry,
  type DpuEntry,
  type NetworkEntry,
  type PortEntry,
  placeKey,
  type RouterEntry,
} from '../entries.js';
import { SelectorIndex } from '../policies/selector-index.js';
import type { ServiceChainRecord } from '../records.js';
import { chainObject, type Destination, destinationOf, destinationsOverlap } from './destination.js';

/** What one tenant's chains and ports find each other by. */
interface Tenant {
  readonly chains: Set<ChainEntry>;
  readonly selectors: SelectorIndex<ChainEntry>;
  /** By the names of ports that chains name to be steered, and of those that hops have. */
  readonly named: Map<Name, Set<ChainEntry>>;
  readonly hops: Map<Name, Set<ChainEntry>>;
}

/** What is around chains. */
export interface ChainSurroundings {
  networkOf(tenant: TenantName, name: string): NetworkEntry | undefined;
  portOf(tenant: TenantName, name: string): PortEntry | undefined;
  selectedPorts(tenant: TenantName, selector: LabelSelector): Iterable<PortEntry>;
  /** A connected port goes through other chains than its own object says. */
  onStale(port: PortEntry): void;
  /** Of the decision that is being made; undefined while a stored world is loaded. */
  revision(): number | undefined;
}

/** A port, or what is asked for as one. */
export interface Labelled {
  readonly metadata: Pick<Port['metadata'], 'tenant' | 'name' | 'labels'>;
}

/** A chain, or what is asked for as one. */
export interface ChainSpec {
  readonly metadata: Pick<ServiceChain['metadata'], 'tenant'>;
  readonly spec: ServiceChain['spec'];
}

/** Which chains a port's traffic goes through, in the order of their names, and those that others go before. */
interface ChainsOfPort {
  readonly chains: readonly ChainEntry[];
  readonly overlapping: readonly ChainEntry[];
}

const keyOf = (tenant: string, name: string): string => `${tenant}/${name}`;
const NONE: ChainsOfPort = { chains: [], overlapping: [] };
const NOBODY: ReadonlySet<ChainEntry> = new Set();

/** Service chains, the ports whose traffic goes through them, and their objects on the DPUs that have such ports. */
export class ServiceChains {
  readonly chains = new Map<string, ChainEntry>();
  readonly #byUid = new Map<string, ChainEntry>();
  readonly #tenants = new Map<TenantName, Tenant>();
  /** The chains that select a port, but that another one goes before; of ports that have such. */
  readonly #overlapping = new Map<PortEntry, readonly ChainEntry[]>();
  /** They have come to DPUs, left them or are others there, and their status does not say so yet. */
  readonly #moved = new Set<ChainEntry>();

  constructor(
    private readonly documents: Documents,
    private readonly around: ChainSurroundings,
  ) {}

  takeMoved(): ChainEntry[] {
    const moved = [...this.#moved];
    this.#moved.clear();
    return moved;
  }

  byUid(uid: string): ChainEntry | undefined {
    return this.#byUid.get(uid);
  }

  /** The chain that an object of a document is of, by its key. */
  ownerOf(key: string): ChainEntry | undefined {
    const [kind, uid = ''] = key.split('/');
    return kind === 'servicechain' ? this.#byUid.get(uid) : undefined;
  }

  dpusOf({ places }: ChainEntry): ReadonlySet<DpuEntry> {
    return new Set([...places.values()].map(({ dpu }) => dpu));
  }

  ofTenant(tenant: TenantName): ReadonlySet<ChainEntry> {
    return this.#tenants.get(tenant)?.chains ?? NOBODY;
  }

  /** The chains that have a hop with that port. */
  usersOf(tenant: TenantName, port: Name): ReadonlySet<ChainEntry> {
    return this.#tenants.get(tenant)?.hops.get(port) ?? NOBODY;
  }

  /** The chains that steer that port by its name. */
  naming(tenant: TenantName, port: Name): ReadonlySet<ChainEntry> {
    return this.#tenants.get(tenant)?.named.get(port) ?? NOBODY;
  }

  /** The chains whose destination is that network. */
  towards(network: NetworkEntry): ChainEntry[] {
    const { tenant, name } = network.record.resource.metadata;
    return [...this.ofTenant(tenant)].filter(({ record }) => {
      const { destination } = record.resource.spec;
      return destination.kind === 'network' && destination.network === name;
    });
  }

  /** What a port of that router with these labels and that name goes through. */
  of(port: Port, router: RouterEntry): readonly ChainEntry[] {
    return this.#of(port, router).chains;
  }

  /** All chains that select or name a port, whatever they are for. */
  selecting({ metadata: { tenant, name, labels } }: Labelled): ChainEntry[] {
    const own = this.#tenants.get(tenant);
    if (!own || own.hops.has(name)) return [];
    const chains = new Set([...own.selectors.selecting(labels), ...(own.named.get(name) ?? [])]);
    return [...chains].sort(byName);
  }

  /** The ports that a chain selects and names, but for those of hops. */
  *candidates({ metadata: { tenant }, spec }: ChainSpec): Generator<PortEntry> {
    const hops = this.#tenants.get(tenant)?.hops;
    const found = new Set<PortEntry>(
      spec.portSelector ? this.around.selectedPorts(tenant, spec.portSelector) : [],
    );
    for (const name of spec.ports) {
      const port = this.around.portOf(tenant, name);
      if (port) found.add(port);
    }
    for (const port of found) if (!hops?.has(port.record.resource.metadata.name)) yield port;
  }

  destinationOf({ record: { resource } }: Pick<ChainEntry, 'record'>, router: RouterEntry): Destination {
    return destinationOf(resource, router, (name) => this.around.networkOf(resource.metadata.tenant, name));
  }

  put(record: ServiceChainRecord): void {
    const { tenant, name, uid } = record.resource.metadata;
    const known = this.chains.get(keyOf(tenant, name));
    if (known?.record.resource.spec === record.resource.spec) {
      known.record = record;
      return;
    }
    const entry = known ?? {
      record,
      ports: new Set(),
      overlapping: new Set(),
      places: new Map(),
      lagging: 0,
    };
    const affected = new Set(known ? this.#portsAround(entry) : []);
    if (known) this.#unindex(entry);
    entry.record = record;
    this.chains.set(keyOf(tenant, name), entry);
    this.#byUid.set(uid, entry);
    this.#index(entry);
    for (const port of this.#portsAround(entry)) affected.add(port);
    this.#moved.add(entry);
    this.#replaceObjects(entry);
    this.#refresh(affected);
  }

  remove(tenant: string, name: string): void {
    const entry = this.chains.get(keyOf(tenant, name));
    invariant(entry, `service chain ${keyOf(tenant, name)} exists`);
    const affected = new Set(this.#portsAround(entry));
    this.#unindex(entry);
    this.chains.delete(keyOf(tenant, name));
    this.#byUid.delete(entry.record.resource.metadata.uid);
    this.#refresh(affected);
    this.#moved.delete(entry);
  }

  /** A port is new, or its record is another: before it is placed. */
  relabel(port: PortEntry): void {
    this.#assign(port, this.#of(port.record.resource, port.network.router));
  }

  /** A port goes; it has no place any more. */
  forget(port: PortEntry): void {
    this.#assign(port, NONE);
  }

  /** A port has come to its place, left it, or goes through other chains: DPUs learn the difference. */
  settle(port: PortEntry): void {
    const { tenant, name } = port.record.resource.metadata;
    for (const chain of this.usersOf(tenant, name)) this.#moved.add(chain);
    const before = port.chained;
    const dpu = port.placement?.dpu;
    const { router } = port.network;
    const after = dpu && port.chains.length > 0 ? { dpu, router, chains: port.chains } : undefined;
    if (before?.dpu === after?.dpu && before?.chains === after?.chains) return;
    port.chained = after;
    const isElsewhere = before?.dpu !== after?.dpu;
    if (after)
      for (const chain of after.chains)
        if (isElsewhere || !before?.chains.includes(chain)) this.#enter(chain, after.dpu, after.router);
    if (before)
      for (const chain of before.chains)
        if (isElsewhere || !after?.chains.includes(chain)) this.#leave(chain, before.dpu, before.router);
  }

  /** The subnets of a network are others: chains towards it, and out of its router, mean others. */
  networkChanged({ record }: NetworkEntry): void {
    const { tenant, name } = record.resource.metadata;
    for (const chain of this.ofTenant(tenant)) {
      const { destination } = chain.record.resource.spec;
      if (destination.kind === 'cidrs') continue;
      if (destination.kind === 'network' && destination.network !== name) continue;
      this.#replaceObjects(chain);
      this.#refresh(this.candidates(chain.record.resource));
    }
  }

  #of(port: Port, router: RouterEntry): ChainsOfPort {
    const selecting = this.selecting(port);
    if (selecting.length === 0) return NONE;
    const chains: ChainEntry[] = [];
    const taken: Destination[] = [];
    const overlapping: ChainEntry[] = [];
    for (const chain of selecting) {
      const destination = this.destinationOf(chain, router);
      if (destination.prefixes.length === 0) continue;
      if (taken.some((each) => destinationsOverlap(each, destination))) overlapping.push(chain);
      else {
        chains.push(chain);
        taken.push(destination);
      }
    }
    return { chains, overlapping };
  }

  #assign(port: PortEntry, { chains, overlapping }: ChainsOfPort): void {
    for (const chain of port.chains) if (!chains.includes(chain)) chain.ports.delete(port);
    for (const chain of chains) chain.ports.add(port);
    if (!equalLists(port.chains, chains)) port.chains = chains;
    const before = this.#overlapping.get(port) ?? [];
    if (before.length + overlapping.length === 0) return;
    for (const chain of before) if (!overlapping.includes(chain)) this.#overlaps(chain, port, false);
    for (const chain of overlapping) if (!before.includes(chain)) this.#overlaps(chain, port, true);
    if (overlapping.length > 0) this.#overlapping.set(port, overlapping);
    else this.#overlapping.delete(port);
  }

  #overlaps(chain: ChainEntry, port: PortEntry, does: boolean): void {
    if (does) chain.overlapping.add(port);
    else chain.overlapping.delete(port);
    this.#moved.add(chain);
  }

  *#portsAround(entry: ChainEntry): Generator<PortEntry> {
    const { resource } = entry.record;
    yield* entry.ports;
    yield* this.candidates(resource);
    for (const { ingressPort, egressPort } of resource.spec.hops)
      for (const name of [ingressPort, egressPort]) {
        const port = this.around.portOf(resource.metadata.tenant, name);
        if (port) yield port;
      }
  }

  #refresh(ports: Iterable<PortEntry>): void {
    for (const port of new Set(ports)) {
      this.relabel(port);
      this.settle(port);
      if (port.placement) this.around.onStale(port);
    }
  }

  #objectOf(chain: ChainEntry, router: RouterEntry): SharedObject {
    const { resource } = chain.record;
    return chainObject(resource, router, this.destinationOf(chain, router), (name) =>
      this.around.portOf(resource.metadata.tenant, name),
    );
  }

  #replaceObjects(chain: ChainEntry): void {
    for (const place of chain.places.values()) {
      const next = this.#objectOf(chain, place.router);
      if (next.equals(place.object)) continue;
      this.documents.replace(place.dpu.record.name, place.object, next);
      place.object = next;
      place.dpu.serviceChains.set(next.key, next);
      this.#changed(chain, place.dpu);
    }
  }

  #enter(chain: ChainEntry, dpu: DpuEntry, router: RouterEntry): void {
    const key = placeKey(dpu, router.name as Name);
    const place = chain.places.get(key);
    if (place) place.ports++;
    else {
      const object = this.#objectOf(chain, router);
      chain.places.set(key, { dpu, router, object, ports: 1 });
      dpu.serviceChains.set(object.key, object);
      this.documents.replace(dpu.record.name, undefined, object);
    }
    this.#changed(chain, dpu);
  }

  #leave(chain: ChainEntry, dpu: DpuEntry, router: RouterEntry): void {
    const key = placeKey(dpu, router.name as Name);
    const place = chain.places.get(key);
    invariant(place, `the chain is in ${key}`);
    this.#moved.add(chain);
    if (--place.ports > 0) return;
    chain.places.delete(key);
    dpu.serviceChains.delete(place.object.key);
    this.documents.replace(dpu.record.name, place.object, undefined);
    if (!this.dpusOf(chain).has(dpu)) confirmObject(chain, dpu);
  }

  #changed(chain: ChainEntry, dpu: DpuEntry): void {
    this.#moved.add(chain);
    const sequence = this.around.revision();
    if (sequence !== undefined) expectObject(chain, dpu, sequence);
  }

  #index(entry: ChainEntry): void {
    const { metadata, spec } = entry.record.resource;
    const { chains, selectors, named, hops } = this.#tenantOf(metadata.tenant);
    chains.add(entry);
    if (spec.portSelector) selectors.add(entry, spec.portSelector);
    for (const port of spec.ports) addTo(named, port, entry);
    for (const { ingressPort, egressPort } of spec.hops)
      for (const port of [ingressPort, egressPort]) addTo(hops, port, entry);
  }

  #unindex(entry: ChainEntry): void {
    const { metadata, spec } = entry.record.resource;
    const { chains, selectors, named, hops } = this.#tenantOf(metadata.tenant);
    chains.delete(entry);
    if (chains.size === 0) this.#tenants.delete(metadata.tenant);
    selectors.remove(entry);
    for (const port of spec.ports) removeFrom(named, port, entry);
    for (const { ingressPort, egressPort } of spec.hops)
      for (const port of [ingressPort, egressPort]) removeFrom(hops, port, entry);
  }

  #tenantOf(name: TenantName): Tenant {
    const known = this.#tenants.get(name);
    if (known) return known;
    const tenant: Tenant = {
      chains: new Set(),
      selectors: new SelectorIndex(),
      named: new Map(),
      hops: new Map(),
    };
    this.#tenants.set(name, tenant);
    return tenant;
  }
}

const byName = (one: ChainEntry, other: ChainEntry): number =>
  one.record.resource.metadata.name < other.record.resource.metadata.name ? -1 : 1;

const equalLists = (one: readonly ChainEntry[], other: readonly ChainEntry[]): boolean =>
  one.length === other.length && one.every((each, index) => each === other[index]);

function addTo(index: Map<Name, Set<ChainEntry>>, key: Name, entry: ChainEntry): void {
  const entries = index.get(key);
  if (entries) entries.add(entry);
  else index.set(key, new Set([entry]));
}

function removeFrom(index: Map<Name, Set<ChainEntry>>, key: Name, entry: ChainEntry): void {
  const entries = index.get(key);
  entries?.delete(entry);
  if (entries?.size === 0) index.delete(key);
}
