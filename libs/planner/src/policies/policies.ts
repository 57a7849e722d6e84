import { objectKeys } from '@outboard/contracts';
import { invariant } from '@outboard/core';
import type { Documents, SharedObject } from '@outboard/document-owner/documents';
import type {
  LabelSelector,
  Labels,
  Name,
  Port,
  SecurityPeer,
  SecurityPolicy,
  TenantName,
} from '@outboard/model';
import { confirmObject, expectObject } from '../awaited.js';

import type { DpuEntry, PortEntry } from '../entries.js';
import {
  type AddressSetEntry,
  type GroupEntry,
  type PolicyEntry,
  type PolicyPlace,
  type PolicyPresence,
  type PortPolicies,
  placeKey,
} from '../entries.js';
import { PortClasses } from '../reachability/classes.js';
import type { AddressSetRecord, SecurityPolicyRecord } from '../records.js';

import { Groups } from './groups.js';
import { portMembers, ruleSetObject } from './objects.js';
import { inEvaluationOrder, meansTheSameToPorts } from './order.js';
import { LabelIndex, SelectorIndex } from './selector-index.js';

const NONE: PortPolicies = { policies: [], groups: [] };

const keyOf = (tenant: string, name: string): string => `${tenant}/${name}`;

const routerOf = ({ network }: PortEntry): Name => network.record.resource.spec.router;

/** What one tenant's ports and policies find each other by. */
interface Tenant {
  readonly ports: LabelIndex<PortEntry>;
  readonly selectors: SelectorIndex<PolicyEntry>;
}

/**
 * Which policies apply to which ports, who is in which group, and the objects of both on the DPUs that need them: a
 * rule set where there are ports that it applies to, a group with its members where a rule set means it.
 */
export class Policies {
  readonly policies = new Map<string, PolicyEntry>();
  readonly addressSets = new Map<string, AddressSetEntry>();
  /** Ports that policies treat alike. */
  readonly classes = new PortClasses();
  readonly #policiesByUid = new Map<string, PolicyEntry>();
  readonly #setsByUid = new Map<string, AddressSetEntry>();
  readonly #groups: Groups;
  readonly #tenants = new Map<TenantName, Tenant>();
  /** They have come to DPUs, left them or are others there, and their status does not say so yet. */
  readonly #moved = new Set<PolicyEntry | AddressSetEntry>();

