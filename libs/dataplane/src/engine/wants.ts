import { fromBinary } from '@bufbuild/protobuf';
import { type DataplaneObject, DataplaneObjectSchema } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import type { DocumentUpdate, DocumentVersion, ObjectProblem, Source } from '../document.js';
import type { Driver, DriverObject, Spec } from '../driver.js';
import { SourceReader } from './source-reader.js';

/** One entry of an owner's document, and what it became. */
export interface NeutralRecord<S extends Spec> {
  /** Owner and key: the same key may be in the documents of several owners. */
  readonly id: string;
  readonly owner: string;
  readonly key: string;
  /** Undefined: not in the document any more. */
  readonly bytes: Uint8Array | undefined;
  readonly source: Source;
  objects: readonly DriverObject<S>[];
  references: readonly string[];
  /** Why it has no objects; undefined if it has. */
  blocked: Issue | undefined;
  /** Kept for those that others refer to. */
  parsed: DataplaneObject | undefined;
}

export interface Issue {
  readonly state: ObjectProblem['state'];
  readonly message: string;
}

/** A driver object that at least one record wants. The record with the smallest id decides what it is like. */
export interface Want<S extends Spec> {
  readonly object: DriverObject<S>;
  /** In order of their ids; replaced, never changed. */
  readonly claims: readonly NeutralRecord<S>[];
}

interface Document<S extends Spec> {
  version: DocumentVersion;
  complete: boolean;
  readonly records: Map<string, NeutralRecord<S>>;
}

const NO_VERSION: DocumentVersion = { epoch: '', sequence: 0n, digest: new Uint8Array(16) };

/**
 * From documents to wanted driver objects. No I/O and no time: the outcome depends on what the documents say now, not
 * on the order in which they said it. `accept` only takes note, so that it is cheap; `realise` does the work, record
 * by record, whenever the caller sees fit.
 */
export class Wants<S extends Spec> {
  readonly #documents = new Map<string, Document<S>>();
  readonly #wanted = new Map<string, Want<S>>();
  /** Records by the neutral key that they refer to. */
  readonly #referrers = new Map<string, Set<string>>();
  /** How many wanted objects need a key, or live in it. */
  readonly #dependents = new Map<string, number>();
  /** Records that are to be realised: by id, as they are now. */
  readonly #stale = new Map<string, NeutralRecord<S>>();
  readonly #sources = new SourceReader();

  constructor(
    private readonly driver: Pick<Driver<S>, 'realise'>,
    owners: readonly string[],
  ) {
    for (const owner of owners) {
      this.#documents.set(owner, { version: NO_VERSION, complete: false, records: new Map() });
    }
  }

