import { equal, invariant } from '@outboard/core';
import { findCondition, type TenantName } from '@outboard/model';
import type { Context, Decision, RecordChange } from './api.js';
import type { Placement, PortEntry } from './entries.js';
import { propagationOf } from './propagation.js';
import { keyOf, type PortRecord, type RecordKey, type StoredRecord } from './records.js';
import { healthOf } from './trouble.js';
import type { World } from './world.js';

interface Step {
  readonly key: RecordKey;
  readonly before: StoredRecord | undefined;
}

const textOf = ({ kind, tenant, name }: RecordKey): string => `${kind}/${tenant}/${name}`;

/** One decision in the making: the world changes with every step, and the draft knows what to write, or to undo. */
export class Draft {
  readonly #steps: Step[] = [];
  readonly #changes = new Map<
    string,
    { readonly before: StoredRecord | undefined; after: StoredRecord | undefined }
  >();

  readonly #version: string;
  /** Networks, by uid, of which something was released: DPUs that leave them are waited for already. */
  readonly #released = new Set<string>();
  /** Ports that were told anew, and that were planned though the decision is not about them. */
  #told = 0;
  #planned = 0;
  /** Tenants that have ports whose rows claim what is not so any more. */
  readonly #overclaiming = new Set<TenantName>();

  /** @param toldAtOnce more ports than these are told by the decisions that follow. */
  constructor(
    readonly world: World,
    readonly context: Context,
    readonly toldAtOnce = world.toldAtOnce,
  ) {
    this.#version = `${context.revision}`;
    world.startRevision(context.revision);
  }

  /** Resources get the revision as their version. */
  put(record: Exclude<StoredRecord, PortRecord>): void {
    const revised = this.#revise(record);
    const key = keyOf(revised);
    const before = this.world.find(key);
    this.world.put(revised);
    if (revised.kind === 'Release') this.#released.add(revised.networkUid);
    this.#note(key, before, revised);
  }

  /** Whether something of the network is released by this decision. */
  releases(networkUid: string): boolean {
    return this.#released.has(networkUid);
  }

  /** A port goes to a place that is known already, and gets its propagation, which is known only afterwards. */
  putPort(record: PortRecord, placement: Placement | undefined): void {
    const revised = this.#revise(record);
    const key = keyOf(revised);
    const before = this.world.find(key);
    const { uid } = revised.resource.metadata;
    const stored = this.world.unwritten.get(uid);
    this.world.unwritten.delete(uid);
    const entry = this.world.putPort(revised, placement);
    withPropagation(entry);
    this.#note(key, before, entry.record, stored);
  }

  /**
   * Only the status of a port is another, which the decision is not about. Where there are too many of such, the world has
   * all of it, and what this decision does not write is left to `retell`.
   */
  tellPort(record: PortRecord, placement: Placement | undefined): void {
    const key = keyOf(record);
    if (this.#changes.has(textOf(key)) || this.#told++ < this.toldAtOnce) {
      this.putPort(record, placement);
      return;
    }
    const before = this.world.find(key);
    invariant(before?.kind === 'Port', 'what is told anew is known');
    const entry = this.world.putPort(this.#revise(record), placement);
    withPropagation(entry);
    this.#steps.push({ key, before });
    const { uid, tenant } = before.resource.metadata;
    if (!this.world.unwritten.has(uid)) this.world.unwritten.set(uid, before);
    if (claimsMore(before, entry.record)) this.#overclaiming.add(tenant);
  }

  /** Whether one more port that has no place can be planned by this decision; otherwise `retell` does. */
  plansAnother(): boolean {
    return this.#planned++ < this.toldAtOnce;
  }

  remove(key: RecordKey): void {
    const before = this.world.find(key);
    this.world.remove(key);
    this.#note(key, before, undefined);
  }

  /** What was decided. Ports that are settled by it learn so first, and networks that are rid of a problem. */
  decision(): Decision {
    for (const network of this.world.takeRelieved()) {
      const news = healthOf(network, this.context.now);
      if (news) this.put(news);
    }
    for (const [index, port] of this.world.takeSettled().entries()) {
      if (index < this.toldAtOnce) this.putPort(port.record, port.placement);
      else this.world.outdated.add(port);
    }
    const { revision, now } = this.context;
    for (const name of this.#overclaiming) this.put({ kind: 'Retelling', name, revision, time: now });
    this.#countPropagation();
    const changes: RecordChange[] = [];
    for (const change of this.#changes.values()) {
      // Created and deleted again by the same decision.
      if (change.before || change.after) changes.push(change);
    }
    return { revision: this.context.revision, changes };
  }

  /** What was decided after a port was put may be what its DPUs have still to learn: it is stored as it is told, at the end. */
  #countPropagation(): void {
    for (const change of this.#changes.values()) {
      if (change.after?.kind !== 'Port') continue;
      const entry = this.world.portsByUid.get(change.after.resource.metadata.uid);
      if (entry === undefined) continue;
      withPropagation(entry);
      change.after = entry.record;
    }
  }

  /** Takes every step back. */
  undo(): void {
    for (const { key, before } of this.#steps.reverse()) {
      if (before) this.world.put(before);
      else this.world.remove(key);
    }
    this.world.takeSettled();
    this.world.takeRetold();
    this.world.takeRelieved();
    this.world.takeTouched();
    this.world.netlinkObjects.takeMoved();
    this.world.policies.takeMoved();
    this.world.serviceChains.takeMoved();
  }

  /** `stored`: what its row says, if that is not what it was before. */
  #note(
    key: RecordKey,
    before: StoredRecord | undefined,
    after: StoredRecord | undefined,
    stored = before,
  ): void {
    this.#steps.push({ key, before });
    const text = textOf(key);
    const change = this.#changes.get(text);
    if (change) change.after = after;
    else this.#changes.set(text, { before: stored, after });
  }

  #revise<Kept extends StoredRecord>(record: Kept): Kept {
    if (!('resource' in record) || record.resource.metadata.resourceVersion === this.#version) return record;
    const metadata = { ...record.resource.metadata, resourceVersion: this.#version };
    return { ...record, resource: { ...record.resource, metadata } };
  }
}

/** Whether the first record says of a port what is not so any more: that a condition holds, or which version is to be confirmed. */
const claimsMore = (before: PortRecord, { resource: { status }, sequence }: PortRecord): boolean =>
  before.sequence < sequence ||
  before.resource.status.conditions.some(
    ({ type, status: is }) => is === 'True' && findCondition(status.conditions, type)?.status !== 'True',
  );

function withPropagation(port: PortEntry): void {
  const { resource } = port.record;
  const propagated = propagationOf(port);
  if (equal(propagated, resource.status.propagated)) return;
  port.record = { ...port.record, resource: { ...resource, status: { ...resource.status, propagated } } };
}
