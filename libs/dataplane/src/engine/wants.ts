import type { DataplaneObject } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import type { DocumentUpdate, DocumentVersion } from '../document.js';
import type { Driver, DriverObject, HopIsUp, Resolve, Spec } from '../driver.js';
import { ALL_HOPS_UP, type HopHealth } from '../hop-health.js';
import type { Closures } from './closures.js';
import { type Entry, eachNeed, NeutralRecord, NOBODY, OWNED, sameSpec, type Tracker } from './entry.js';
import { ObjectReader } from './object-reader.js';
import { SourceReader } from './source-reader.js';

interface Document<S extends Spec> {
  /** Looks in this document first. */
  readonly resolve: Resolve;
  version: DocumentVersion;
  complete: boolean;
  readonly records: Map<string, NeutralRecord<S>>;
  /** Taken out of the document, but not yet realised as gone. */
  readonly gone: Map<string, NeutralRecord<S>>;
}

/** Parsed objects that others refer to: a bridge domain is asked for by each of its endpoints. */
const REMEMBERED_OBJECTS = 1024;
const NO_VERSION: DocumentVersion = { epoch: '', sequence: 0n, digest: new Uint8Array(16) };

/**
 * From documents to wanted driver objects. No I/O and no time: the outcome depends on what the documents say now, not
 * on the order in which they said it. `accept` only takes note, so that it is cheap; `realise` does the work, record
 * by record, whenever the caller sees fit.
 */
export class Wants<S extends Spec> {
  readonly #documents = new Map<string, Document<S>>();
  /** Records by the neutral key that they refer to. */
  readonly #referrers = new Map<string, Set<NeutralRecord<S>>>();
  /** Nothing is done about what changes meanwhile, and all of it is as before afterwards. */
  #isPreview = false;
  /** How many wanted objects need a key, or live in it. */
  readonly #dependents = new Map<string, number>();
  readonly #parsed = new Map<Uint8Array, DataplaneObject>();
  readonly #sources = new SourceReader();
  readonly #objects = new ObjectReader();
  readonly #isUp: HopIsUp = (portUid) => this.hopHealth.isUp(portUid);

  constructor(
    private readonly driver: Pick<Driver<S>, 'realise'>,
    private readonly tracker: Tracker<S>,
    private readonly closures: Pick<Closures<S>, 'want'>,
    readonly owners: readonly string[],
    private readonly hopHealth: HopHealth = ALL_HOPS_UP,
  ) {
    for (const owner of owners) {
      const resolve: Resolve = (key) => this.#resolve(owner, key);
      const state = { version: NO_VERSION, complete: false, records: new Map(), gone: new Map() };
      this.#documents.set(owner, { ...state, resolve });
    }
  }