  /** Takes over what an update says; returns the records to realise. Throws AppError INVALID_ARGUMENT. */
  accept(update: DocumentUpdate): NeutralRecord<S>[] {
    const document = this.#documents.get(update.owner);
    if (document === undefined) {
      const owners = [...this.#documents.keys()].join(', ');
      throw AppError.invalid([{ field: 'owner', description: `must be one of ${owners}` }]);
    }
    const changed: NeutralRecord<S>[] = [];
    const { records } = document;
    for (const [key, bytes] of update.complete ?? update.upserts ?? []) {
      const record = records.get(key);
      if (record?.bytes === undefined || Buffer.compare(record.bytes, bytes) !== 0) {
        changed.push(this.#replace(document, update.owner, key, bytes));
      }
    }
    const complete = update.complete;
    const gone = complete === undefined ? (update.deletes ?? []) : records.keys();
    for (const key of [...gone]) {
      if (complete?.has(key) !== true && records.has(key)) {
        changed.push(this.#replace(document, update.owner, key, undefined));
      }
    }
    document.version = update.version;
    document.complete ||= complete !== undefined;
    return [...changed, ...this.#referrersOf(changed)];
  }

  /**
   * Accepts and realises an update, lets `look` see the outcome, and takes everything back. Returns the keys that were
   * touched: what waited to be realised among them is realised now.
   */
  preview(
    update: DocumentUpdate,
    look: (touched: readonly string[], records: readonly NeutralRecord<S>[]) => void,
  ): string[] {
    const document = this.#documents.get(update.owner);
    const { version = NO_VERSION, complete = false } = document ?? {};
    const before = new Map(document?.records);
    const records = this.accept(update);
    const touched = records.flatMap((record) => this.realise(record));
    try {
      look(touched, records);
    } finally {
      const upserts = new Map<string, Uint8Array>();
      const deletes: string[] = [];
      for (const { key, owner } of records) {
        const bytes = before.get(key)?.bytes;
        if (owner !== update.owner) continue;
        if (bytes === undefined) deletes.push(key);
        else upserts.set(key, bytes);
      }
      const restored = this.accept({ owner: update.owner, version, upserts, deletes });
      touched.push(...restored.flatMap((record) => this.realise(record)));
      if (document !== undefined) document.complete = complete;
    }
    return touched;
  }

  /** The record that waits to be realised under that id, if it still does. */
  stale(id: string): NeutralRecord<S> | undefined {
    return this.#stale.get(id);
  }

  /** All records, to be realised again because the driver's circumstances changed. */
  staleAll(): NeutralRecord<S>[] {
    const records = [...this.#documents.values()].flatMap(({ records }) => [...records.values()]);
    for (const record of records) this.#stale.set(record.id, record);
    return records;
  }

  /** Realises a record; returns the keys of driver objects for which that may have changed something. */
  realise(record: NeutralRecord<S>): string[] {
    this.#stale.delete(record.id);
    const before = record.objects;
    const references = record.references;
    this.#work(record);
    this.#refer(record, references);
    const after = new Set(record.objects.map(({ key }) => key));
    for (const { key } of before) if (!after.has(key)) this.#claim(key, record, false);
    for (const { key } of record.objects) this.#claim(key, record, true);
    const touched = record.objects.map(({ key }) => key);
    for (const { key } of before) if (!after.has(key)) touched.push(key);
    return touched;
  }

  wanted(key: string): Want<S> | undefined {
    return this.#wanted.get(key);
  }

  wantedKeys(): IterableIterator<string> {
    return this.#wanted.keys();
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

  get owners(): readonly string[] {
    return [...this.#documents.keys()];
  }

  #replace(
    document: Document<S>,
    owner: string,
    key: string,
    bytes: Uint8Array | undefined,
  ): NeutralRecord<S> {
    const id = `${owner} ${key}`;
    const former = document.records.get(key) ?? this.#stale.get(id);
    const record: NeutralRecord<S> = {
      id,
      owner,
      key,
      bytes,
      source: bytes === undefined ? (former?.source ?? this.#sources.nowhere) : this.#sources.read(bytes),
      objects: former?.objects ?? [],
      references: former?.references ?? [],
      blocked: former?.blocked,
      parsed: undefined,
    };
    // The claims of the former become those of its successor, so that a realisation finds only differences.
    if (former !== undefined) for (const object of former.objects) this.#reclaim(object.key, former, record);
    if (bytes === undefined) document.records.delete(key);
    else document.records.set(key, record);
    this.#stale.set(id, record);
    return record;
  }

  #referrersOf(changed: readonly NeutralRecord<S>[]): NeutralRecord<S>[] {
    const found = new Map<string, NeutralRecord<S>>();
    for (const { key } of changed) {
      for (const id of this.#referrers.get(key) ?? []) {
        const [owner = ''] = id.split(' ', 1);
        const record = this.#documents.get(owner)?.records.get(id.slice(owner.length + 1));
        if (record === undefined || this.#stale.has(id)) continue;
        this.#stale.set(id, record);
        found.set(id, record);
      }
    }
    return [...found.values()];
  }

  #work(record: NeutralRecord<S>): void {
    record.objects = [];
    record.references = [];
    record.blocked = undefined;
    if (record.bytes === undefined) return;
    try {
      const object = fromBinary(DataplaneObjectSchema, record.bytes);
      const realisation = this.driver.realise(record.key, object, (key) => this.#resolve(record.owner, key));
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
    const own = this.#documents.get(owner)?.records.get(key);
    const record =
      own ??
      [...this.#documents.values()].map(({ records }) => records.get(key)).find((one) => one !== undefined);
    if (record?.bytes === undefined) return undefined;
    try {
      record.parsed ??= fromBinary(DataplaneObjectSchema, record.bytes);
    } catch {
      // That it cannot be read is told of the record itself; for those that refer to it, it is missing.
      return undefined;
    }
    return record.parsed;
  }

  #refer(record: NeutralRecord<S>, before: readonly string[]): void {
    for (const key of before) {
      const referrers = this.#referrers.get(key);
      referrers?.delete(record.id);
      if (referrers?.size === 0) this.#referrers.delete(key);
    }
    for (const key of record.references) {
      const referrers = this.#referrers.get(key);
      if (referrers === undefined) this.#referrers.set(key, new Set([record.id]));
      else referrers.add(record.id);
    }
  }

  #reclaim(key: string, former: NeutralRecord<S>, record: NeutralRecord<S>): void {
    const want = this.#wanted.get(key);
    if (want === undefined) return;
    const claims = want.claims.map((claim) => (claim === former ? record : claim));
    this.#wanted.set(key, { object: want.object, claims });
  }

  #claim(key: string, record: NeutralRecord<S>, claims: boolean): void {
    const before = this.#wanted.get(key);
    const others = before?.claims.filter((claim) => claim !== record) ?? [];
    const all = claims ? [...others, record] : others;
    if (all.length > 1) all.sort((one, other) => (one.id < other.id ? -1 : 1));
    const object = all[0]?.objects.find((each) => each.key === key);
    if (before !== undefined) this.#count(before.object, -1);
    if (object === undefined) {
      this.#wanted.delete(key);
      return;
    }
    this.#count(object, 1);
    this.#wanted.set(key, { object, claims: all });
  }

  #count(object: DriverObject<S>, change: 1 | -1): void {
    for (const key of neededBy(object)) {
      const count = (this.#dependents.get(key) ?? 0) + change;
      if (count === 0) this.#dependents.delete(key);
      else this.#dependents.set(key, count);
    }
  }
}

/** All that an object cannot be without. */
export function neededBy<S extends Spec>({ after, requires, within }: DriverObject<S>): readonly string[] {
  if (requires === undefined && within === undefined) return after;
  return [...after, ...(requires ?? []), ...(within === undefined ? [] : [within])];
}

function reasonOf(failure: unknown): string {
  if (!(failure instanceof AppError)) return `cannot be read: ${AppError.from(failure).message}`;
  return failure.violations.map(({ field, description }) => `${field} ${description}`).join('; ');
}