  constructor(
    private readonly documents: Documents,
    /** A connected port has other policies than its own object says. */
    private readonly onStale: (port: PortEntry) => void,
    /** Of the decision that is being made; undefined while a stored world is loaded. */
    private readonly revision: () => number | undefined,
  ) {
    this.#groups = new Groups(
      documents,
      (tenant, name) => this.addressSets.get(keyOf(tenant, name)),
      (set, dpu, isThere) => this.#changed(set, dpu, isThere),
    );
  }

  /** What is another on some DPU, or concerns others, since the last call. */
  takeMoved(): (PolicyEntry | AddressSetEntry)[] {
    const moved = [...this.#moved];
    this.#moved.clear();
    return moved;
  }

  /** The DPUs that have a policy, or an address set because of one. */
  dpusOf(entry: PolicyEntry | AddressSetEntry): ReadonlySet<DpuEntry> {
    return 'places' in entry
      ? new Set([...entry.places.values()].map(({ dpu }) => dpu))
      : this.#groups.dpusOf(entry);
  }

  find(tenant: string, name: string): PolicyEntry | undefined {
    return this.policies.get(keyOf(tenant, name));
  }

  byUid(uid: string): PolicyEntry | AddressSetEntry | undefined {
    return this.#policiesByUid.get(uid) ?? this.#setsByUid.get(uid);
  }

  /** The policy or address set that an object of a document is of, by its key. */
  ownerOf(key: string): PolicyEntry | AddressSetEntry | undefined {
    const [kind, first = '', , third = ''] = key.split('/');
    switch (kind) {
      case 'ruleset':
        return this.#policiesByUid.get(first);
      case 'addressgroup':
      case 'addressgroupmember':
        return this.#setsByUid.get(third);
      default:
        return undefined;
    }
  }

  /** The policies that apply to a port, and the groups that it is in; as its labels and its spec say. */
  of({ metadata: { tenant, labels }, spec }: Port): PortPolicies {
    return {
      policies: this.applyingTo(tenant, labels, spec.securityPolicies),
      groups: this.#groups.selecting(tenant, labels),
    };
  }

  /** The policies that apply to a port with these labels that names these, in the order in which they are evaluated. */
  applyingTo(tenant: TenantName, labels: Labels, named: readonly Name[]): readonly PolicyEntry[] {
    const policies = new Set(this.#tenants.get(tenant)?.selectors.selecting(labels));
    for (const name of named) {
      const policy = this.policies.get(keyOf(tenant, name));
      if (policy) policies.add(policy);
    }
    return inEvaluationOrder(policies);
  }

  /** Whether some policy names this peer, so that ports know the group. */
  isMeant(tenant: TenantName, peer: SecurityPeer): boolean {
    return this.#groups.of(tenant, peer) !== undefined;
  }

  /** The ports of a tenant that a selector selects. */
  selectedPorts(tenant: TenantName, selector: LabelSelector): Iterable<PortEntry> {
    return this.#tenantOf(tenant).ports.selectedBy(selector);
  }

  putAddressSet(record: AddressSetRecord): void {
    const { tenant, name } = record.resource.metadata;
    const entry = this.addressSets.get(keyOf(tenant, name));
    if (!entry) {
      const created: AddressSetEntry = { record, policies: new Set(), lagging: 0 };
      this.addressSets.set(keyOf(tenant, name), created);
      this.#setsByUid.set(record.resource.metadata.uid, created);
      this.#moved.add(created);
      return;
    }
    const before = entry.record.resource.spec;
    entry.record = record;
    if (before === record.resource.spec) return;
    this.#moved.add(entry);
    // DPUs whose documents stay as they are would never tell that they have anything new.
    if (!this.#groups.refresh(entry)) return;
    for (const dpu of this.dpusOf(entry)) this.#changed(entry, dpu, true);
  }

  removeAddressSet(tenant: string, name: string): void {
    const entry = this.addressSets.get(keyOf(tenant, name));
    invariant(entry && entry.policies.size === 0, `address set ${keyOf(tenant, name)} is not in use`);
    this.addressSets.delete(keyOf(tenant, name));
    this.#setsByUid.delete(entry.record.resource.metadata.uid);
    this.#moved.delete(entry);
  }

  putPolicy(record: SecurityPolicyRecord): void {
    const { tenant, name } = record.resource.metadata;
    const entry = this.policies.get(keyOf(tenant, name));
    if (entry) this.#update(entry, record);
    else this.#create(record);
  }

  removePolicy(tenant: string, name: string): void {
    const policy = this.policies.get(keyOf(tenant, name));
    invariant(policy && policy.namedBy.size === 0, `security policy ${keyOf(tenant, name)} is not in use`);
    this.policies.delete(keyOf(tenant, name));
    this.#policiesByUid.delete(policy.record.resource.metadata.uid);
    const { selectors } = this.#tenantOf(policy.record.resource.metadata.tenant);
    selectors.remove(policy);
    this.#refresh(policy.ports);
    for (const group of policy.groups) this.#release(policy, group);
    this.#moved.delete(policy);
  }

  /** A port is new, or its record is another: before it is placed. */
  relabel(port: PortEntry): void {
    const { resource } = port.record;
    const { metadata, spec } = resource;
    this.#tenantOf(metadata.tenant).ports.put(port, metadata.labels);
    for (const policy of port.policies) policy.namedBy.delete(port);
    this.#apply(port, this.of(resource));
    for (const name of spec.securityPolicies)
      this.policies.get(keyOf(metadata.tenant, name))?.namedBy.add(port);
  }

  /** A port goes; it has no place any more. */
  forget(port: PortEntry): void {
    this.classes.remove(port);
    for (const policy of port.policies) policy.namedBy.delete(port);
    this.#apply(port, NONE);
    this.#tenantOf(port.record.resource.metadata.tenant).ports.remove(port);
  }

  /** A port has come to its place, left it, or has other policies, groups or addresses: DPUs learn the difference. */
  settle(port: PortEntry): void {
    this.classes.put(port);
    const before = port.presence;
    const after = this.#presenceOf(port);
    if (before === after) return;
    port.presence = after;
    const router = routerOf(port);
    for (const policy of after?.policies ?? []) {
      if (before?.dpu !== after?.dpu || !before?.policies.includes(policy)) {
        this.#enter(policy, (after as PolicyPresence).dpu, router);
      }
    }
    for (const policy of before?.policies ?? []) {
      if (before?.dpu !== after?.dpu || !after?.policies.includes(policy)) {
        this.#leave(policy, (before as PolicyPresence).dpu, router);
      }
    }
    for (const group of before?.members.keys() ?? []) {
      if (!after?.members.has(group)) this.#groups.setMember(group, router, port, []);
    }
    for (const [group, objects] of after?.members ?? []) {
      if (before?.members.get(group) !== objects) this.#groups.setMember(group, router, port, objects);
    }
  }

  /** What a DPU's document has of policies, in no order. */
  *objectsOf(dpu: DpuEntry): Generator<SharedObject> {
    yield* dpu.ruleSets.values();
    for (const { group, place } of dpu.groups.values()) {
      yield place.object;
      yield* this.#groups.membersIn(group, place.router);
    }
  }

  #create(record: SecurityPolicyRecord): void {
    const { metadata, spec } = record.resource;
    const policy: PolicyEntry = {
      record,
      ports: new Set(),
      namedBy: new Set(),
      groups: [],
      places: new Map(),
      lagging: 0,
    };
    this.#moved.add(policy);
    this.policies.set(keyOf(metadata.tenant, metadata.name), policy);
    this.#policiesByUid.set(metadata.uid, policy);
    policy.groups = this.#groups.acquire(policy, record.resource, (group) => this.#fill(group));
    if (!spec.portSelector) return;
    const { selectors, ports } = this.#tenantOf(metadata.tenant);
    selectors.add(policy, spec.portSelector);
    this.#refresh(ports.selectedBy(spec.portSelector));
  }

  #update(policy: PolicyEntry, record: SecurityPolicyRecord): void {
    const before = policy.record.resource;
    const { metadata, spec } = record.resource;
    policy.record = record;
    if (before.spec === spec) return;
    this.#moved.add(policy);
    this.#regroup(policy, record.resource);
    for (const place of policy.places.values()) {
      const next = this.#ruleSetOf(record.resource, place.router);
      if (next.equals(place.ruleSet)) continue;
      this.documents.replace(place.dpu.record.name, place.ruleSet, next);
      place.ruleSet = next;
      place.dpu.ruleSets.set(next.key, next);
      this.#changed(policy, place.dpu, true);
    }
    const { selectors, ports } = this.#tenantOf(metadata.tenant);
    selectors.remove(policy);
    if (spec.portSelector) selectors.add(policy, spec.portSelector);
    const selected = spec.portSelector ? ports.selectedBy(spec.portSelector) : [];
    const affected = new Set(selected);
    for (const port of policy.ports) {
      // Who stays selected is another only where the order or isolation is.
      if (!affected.delete(port) || !meansTheSameToPorts(before, record.resource)) affected.add(port);
    }
    this.#refresh(affected);
  }

  /** The groups that the policy means now come to where it is, before those go that it meant. */
  #regroup(policy: PolicyEntry, resource: SecurityPolicy): void {
    const before = policy.groups;
    const after = this.#groups.acquire(policy, resource, (group) => this.#fill(group));
    policy.groups = after;
    for (const { dpu, router } of policy.places.values()) {
      for (const group of after) if (!before.includes(group)) this.#groups.enter(group, dpu, router);
      for (const group of before) if (!after.includes(group)) this.#groups.leave(group, dpu, router);
    }
    for (const group of before) if (!after.includes(group)) this.#release(policy, group);
  }

  /** With its last policy a group is forgotten, also by its ports. */
  #release(policy: PolicyEntry, group: GroupEntry): void {
    if (!this.#groups.release(policy, group) || !group.selector) return;
    for (const port of this.#tenantOf(group.tenant).ports.selectedBy(group.selector)) {
      port.groups = port.groups.filter((each) => each !== group);
      this.settle(port);
    }
  }

  /** A new group gets the connected ports that it selects. */
  #fill(group: GroupEntry): void {
    if (!group.selector) return;
    for (const port of this.#tenantOf(group.tenant).ports.selectedBy(group.selector)) {
      port.groups = [...port.groups, group];
      this.settle(port);
    }
  }

  /** Works out again which policies apply to ports, and tells of those that are connected. */
  #refresh(ports: Iterable<PortEntry>): void {
    for (const port of [...ports]) {
      this.#apply(port, this.of(port.record.resource));
      this.settle(port);
      if (port.placement) this.onStale(port);
    }
  }

  #apply(port: PortEntry, { policies, groups }: PortPolicies): void {
    for (const policy of port.policies) if (!policies.includes(policy)) policy.ports.delete(port);
    for (const policy of policies) policy.ports.add(port);
    port.policies = policies;
    port.groups = groups;
  }

  #presenceOf(port: PortEntry): PolicyPresence | undefined {
    const { placement, policies, groups, presence } = port;
    if (!placement || policies.length + groups.length === 0) return undefined;
    const { resource } = port.record;
    const { dpu } = placement;
    const { addresses } = resource.status;
    const { namedPorts } = resource.spec;
    const same =
      presence?.dpu === dpu &&
      presence.policies === policies &&
      presence.groups === groups &&
      presence.addresses === addresses &&
      presence.namedPorts === namedPorts;
    if (same) return presence;
    const router = routerOf(port);
    const members = new Map<GroupEntry, readonly SharedObject[]>();
    for (const group of groups) {
      const known = presence?.members.get(group);
      const objects = portMembers(group, router, resource);
      const equal =
        known?.length === objects.length && known.every((each, index) => each.equals(objects[index]));
      members.set(group, equal ? known : objects);
    }
    return { dpu, policies, groups, addresses, namedPorts, members };
  }

  #enter(policy: PolicyEntry, dpu: DpuEntry, router: Name): void {
    const key = placeKey(dpu, router);
    const place = policy.places.get(key);
    if (place) {
      place.ports++;
      return;
    }
    const ruleSet = this.#ruleSetOf(policy.record.resource, router);
    const created: PolicyPlace = { dpu, router, ruleSet, ports: 1 };
    policy.places.set(key, created);
    dpu.ruleSets.set(ruleSet.key, ruleSet);
    this.documents.replace(dpu.record.name, undefined, ruleSet);
    this.#changed(policy, dpu, true);
    for (const group of policy.groups) this.#groups.enter(group, dpu, router);
  }

  #leave(policy: PolicyEntry, dpu: DpuEntry, router: Name): void {
    const key = placeKey(dpu, router);
    const place = policy.places.get(key);
    invariant(place, `the policy is in ${key}`);
    if (--place.ports > 0) return;
    policy.places.delete(key);
    dpu.ruleSets.delete(place.ruleSet.key);
    this.documents.replace(dpu.record.name, place.ruleSet, undefined);
    const elsewhere = objectKeys.ruleSet(policy.record.resource.metadata.uid, '');
    this.#changed(
      policy,
      dpu,
      [...dpu.ruleSets.keys()].some((each) => each.startsWith(elsewhere)),
    );
    for (const group of policy.groups) this.#groups.leave(group, dpu, router);
  }

  /** Something of it is another on a DPU, or it has gone from there. */
  #changed(entry: PolicyEntry | AddressSetEntry, dpu: DpuEntry, isThere: boolean): void {
    this.#moved.add(entry);
    const sequence = this.revision();
    if (!isThere) confirmObject(entry, dpu);
    else if (sequence !== undefined) expectObject(entry, dpu, sequence);
  }

  #ruleSetOf(policy: SecurityPolicy, router: Name): SharedObject {
    return ruleSetObject(policy, router, (peer) => this.#groups.of(policy.metadata.tenant, peer));
  }

  #tenantOf(name: TenantName): Tenant {
    const known = this.#tenants.get(name);
    if (known) return known;
    const tenant = { ports: new LabelIndex<PortEntry>(), selectors: new SelectorIndex<PolicyEntry>() };
    this.#tenants.set(name, tenant);
    return tenant;
  }
}