  /** Takes over what an update says; returns the records to realise. Throws AppError INVALID_ARGUMENT. */
  accept(update: DocumentUpdate): NeutralRecord<S>[] {
    const document = this.#documents.get(update.owner);
    if (document === undefined) {
      throw AppError.invalid([{ field: 'owner', description: `must be one of ${this.owners.join(', ')}` }]);
    }
    const changed: NeutralRecord<S>[] = [];
    const { records } = document;
    const { complete } = update;
    for (const [key, bytes] of complete ?? update.upserts ?? []) {
      const before = records.get(key);
      if (before?.bytes === undefined || Buffer.compare(before.bytes, bytes) !== 0)
        changed.push(this.#replace(document, update.owner, key, bytes, before));
    }
    for (const key of complete === undefined ? (update.deletes ?? []) : missingIn(complete, records)) {
      const before = records.get(key);
      if (before !== undefined) changed.push(this.#replace(document, update.owner, key, undefined, before));
    }
    document.version = update.version;
    document.complete ||= complete !== undefined;
    if (this.#referrers.size > 0) this.#addReferrers(changed);
    return changed;
  }

  /**
   * Accepts and realises an update, lets `look` see the outcome, and takes everything back. Returns the entries that
   * were touched: what waited to be realised among them is realised now.
   */
  preview(
    update: DocumentUpdate,
    look: (touched: readonly Entry<S>[], records: readonly NeutralRecord<S>[]) => void,
  ): Entry<S>[] {
    const document = this.#documents.get(update.owner);
    const { version = NO_VERSION, complete = false } = document ?? {};
    const before = new Map(document?.records);
    const records = this.accept(update);
    this.#isPreview = true;
    const touched = records.flatMap((record) => this.realise(record));
    try {
      look(touched, records);
    } finally {
      const upserts = new Map<string, Uint8Array>();
      const deletes: string[] = [];
      for (const { key, owner } of records) {
        if (owner !== update.owner) continue;
        const bytes = before.get(key)?.bytes;
        if (bytes === undefined) deletes.push(key);
        else upserts.set(key, bytes);
      }
      const restored = this.accept({ owner: update.owner, version, upserts, deletes });
      touched.push(...restored.flatMap((record) => this.realise(record)));
      if (document !== undefined) document.complete = complete;
      this.#isPreview = false;
    }
    return touched;
  }

  /** All records, to be realised again because the driver's circumstances changed. */
  all(): NeutralRecord<S>[] {
    const records = [...this.#documents.values()].flatMap(({ records }) => [...records.values()]);
    for (const record of records) record.stale = true;
    return records;
  }

  /** The records that refer to a key which is in no document, to be realised again as what it stands for has changed. */
  referringTo(key: string): NeutralRecord<S>[] {
    const records = [...(this.#referrers.get(key) ?? [])];
    for (const record of records) record.stale = true;
    return records;
  }

  /** Realises a record; returns the entries of driver objects for which that may have changed something. */
  realise(record: NeutralRecord<S>): Entry<S>[] {
    record.stale = false;
    const { objects: before, references } = record;
    this.#work(record);
    if (references.length + record.references.length > 0) this.#refer(record, references);
    const { objects } = record;
    const released = before
      .filter(({ key }) => !objects.some((object) => object.key === key))
      .map(({ key }) => this.#claim(key, record, false));
    const claimed = objects.map(({ key }) => this.#claim(key, record, true));
    if (record.bytes === undefined) this.#documents.get(record.owner)?.gone.delete(record.key);
    return released.length === 0 ? claimed : [...released, ...claimed];
  }

  /** True if some wanted object cannot be without that key. */
  isNeeded(key: string): boolean {
    return this.#dependents.has(key);
  }

  version(owner: string): DocumentVersion {
    return this.#documents.get(owner)?.version ?? NO_VERSION;
  }

  isComplete(owner: string): boolean {
    return this.#documents.get(owner)?.complete ?? false;
  }

  records(owner: string): ReadonlyMap<string, NeutralRecord<S>> {
    return this.#documents.get(owner)?.records ?? new Map();
  }

  #replace(
    document: Document<S>,
    owner: string,
    key: string,
    bytes: Uint8Array | undefined,
    before: NeutralRecord<S> | undefined,
  ): NeutralRecord<S> {
    const former = before ?? document.gone.get(key);
    const source =
      bytes === undefined ? (former?.source ?? this.#sources.nowhere) : this.#sources.read(bytes);
    const record = new NeutralRecord<S>(owner, key, bytes, source);
    record.stale = true;
    if (former !== undefined) this.#succeed(former, record);
    if (bytes === undefined) {
      document.records.delete(key);
      document.gone.set(key, record);
    } else {
      document.records.set(key, record);
      document.gone.delete(key);
    }
    return record;
  }

  /** What the former claims and refers to becomes its successor's, so that a realisation finds only differences. */
  #succeed(former: NeutralRecord<S>, record: NeutralRecord<S>): void {
    former.stale = false;
    record.objects = former.objects;
    record.references = former.references;
    record.blocked = former.blocked;
    for (const key of former.references) {
      const referrers = this.#referrers.get(key);
      if (referrers?.delete(former)) referrers.add(record);
    }
    for (const { key } of former.objects) {
      const entry = this.tracker.get(key);
      if (entry !== undefined)
        entry.claims =
          entry.claims.length === 1
            ? record.alone
            : entry.claims.map((claim) => (claim === former ? record : claim));
    }
  }

  #addReferrers(changed: NeutralRecord<S>[]): void {
    const keys = changed.map(({ key }) => key);
    for (const key of keys) {
      for (const record of this.#referrers.get(key) ?? []) {
        if (record.stale) continue;
        record.stale = true;
        changed.push(record);
      }
    }
  }

  #work(record: NeutralRecord<S>): void {
    record.objects = NOBODY;
    record.references = NOBODY;
    record.blocked = undefined;
    const document = this.#documents.get(record.owner);
    if (record.bytes === undefined || document === undefined) return;
    try {
      const object = this.#objects.read(record.bytes);
      const realisation = this.driver.realise(record.key, object, document.resolve, this.#isUp);
      record.references = realisation.references;
      if (realisation.kind === 'realised') record.objects = realisation.objects;
      else if (realisation.kind === 'unsupported')
        record.blocked = { state: 'UNSUPPORTED', message: realisation.why };
      else
        record.blocked = {
          state: 'PENDING',
          message: `waits for ${realisation.dependency}, which is in no document`,
        };
    } catch (failure) {
      record.blocked = { state: 'FAILED', message: reasonOf(failure) };
    }
  }

  #resolve(owner: string, key: string): DataplaneObject | undefined {
    let record = this.#documents.get(owner)?.records.get(key);
    for (const { records } of this.#documents.values()) record ??= records.get(key);
    if (record?.bytes === undefined) return undefined;
    const known = this.#parsed.get(record.bytes);
    if (known !== undefined) return known;
    try {
      const object = this.#objects.read(record.bytes);
      if (this.#parsed.size >= REMEMBERED_OBJECTS) this.#parsed.clear();
      this.#parsed.set(record.bytes, object);
      return object;
    } catch {
      // That it cannot be read is told of the record itself; for those that refer to it, it is missing.
      return undefined;
    }
  }

  #refer(record: NeutralRecord<S>, before: readonly string[]): void {
    for (const key of before) {
      const referrers = this.#referrers.get(key);
      referrers?.delete(record);
      if (referrers?.size === 0) this.#referrers.delete(key);
    }
    for (const key of record.references) {
      const referrers = this.#referrers.get(key);
      if (referrers === undefined) this.#referrers.set(key, new Set([record]));
      else referrers.add(record);
    }
  }

  /** What was made and is not read back yet is taken to be there: as something that nobody has seen it would be forgotten. */
  #assumeMade(entry: Entry<S>): void {
    const { key, wanted, observed, stage } = entry;
    if (wanted === undefined || observed !== undefined) return;
    if (stage !== 'unverified' && stage !== 'verifying') return;
    this.tracker.observe(entry, {
      key,
      spec: wanted.spec,
      ownership: OWNED,
      ...(wanted.within !== undefined && { within: wanted.within }),
    });
  }

  #claim(key: string, record: NeutralRecord<S>, claims: boolean): Entry<S> {
    const entry = this.tracker.at(key);
    let all: readonly NeutralRecord<S>[] = claims ? record.alone : NOBODY;
    if (entry.claims.length > 0) {
      const others = entry.claims.filter((claim) => claim !== record);
      if (others.length > 0) all = [...others, ...all].sort(byOwnerAndKey);
      if (entry.wanted !== undefined) this.#count(entry.wanted, -1);
    }
    const claimed = (each: NeutralRecord<S>): DriverObject<S> | undefined =>
      each.objects.find((object) => object.key === key);
    const [only] = all;
    const object =
      all.length > 1 ? chosen(all.flatMap((each) => claimed(each) ?? [])) : only && claimed(only);
    if (object !== undefined) this.#count(object, 1);
    else if (!this.#isPreview) this.#assumeMade(entry);
    entry.claims = all;
    this.closures.want(entry, object);
    return entry;
  }

  #count(object: DriverObject<S>, change: 1 | -1): void {
    eachNeed(object, (key) => {
      const count = (this.#dependents.get(key) ?? 0) + change;
      if (count === 0) this.#dependents.delete(key);
      else this.#dependents.set(key, count);
    });
  }
}

/** What is wanted when all these are claimed under one key, in the order of owner and key. */
function chosen<S extends Spec>(objects: readonly DriverObject<S>[]): DriverObject<S> | undefined {
  const [first, ...others] = objects;
  if (!first?.guess) return first;
  const certain = others.find(({ guess }) => !guess);
  return certain ?? (others.every(({ spec }) => sameSpec(spec, first.spec)) ? first : undefined);
}

/** The keys of `records` that a complete document, which is among them already, does not have. */
function missingIn(complete: ReadonlyMap<string, unknown>, records: ReadonlyMap<string, unknown>): string[] {
  if (complete.size === records.size) return [];
  return [...records.keys()].filter((key) => !complete.has(key));
}

function byOwnerAndKey<S extends Spec>(one: NeutralRecord<S>, other: NeutralRecord<S>): number {
  const [left, right] = [`${one.owner} ${one.key}`, `${other.owner} ${other.key}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

function reasonOf(failure: unknown): string {
  if (!(failure instanceof AppError)) return `cannot be read: ${AppError.from(failure).message}`;
  return failure.violations.map(({ field, description }) => `${field} ${description}`).join('; ');
}
