import {
  type DocumentDifference,
  KeptDocuments,
  type SharedObject,
} from '@outboard/document-owner/documents';
import { type Name, SYSTEM_TENANT } from '@outboard/model';
import { Confirmations } from './confirmations.js';
import { Departures } from './departures.js';
import { Indexes } from './indexes.js';
import { keyOf, nameKey, type RecordKind, type RecordOf, type StoredRecord } from './records.js';

/** One row before and after; absent: it was not there, or is no more. */
export interface RecordChange {
  readonly before: StoredRecord | undefined;
  readonly after: StoredRecord | undefined;
  /** What is told of one that is no more, where that is something else than it was. */
  readonly last?: StoredRecord | undefined;
}

/**
 * The store of the broker in memory, with the documents that follow from it. Decisions change it at once; what has
 * changed is collected for the store.
 */
export class World {
  readonly documents = new KeptDocuments();
  readonly confirmations = new Confirmations();
  readonly indexes = new Indexes();
  departures = new Departures(0);
  /** DPUs of which a thread stands still, as their workers said last. */
  readonly stalled = new Set<Name>();
  /** Sessions and keys (`nameKey`) that have to be looked at again, soon. */
  readonly dirtySessions = new Set<string>();
  readonly dirtyKeys = new Set<string>();
  readonly #tables = new Map<RecordKind, Map<string, StoredRecord>>();
  readonly #objects = new Map<string, SharedObject>();
  #changes = new Map<string, RecordChange>();
  /** Of an attempt: what takes it back. */
  #undo: (() => void)[] | undefined;

  get<Kind extends RecordKind>(kind: Kind, tenant: string, name: string): RecordOf<Kind> | undefined {
    return this.at(kind, nameKey(tenant, name));
  }

  /** By `nameKey`. */
  at<Kind extends RecordKind>(kind: Kind, key: string): RecordOf<Kind> | undefined {
    return this.#tables.get(kind)?.get(key) as RecordOf<Kind> | undefined;
  }

  dpu(name: Name | undefined): RecordOf<'Dpu'> | undefined {
    return name === undefined ? undefined : this.get('Dpu', SYSTEM_TENANT, name);
  }

  all<Kind extends RecordKind>(kind: Kind): Iterable<RecordOf<Kind>> {
    return (this.#tables.get(kind)?.values() ?? []) as Iterable<RecordOf<Kind>>;
  }

  put(record: StoredRecord): void {
    const { tenant, name } = keyOf(record);
    this.#replace(this.get(record.kind, tenant, name), record);
  }

  /** @param last what is told of it then. */
  remove(record: StoredRecord, last = record): void {
    this.#replace(record, undefined, last);
  }

  /** An object of a DPU's document is this one from that sequence on; undefined: it is not there. */
  setObject(dpu: Name, key: string, object: SharedObject | undefined, sequence: number): void {
    const id = `${dpu} ${key}`;
    const before = this.#objects.get(id);
    if (object === before || object?.equals(before)) return;
    if (object) this.#objects.set(id, object);
    else this.#objects.delete(id);
    this.documents.put(dpu, key, object);
    const awaited = this.confirmations.awaited(dpu, key);
    this.confirmations.await(dpu, key, object && sequence);
    this.#undo?.push(() => {
      if (before) this.#objects.set(id, before);
      else this.#objects.delete(id);
      this.documents.put(dpu, key, before);
      this.confirmations.await(dpu, key, awaited);
    });
  }

  /**
   * Takes an object out of a DPU's document, if it is there, with this commit.
   *
   * @returns the sequence of the document that is without it.
   */
  leave(dpu: Name, key: string, revision: number): number {
    this.setObject(dpu, key, undefined, revision);
    const sequence = this.documents.isPending(dpu) ? revision : this.documents.head(dpu).sequence;
    const undo = this.departures.left(dpu, sequence);
    this.#undo?.push(undo);
    return sequence;
  }

  hasObject(dpu: Name, key: string): boolean {
    return this.#objects.has(`${dpu} ${key}`);
  }

  /** What has changed since the last call, each row once. */
  takeChanges(): readonly RecordChange[] {
    const changes = [...this.#changes.values()].filter(({ before, after }) => before !== after);
    this.#changes = new Map();
    return changes;
  }

  /** What work would change in documents: afterwards everything is as before. */
  attempt<Value>(work: () => Value): {
    readonly value: Value;
    readonly differences: readonly DocumentDifference[];
  } {
    const undo: (() => void)[] = [];
    this.#undo = undo;
    const marked = [this.dirtySessions, this.dirtyKeys].map((marks) => ({ marks, before: [...marks] }));
    let result: { readonly value: Value } | undefined;
    const differences = this.documents.attempt(
      () => {
        result = { value: work() };
      },
      () => {
        this.#undo = undefined;
        for (const step of undo.reverse()) step();
        this.#changes = new Map();
        for (const { marks, before } of marked) {
          marks.clear();
          for (const mark of before) marks.add(mark);
        }
      },
    );
    if (!result) throw new Error('an attempt has a result');
    return { value: result.value, differences };
  }

  /** Everything that was put before was always there: documents are as of this revision. */
  loaded(revision: number): void {
    this.#changes = new Map();
    this.departures = new Departures(revision);
    const dpus = [...this.all('Dpu')].map(({ name }) => name);
    this.documents.loaded(dpus, revision);
  }

  #replace(before: StoredRecord | undefined, after: StoredRecord | undefined, last = before): void {
    const record = after ?? before;
    if (!record || before === after) return;
    const row = keyOf(record);
    const table = this.#tables.get(record.kind) ?? new Map<string, StoredRecord>();
    this.#tables.set(record.kind, table);
    if (before) this.indexes.remove(before);
    if (after) {
      table.set(nameKey(row.tenant, row.name), after);
      this.indexes.add(after);
    } else table.delete(nameKey(row.tenant, row.name));
    const key = `${row.kind} ${row.tenant} ${row.name}`;
    const change = this.#changes.get(key);
    this.#changes.set(key, { before: change ? change.before : before, after, last });
    this.#undo?.push(() => this.#replace(after, before));
  }
}
