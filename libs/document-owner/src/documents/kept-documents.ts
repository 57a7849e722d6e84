import type { Name } from '@outboard/model';
import { Documents } from './documents.js';
import type { SharedObject } from './shared-object.js';
import type { CompiledDocument, DocumentChange, DocumentDifference, DocumentHead } from './types.js';

/**
 * The documents of an owner with the objects in them. What is wanted of a DPU that is not known yet is kept for it.
 */
export class KeptDocuments {
  #documents = new Documents();
  readonly #objects = new Map<Name, Map<string, SharedObject>>();

  /** Forgets everything: what is put until `loaded` has always been there. */
  clear(): void {
    this.#documents = new Documents();
    this.#objects.clear();
  }

  /** Every DPU's document is as of `revision` what was put. */
  loaded(dpus: Iterable<Name>, revision: number): void {
    for (const dpu of new Set([...dpus, ...this.#objects.keys()])) {
      this.#documents.load(dpu, revision, this.#objectsOf(dpu));
    }
    this.#documents.loaded();
  }

  /** An object of a DPU's document becomes this one; undefined: it goes. */
  put(dpu: Name, key: string, object: SharedObject | undefined): void {
    const objects = this.#objects.get(dpu) ?? new Map<string, SharedObject>();
    const before = objects.get(key);
    if (object) objects.set(key, object);
    else objects.delete(key);
    if (objects.size > 0) this.#objects.set(dpu, objects);
    else this.#objects.delete(dpu);
    this.#documents.open(dpu, 0);
    this.#documents.replace(dpu, before, object);
  }

  /** What has changed since the last call. These DPUs have a document from then on, if only an empty one. */
  take(dpus: Iterable<Name>, revision: number): readonly DocumentChange[] {
    for (const dpu of dpus) this.#documents.open(dpu, revision);
    return this.#documents.take(revision);
  }

  head(dpu: Name): DocumentHead {
    return this.#documents.head(dpu);
  }

  /** Changes must have been taken before. */
  compile(dpu: Name): CompiledDocument {
    return this.#documents.compile(dpu, this.#objectsOf(dpu));
  }

  /** Whether the document has changes that were not taken. */
  isPending(dpu: Name): boolean {
    return this.#documents.isPending(dpu);
  }

  /** What an attempt, which must undo itself afterwards, would change. */
  attempt<Value>(attempt: () => Value, undo: (value: Value) => void): readonly DocumentDifference[] {
    return this.#documents.attempt(() => {
      const value = attempt();
      const differences = this.#documents.differences();
      undo(value);
      return differences;
    });
  }

  #objectsOf(dpu: Name): readonly SharedObject[] {
    return [...(this.#objects.get(dpu)?.values() ?? [])];
  }
}
