import { hash } from 'node:crypto';
import { invariant } from '@outboard/core';
import type { Documents, SharedObject } from '@outboard/document-owner/documents';
import {
  type IpPrefix,
  labelSelectorText,
  type Name,
  type SecurityPeer,
  type SecurityPolicy,
  type TenantName,
} from '@outboard/model';

import type { DpuEntry, PortEntry } from '../entries.js';
import {
  type AddressSetEntry,
  type GroupEntry,
  type GroupPlace,
  type PolicyEntry,
  placeKey,
} from '../entries.js';

import { groupObject, prefixMember } from './objects.js';
import { SelectorIndex } from './selector-index.js';

/** Hexadecimal digits of a group's name: 64 bits of SHA-256, as many policies may share a selector. */
const GROUP_DIGITS = 16;

/**
 * The groups that policies mean, who is in them, and the DPUs that know them. A member that comes or goes touches the
 * DPUs where rules mean its group, by one object each; nothing else does.
 */
export class Groups {
  /** By tenant and id. */
  readonly #groups = new Map<string, GroupEntry>();
  readonly #selectors = new Map<TenantName, SelectorIndex<GroupEntry>>();

  constructor(
    private readonly documents: Documents,
    private readonly addressSet: (tenant: TenantName, name: Name) => AddressSetEntry | undefined,
    /** An address set has come to a DPU, or has left a router there: it may still be in another (`isThere`). */
    private readonly onSet: (set: AddressSetEntry, dpu: DpuEntry, isThere: boolean) => void,
  ) {}

  get size(): number {
    return this.#groups.size;
  }

