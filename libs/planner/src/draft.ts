import { equal } from '@outboard/core';
import type { Context, Decision, RecordChange } from './api.js';
import type { Placement, PortEntry } from './entries.js';
import { propagationOf } from './present.js';
import { keyOf, type PortRecord, type RecordKey, type StoredRecord } from './records.js';
import { healthOf } from './trouble.js';
import { TOLD_AT_ONCE, type World } from './world.js';

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

  constructor(
    readonly world: World,
    readonly context: Context,
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
    const entry = this.world.putPort(revised, placement);
    withPropagation(entry);
    this.#note(key, before, entry.record);
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
      if (index < TOLD_AT_ONCE) this.putPort(port.record, port.placement);
      else this.world.outdated.add(port);
    }
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

  #note(key: RecordKey, before: StoredRecord | undefined, after: StoredRecord | undefined): void {
    this.#steps.push({ key, before });
    const text = textOf(key);
    const change = this.#changes.get(text);
    if (change) change.after = after;
    else this.#changes.set(text, { before, after });
  }

  #revise<Kept extends StoredRecord>(record: Kept): Kept {
    if (!('resource' in record) || record.resource.metadata.resourceVersion === this.#version) return record;
    const metadata = { ...record.resource.metadata, resourceVersion: this.#version };
    return { ...record, resource: { ...record.resource, metadata } };
  }
}

function withPropagation(port: PortEntry): void {
  const { resource } = port.record;
  const propagated = propagationOf(port);
  if (equal(propagated, resource.status.propagated)) return;
  port.record = { ...port.record, resource: { ...resource, status: { ...resource.status, propagated } } };
}
