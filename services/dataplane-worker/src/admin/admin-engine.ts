import { AdminObjectSchema, decodeBinary } from '@outboard/contracts';
import {
  type DataplaneEngine,
  type DocumentReport,
  type DocumentUpdate,
  MAX_LISTED_PROBLEMS,
  type ObjectProblem,
  type Source,
} from '@outboard/dataplane/contract';
import type { AdminObjectCase, AdminPart, AdminParts, WantedObject } from './admin-part.js';

const NOBODY: Source = { kind: '', tenant: '', name: '' };

interface KnownObject {
  readonly bytes: Uint8Array;
  /** Undefined: it cannot be read, or is of a sort that is newer than this worker. */
  readonly sort: AdminObjectCase | undefined;
  readonly wanted: WantedObject<unknown>;
}

/** Hands the objects of the document of owner `admin` to the parts that make them so, and reports what these say. */
export class AdminEngine implements Pick<DataplaneEngine, 'submit' | 'onReport'> {
  readonly #objects = new Map<string, KnownObject>();
  readonly #parts: ReadonlyMap<AdminObjectCase, AdminPart<unknown>>;
  readonly #listeners = new Set<(report: DocumentReport) => void>();
  #update: Pick<DocumentUpdate, 'owner' | 'version'> | undefined;
  #isSubmitting = false;

  constructor(parts: AdminParts) {
    this.#parts = new Map(Object.entries(parts) as [AdminObjectCase, AdminPart<unknown>][]);
    for (const part of this.#parts.values()) part.onChange((repaired) => this.#report(repaired));
  }

  submit({ owner, version, complete, upserts, deletes }: DocumentUpdate): void {
    this.#update = { owner, version };
    const touched = new Set<AdminObjectCase | undefined>();
    const keep = (key: string, bytes: Uint8Array | undefined): void => {
      for (const sort of this.#keep(key, bytes)) touched.add(sort);
    };
    if (complete !== undefined) {
      for (const key of [...this.#objects.keys()]) if (!complete.has(key)) keep(key, undefined);
      for (const [key, bytes] of complete) keep(key, bytes);
    }
    for (const [key, bytes] of upserts ?? []) keep(key, bytes);
    for (const key of deletes ?? []) keep(key, undefined);
    // The parts may tell of a change while they take over what is wanted: one report is enough for all.
    this.#isSubmitting = true;
    // The empty document of an owner that does not know this DPU has no version.
    const isKnown = version.epoch !== '';
    for (const [sort, part] of this.#parts)
      if (complete !== undefined || touched.has(sort)) part.want(this.#objectsOf(sort), isKnown);
    this.#isSubmitting = false;
    this.#report(0);
  }

  onReport(listener: (report: DocumentReport) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** The sorts that this changes something for. */
  #keep(key: string, bytes: Uint8Array | undefined): readonly (AdminObjectCase | undefined)[] {
    const before = this.#objects.get(key);
    if (before && bytes && Buffer.compare(before.bytes, bytes) === 0) return [];
    const after = bytes && readObject(key, bytes);
    if (after) this.#objects.set(key, after);
    else this.#objects.delete(key);
    return [before?.sort, after?.sort];
  }

  #objectsOf(sort: AdminObjectCase): readonly WantedObject<unknown>[] {
    return [...this.#objects.values()].filter((object) => object.sort === sort).map(({ wanted }) => wanted);
  }

  #report(repaired: number): void {
    if (this.#update === undefined || this.#isSubmitting) return;
    const problems = [
      ...this.#unsupported(),
      ...[...this.#parts.values()].flatMap((part) => part.problems()),
    ];
    const report: DocumentReport = {
      ...this.#update,
      problems: problems.slice(0, MAX_LISTED_PROBLEMS),
      problemTotal: problems.length,
      repaired,
    };
    for (const listener of this.#listeners) listener(report);
  }

  *#unsupported(): Iterable<ObjectProblem> {
    for (const { sort, wanted } of this.#objects.values()) {
      if (sort !== undefined && this.#parts.has(sort)) continue;
      const message = `this worker has nothing that makes ${sort ?? 'an object of this sort'}`;
      yield { key: wanted.key, source: wanted.source, state: 'UNSUPPORTED', message };
    }
  }
}

function readObject(key: string, bytes: Uint8Array): KnownObject {
  const decoded = decodeBinary(AdminObjectSchema, bytes);
  if (!decoded.ok) return { bytes, sort: undefined, wanted: { key, source: NOBODY, value: undefined } };
  const { source = NOBODY, object } = decoded.value;
  const { kind, tenant, name } = source;
  return { bytes, sort: object.case, wanted: { key, source: { kind, tenant, name }, value: object.value } };
}