  /** The groups of that selector's kind that a port with these labels is in. */
  selecting(tenant: TenantName, labels: Readonly<Record<string, string>>): readonly GroupEntry[] {
    return [...(this.#selectors.get(tenant)?.selecting(labels) ?? [])];
  }

  /** The group that a peer of a policy names; undefined: it names none. */
  of(tenant: TenantName, peer: SecurityPeer): GroupEntry | undefined {
    const id = this.#idOf(tenant, peer);
    return id === undefined ? undefined : this.#groups.get(`${tenant}/${id}`);
  }

  /** The groups that a policy means from now on; those that are new are made, and filled by `fill`. */
  acquire(
    policy: PolicyEntry,
    { metadata: { tenant }, spec }: SecurityPolicy,
    fill: (group: GroupEntry) => void,
  ): readonly GroupEntry[] {
    const peers = [...spec.ingress, ...spec.egress].flatMap((rule) => rule.peers);
    const groups = new Set<GroupEntry>();
    for (const peer of peers) {
      if (peer.kind === 'cidr') continue;
      const group = this.of(tenant, peer) ?? this.#create(tenant, peer, fill);
      group.policies.add(policy);
      group.addressSet?.policies.add(policy);
      groups.add(group);
    }
    return [...groups];
  }

  /** The policy, which is nowhere on behalf of it, does not mean the group any more. True: nobody does, it is gone. */
  release(policy: PolicyEntry, group: GroupEntry): boolean {
    group.policies.delete(policy);
    group.addressSet?.policies.delete(policy);
    if (group.policies.size > 0) return false;
    invariant(group.places.size === 0, `group ${group.id} is nowhere`);
    this.#groups.delete(`${group.tenant}/${group.id}`);
    this.#selectors.get(group.tenant)?.remove(group);
    return true;
  }

  /** Another policy means the group in a router of a DPU. */
  enter(group: GroupEntry, dpu: DpuEntry, router: Name): void {
    const key = placeKey(dpu, router);
    const place = group.places.get(key);
    if (place) {
      place.users++;
      return;
    }
    const created: GroupPlace = { dpu, router, object: groupObject(group, router), users: 1 };
    group.places.set(key, created);
    dpu.groups.set(created.object.key, { group, place: created });
    this.#replace(created, undefined, created.object);
    for (const object of this.membersIn(group, router)) this.#replace(created, undefined, object);
    if (group.addressSet) this.onSet(group.addressSet, dpu, true);
  }

  leave(group: GroupEntry, dpu: DpuEntry, router: Name): void {
    const key = placeKey(dpu, router);
    const place = group.places.get(key);
    invariant(place, `group ${group.id} is in ${key}`);
    if (--place.users > 0) return;
    group.places.delete(key);
    dpu.groups.delete(place.object.key);
    for (const object of this.membersIn(group, router)) this.#replace(place, object, undefined);
    this.#replace(place, place.object, undefined);
    if (group.addressSet) {
      const isThere = [...dpu.groups.values()].some((each) => each.group === group);
      this.onSet(group.addressSet, dpu, isThere);
    }
  }

  /** Where an address set is. */
  dpusOf({ record: { resource } }: AddressSetEntry): ReadonlySet<DpuEntry> {
    const group = this.#groups.get(`${resource.metadata.tenant}/${resource.metadata.uid}`);
    return new Set([...(group?.places.values() ?? [])].map(({ dpu }) => dpu));
  }

  /** Every member's objects in a router. */
  *membersIn(group: GroupEntry, router: Name): Generator<SharedObject> {
    if (group.addressSet) this.#fillFromSet(group, router);
    for (const objects of group.members.get(router)?.values() ?? []) yield* objects;
  }

  /** A member has come, gone, or has other objects; only differences are told. */
  setMember(
    group: GroupEntry,
    router: Name,
    member: PortEntry | IpPrefix,
    objects: readonly SharedObject[],
  ): void {
    const members = group.members.get(router) ?? new Map<PortEntry | IpPrefix, readonly SharedObject[]>();
    const before = members.get(member) ?? [];
    if (objects.length > 0) {
      members.set(member, objects);
      group.members.set(router, members);
    } else {
      members.delete(member);
      if (members.size === 0) group.members.delete(router);
    }
    for (const place of group.places.values()) {
      if (place.router !== router) continue;
      this.#difference(place, before, objects);
    }
  }

  /** An address set is another; tells whether it has other addresses. */
  refresh(set: AddressSetEntry): boolean {
    const { metadata } = set.record.resource;
    const group = this.#groups.get(`${metadata.tenant}/${metadata.uid}`);
    if (!group) return false;
    let isAnother = false;
    const wanted = new Set<PortEntry | IpPrefix>(set.record.resource.spec.addresses);
    const routers = [...group.members.keys(), ...[...group.places.values()].map(({ router }) => router)];
    for (const router of new Set(routers)) {
      const known = new Set(group.members.get(router)?.keys());
      for (const member of known) {
        if (wanted.has(member)) continue;
        this.setMember(group, router, member, []);
        isAnother = true;
      }
      for (const prefix of set.record.resource.spec.addresses) {
        if (known.has(prefix)) continue;
        this.setMember(group, router, prefix, [prefixMember(group, router, prefix)]);
        isAnother = true;
      }
    }
    return isAnother;
  }

  /** What an address set's members are follows from its record, in whatever router they are asked for first. */
  #fillFromSet(group: GroupEntry, router: Name): void {
    if (group.members.has(router)) return;
    const addresses = group.addressSet?.record.resource.spec.addresses ?? [];
    if (addresses.length === 0) return;
    group.members.set(
      router,
      new Map(addresses.map((prefix) => [prefix, [prefixMember(group, router, prefix)]])),
    );
  }

  #create(tenant: TenantName, peer: SecurityPeer, fill: (group: GroupEntry) => void): GroupEntry {
    const id = this.#idOf(tenant, peer);
    const addressSet = peer.kind === 'addressSet' ? this.addressSet(tenant, peer.name) : undefined;
    const selector = peer.kind === 'ports' ? peer.selector : undefined;
    invariant(id !== undefined && (selector || addressSet), 'what a stored policy names is known');
    const group: GroupEntry = {
      id,
      tenant,
      selector,
      addressSet,
      policies: new Set(),
      members: new Map(),
      places: new Map(),
    };
    this.#groups.set(`${tenant}/${id}`, group);
    if (selector) {
      const index = this.#selectors.get(tenant) ?? new SelectorIndex<GroupEntry>();
      this.#selectors.set(tenant, index);
      index.add(group, selector);
      fill(group);
    }
    return group;
  }

  #idOf(tenant: TenantName, peer: SecurityPeer): string | undefined {
    switch (peer.kind) {
      case 'ports':
        return hash('sha256', labelSelectorText(peer.selector), 'hex').slice(0, GROUP_DIGITS);
      case 'addressSet':
        return this.addressSet(tenant, peer.name)?.record.resource.metadata.uid;
      case 'cidr':
        return undefined;
    }
  }

  #difference(place: GroupPlace, before: readonly SharedObject[], after: readonly SharedObject[]): void {
    for (const object of before) {
      const next = after.find(({ key }) => key === object.key);
      if (next !== object) this.#replace(place, object, next);
    }
    for (const object of after) {
      if (!before.some(({ key }) => key === object.key)) this.#replace(place, undefined, object);
    }
  }

  #replace(place: GroupPlace, before: SharedObject | undefined, after: SharedObject | undefined): void {
    this.documents.replace(place.dpu.record.name, before, after);
  }
}
