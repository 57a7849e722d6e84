import { DocumentDigest } from '@outboard/contracts';
import { invariant } from '@outboard/core';
import type { Name } from '@outboard/model';
import type { SharedObject } from './shared-object.js';
import type {
  CompiledDocument,
  DocumentChange,
  DocumentDifference,
  DocumentHead,
  DocumentObject,
} from './types.js';

interface Replacement {
  readonly before: SharedObject | undefined;
  after: SharedObject | undefined;
}

interface Head {
  sequence: number;
  digest: DocumentDigest;
}

/** The head of every DPU's document, and what has changed since the changes were last taken. */
export class Documents {
  readonly #heads = new Map<Name, Head>();
  readonly #closed = new Set<Name>();
  #pending = new Map<Name, Map<string, Replacement>>();
  #loading = true;

  /** A document as it was loaded. */
  load(dpu: Name, sequence: number, objects: Iterable<SharedObject>): void {
    const digest = new DocumentDigest();
    for (const object of objects) digest.plus(object.digest);
    this.loadDigest(dpu, sequence, digest);
  }

  /** The same, of a document whose objects need not be gone through one by one. */
  loadDigest(dpu: Name, sequence: number, digest: DocumentDigest): void {
    this.#heads.set(dpu, { sequence, digest });
  }

  /** From now on changes are followed; until then all documents were made at once. */
  loaded(): void {
    this.#loading = false;
  }

  /** A DPU appears: its document is empty as of `sequence`. */
  open(dpu: Name, sequence: number): void {
    this.#closed.delete(dpu);
    if (!this.#heads.has(dpu)) this.#heads.set(dpu, { sequence, digest: new DocumentDigest() });
  }

  /** A DPU is retired: its document, empty by now, is forgotten once its last changes are taken. */
  close(dpu: Name): void {
    if (this.#pending.has(dpu)) this.#closed.add(dpu);
    else this.#heads.delete(dpu);
  }

  head(dpu: Name): DocumentHead {
    const head = this.#heads.get(dpu);
    return { sequence: head?.sequence ?? 0, digest: (head?.digest ?? new DocumentDigest()).toBytes() };
  }

  sequence(dpu: Name): number {
    return this.#heads.get(dpu)?.sequence ?? 0;
  }

  /** Whether the document has changes that were not taken. */
  isPending(dpu: Name): boolean {
    return this.#pending.has(dpu);
  }

  /** The whole document, which is the sum of all its changes. These must have been taken before. */
  compile(dpu: Name, objects: readonly SharedObject[]): CompiledDocument {
    invariant(!this.isPending(dpu), `the changes of ${dpu} are taken`);
    return { ...this.head(dpu), objects: [...objects].sort((one, other) => (one.key < other.key ? -1 : 1)) };
  }

  /** An object of a document appears (`before` undefined), goes (`after` undefined) or becomes another. */
  replace(dpu: Name, before: SharedObject | undefined, after: SharedObject | undefined): void {
    const key = (after ?? before)?.key;
    if (this.#loading || key === undefined || after?.equals(before)) return;
    let replacements = this.#pending.get(dpu);
    if (!replacements) {
      replacements = new Map();
      this.#pending.set(dpu, replacements);
    }
    const replacement = replacements.get(key);
    if (replacement) replacement.after = after;
    else replacements.set(key, { before, after });
  }

  /** What `take` would give. */
  preview(revision: number): DocumentChange[] {
    return [...this.#pending].map(([dpu, replacements]) => this.#change(dpu, replacements, revision));
  }

  /** What has changed, object by object, in the order of DPUs and keys. */
  differences(): DocumentDifference[] {
    const byName = (one: string, other: string): number => (one < other ? -1 : 1);
    return [...this.#pending]
      .map(([dpu, replacements]) => ({
        dpu,
        objects: [...replacements]
          .filter(([, { before, after }]) => before !== after && !after?.equals(before))
          .map(([key, { before, after }]) => ({ key, before: before?.object, after: after?.object }))
          .sort((one, other) => byName(one.key, other.key)),
      }))
      .sort((one, other) => byName(one.dpu, other.dpu));
  }

  /**
   * What has changed since the last call, as of `revision`. A document whose changes cancel out moves on nevertheless,
   * with an empty change: someone may already wait for its DPU to reach `revision`.
   */
  take(revision: number): DocumentChange[] {
    const changes = this.preview(revision);
    for (const { dpu, sequence, digest } of changes) {
      this.#heads.set(dpu, { sequence, digest: DocumentDigest.from(digest) });
    }
    this.#pending.clear();
    for (const dpu of this.#closed) this.#heads.delete(dpu);
    this.#closed.clear();
    return changes;
  }

  /** Forgets the changes made during an attempt, which must have undone them everywhere else. */
  attempt<Value>(attempt: () => Value): Value {
    const before = this.#pending;
    this.#pending = new Map();
    try {
      return attempt();
    } finally {
      this.#pending = before;
    }
  }

  #change(dpu: Name, replacements: Map<string, Replacement>, revision: number): DocumentChange {
    const head = this.#heads.get(dpu);
    invariant(head, `${dpu} has a document`);
    const digest = DocumentDigest.from(head.digest.toBytes());
    const upserts: DocumentObject[] = [];
    const deletes: string[] = [];
    for (const [key, { before, after }] of replacements) {
      if (before === after || after?.equals(before)) continue;
      if (before) digest.minus(before.digest);
      if (after) {
        digest.plus(after.digest);
        upserts.push(after);
      } else deletes.push(key);
    }
    return { dpu, base: head.sequence, sequence: revision, digest: digest.toBytes(), upserts, deletes };
  }
}
