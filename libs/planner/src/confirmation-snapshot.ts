import type { Name, Uid } from '@outboard/model';
import { confirmObject, expectObject } from './awaited.js';
import { confirm, expectConfirmation } from './confirmation.js';
import type {
  AddressSetEntry,
  AwaitedEntry,
  ChainEntry,
  DpuEntry,
  NetlinkObjectEntry,
  PolicyEntry,
  RouterEntry,
} from './entries.js';

import type { PortRecord } from './records.js';
import { nameKey, type World } from './world.js';

/**
 * What DPUs have still to confirm of policies, of routers, their networks and their ports, and what has still to be
 * written of ports: not a function of the records, so that an attempt that is undone must restore it.
 */
export class ConfirmationSnapshot {
  readonly #unconfirmed = new Map<DpuEntry, readonly (readonly [uid: string, sequence: number])[]>();
  /** By the network's key. */
  readonly #joining = new Map<string, ReadonlyMap<Name, number>>();
  /** By the key of what a caller has placed. */
  readonly #awaited = new Map<string, ReadonlyMap<DpuEntry, number>>();
  /** By the uid of a policy, an address set or a service chain that some DPU has not confirmed. */
  readonly #ofPolicies = new Map<string, ReadonlyMap<DpuEntry, number>>();
  /** By the router's key. */
  readonly #ofRouters = new Map<string, ReadonlyMap<Name, number>>();
  readonly #unwritten: ReadonlyMap<Uid, PortRecord>;
  readonly #outdated: readonly Uid[];

  constructor(
    private readonly world: World,
    routers: Iterable<RouterEntry>,
  ) {
    this.#unwritten = new Map(world.unwritten);
    this.#outdated = [...world.outdated].map(({ record }) => record.resource.metadata.uid);
    for (const entry of this.#awaitedPolicies())
      this.#ofPolicies.set(entry.record.resource.metadata.uid, awaitedOf(entry, dpusOf(world, entry)));
    for (const { tenant, name, unconfirmed, networks, netlinkObjects } of routers) {
      for (const entry of netlinkObjects) this.#noteObject(entry);
      this.#ofRouters.set(nameKey(tenant, name), new Map(unconfirmed));
      for (const { record, joining, members } of networks) {
        this.#joining.set(nameKey(tenant, record.resource.metadata.name), new Map(joining));
        for (const { dpu } of members.values()) this.#note(dpu);
      }
    }
  }

  restore(): void {
    const { unwritten, outdated, portsByUid } = this.world;
    unwritten.clear();
    for (const [uid, record] of this.#unwritten) unwritten.set(uid, record);
    outdated.clear();
    for (const uid of this.#outdated) {
      const port = portsByUid.get(uid);
      if (port) outdated.add(port);
    }
    for (const [dpu, entries] of this.#unconfirmed) {
      for (const port of [...dpu.unconfirmed.keys()]) confirm(port, dpu);
      for (const [uid, sequence] of entries) {
        const port = this.world.portsByUid.get(uid);
        if (port) expectConfirmation(port, dpu, sequence);
      }
    }
    for (const [key, awaited] of this.#awaited) {
      const entry = this.world.netlinkObjects.get(key);
      if (!entry) continue;
      for (const dpu of entry.place.objects.keys()) confirmObject(entry, dpu);
      for (const [dpu, sequence] of awaited) expectObject(entry, dpu, sequence);
    }
    for (const entry of this.#awaitedPolicies())
      for (const dpu of dpusOf(this.world, entry)) confirmObject(entry, dpu);
    const { policies, serviceChains } = this.world;
    for (const [uid, awaited] of this.#ofPolicies) {
      const entry = policies.byUid(uid) ?? serviceChains.byUid(uid);
      if (entry) for (const [dpu, sequence] of awaited) expectObject(entry, dpu, sequence);
    }
    for (const [key, joining] of this.#joining) replace(this.world.networks.get(key)?.joining, joining);
    for (const [key, unconfirmed] of this.#ofRouters) {
      replace(this.world.routers.get(key)?.unconfirmed, unconfirmed);
    }
  }

  #noteObject(entry: NetlinkObjectEntry): void {
    const { tenant, name } = entry.record.resource.metadata;
    this.#awaited.set(nameKey(tenant, name), awaitedOf(entry, entry.place.objects.keys()));
  }

  #awaitedPolicies(): (PolicyEntry | AddressSetEntry | ChainEntry)[] {
    const { policies, addressSets } = this.world.policies;
    const { chains } = this.world.serviceChains;
    return [...policies.values(), ...addressSets.values(), ...chains.values()].filter(
      ({ lagging }) => lagging > 0,
    );
  }

  #note(dpu: DpuEntry): void {
    if (this.#unconfirmed.has(dpu)) return;
    const entries = [...dpu.unconfirmed].map(
      ([port, sequence]) => [port.record.resource.metadata.uid, sequence] as const,
    );
    this.#unconfirmed.set(dpu, entries);
  }
}

const dpusOf = (
  { policies, serviceChains }: World,
  entry: PolicyEntry | AddressSetEntry | ChainEntry,
): ReadonlySet<DpuEntry> => ('overlapping' in entry ? serviceChains.dpusOf(entry) : policies.dpusOf(entry));

function awaitedOf(entry: AwaitedEntry, dpus: Iterable<DpuEntry>): Map<DpuEntry, number> {
  const awaited = new Map<DpuEntry, number>();
  for (const dpu of dpus) {
    const sequence = dpu.awaited.get(entry);
    if (sequence !== undefined) awaited.set(dpu, sequence);
  }
  return awaited;
}

function replace(target: Map<Name, number> | undefined, source: ReadonlyMap<Name, number>): void {
  target?.clear();
  for (const [name, sequence] of source) target?.set(name, sequence);
}
