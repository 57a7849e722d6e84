import { type Clock, err, ok, type Random, systemClock, systemRandom, uuidv7 } from '@outboard/core';
import { type CurrentState, refusalOf } from '../decide.js';
import { type Backend, type Change, GroupCommitStore, type Outcome } from '../group-commit-store.js';
import { entryText, keyText, LIMITS } from '../limits.js';
import type {
  Batch,
  Key,
  NewRow,
  Page,
  PendingMessage,
  RememberedAnswer,
  Row,
  Snapshot,
  Store,
} from '../port.js';

/** A store that lives and dies with the process: for tests and for trying things. */
export function openMemoryStore(options: { clock?: Clock; random?: Random } = {}): Store {
  const { clock = systemClock, random = systemRandom } = options;
  return new GroupCommitStore(new MemoryBackend(uuidv7(clock.now(), random)));
}

/** Changes and reads are synchronous, so the present state is a consistent snapshot. */
class MemoryBackend implements Backend, Snapshot, CurrentState {
  revision = 0;
  #outboxSequence = 0;
  readonly #rows = new Map<string, Row>();
  /** Rows of a kind in key order, made when they are first asked for after a change of the kind. */
  readonly #sorted = new Map<string, readonly Row[]>();
  readonly #holders = new Map<string, Key>();
  readonly #carriers = new Map<string, Map<string, Row>>();
  /** In order of sequence, as Maps keep the order of insertion. */
  readonly #outbox = new Map<number, PendingMessage>();
  /** In order of revision. */
  readonly #answers = new Map<string, { readonly remembered: RememberedAnswer; readonly revision: number }>();

  constructor(readonly epoch: string) {}

  read<Value>(query: (view: Snapshot) => Value): Value {
    return query(this);
  }

  async close(): Promise<void> {}

  write(changes: readonly Change[]): readonly Outcome[] {
    return changes.map((change) => this.#apply(change));
  }

  #apply(change: Change): Outcome {
    switch (change.kind) {
      case 'commit':
        return this.#commit(change.batch);
      case 'markPublished':
        return ok(change.sequences.filter((sequence) => this.#outbox.delete(sequence)).length);
      case 'forgetAnswers':
        return ok(this.#forgetAnswers(change.before, change.limit));
    }
  }

  #commit(batch: Batch): Outcome {
    const refusal = refusalOf(batch, this);
    if (refusal) return err(refusal);
    this.revision++;
    for (const { key } of batch.puts) this.#remove(key);
    for (const key of batch.deletes) this.#remove(key);
    for (const row of batch.puts) this.#add(row);
    for (const message of batch.outbox) {
      this.#outboxSequence++;
      this.#outbox.set(this.#outboxSequence, { ...message, sequence: this.#outboxSequence });
    }
    for (const remembered of batch.remember) {
      this.#answers.set(remembered.messageId, { remembered, revision: this.revision });
    }
    return ok({ revision: this.revision, outboxSequence: this.#outboxSequence });
  }

  #remove(key: Key): void {
    const text = keyText(key);
    const row = this.#rows.get(text);
    if (!row) return;
    this.#rows.delete(text);
    this.#sorted.delete(key.kind);
    for (const { index, value, unique } of row.indexes) {
      const entry = entryText(index, value);
      if (unique) this.#holders.delete(entry);
      const carriers = this.#carriers.get(entry);
      carriers?.delete(text);
      if (carriers?.size === 0) this.#carriers.delete(entry);
    }
  }

  #add({ key, value, indexes }: NewRow): void {
    const text = keyText(key);
    const row: Row = { key, value, indexes, revision: this.revision };
    this.#rows.set(text, row);
    this.#sorted.delete(key.kind);
    for (const { index, value: entryValue, unique } of indexes) {
      const entry = entryText(index, entryValue);
      if (unique) this.#holders.set(entry, key);
      const carriers = this.#carriers.get(entry) ?? new Map<string, Row>();
      this.#carriers.set(entry, carriers.set(text, row));
    }
  }

  #forgetAnswers(before: number, limit: number): number {
    let forgotten = 0;
    for (const [messageId, { revision }] of this.#answers) {
      if (revision >= before || forgotten === limit) break;
      this.#answers.delete(messageId);
      forgotten++;
    }
    return forgotten;
  }

  revisionOf(key: Key): number | undefined {
    return this.get(key)?.revision;
  }

  holderOf(index: string, value: string): Key | undefined {
    return this.#holders.get(entryText(index, value));
  }

  answerOf(messageId: string): RememberedAnswer | undefined {
    return this.#answers.get(messageId)?.remembered;
  }

  get(key: Key): Row | undefined {
    return this.#rows.get(keyText(key));
  }

  list(kind: string, { tenant, after, limit }: { tenant?: string; after?: Key; limit: number }): Page {
    const matching = this.#sortedRows(kind).filter(
      ({ key }) => (tenant === undefined || key.tenant === tenant) && (!after || compareKeys(key, after) > 0),
    );
    const rows = matching.slice(0, limit);
    return { rows, next: matching.length > limit ? rows.at(-1)?.key : undefined };
  }

  find(index: string, value: string, limit: number, after?: Key): readonly Row[] {
    const carriers = this.#carriers.get(entryText(index, value));
    return [...(carriers?.values() ?? [])]
      .filter(({ key }) => !after || compareKeys(key, after) > 0)
      .sort(compareRows)
      .slice(0, limit);
  }

  remembered(messageId: string): RememberedAnswer | undefined {
    return this.answerOf(messageId);
  }

  pendingMessages(limit: number, after = 0): readonly PendingMessage[] {
    const pending: PendingMessage[] = [];
    let bytes = 0;
    for (const message of this.#outbox.values()) {
      if (message.sequence <= after) continue;
      pending.push(message);
      bytes += message.body.byteLength;
      if (pending.length === limit || bytes >= LIMITS.pendingBytes) break;
    }
    return pending;
  }

  #sortedRows(kind: string): readonly Row[] {
    const sorted =
      this.#sorted.get(kind) ??
      [...this.#rows.values()].filter(({ key }) => key.kind === kind).sort(compareRows);
    this.#sorted.set(kind, sorted);
    return sorted;
  }
}

const compareRows = (one: Row, other: Row): number => compareKeys(one.key, other.key);

/** Names are ASCII (`LIMITS`), so the order of UTF-16 units is the order of SQLite's bytes. */
function compareKeys(one: Key, other: Key): number {
  return (
    compareTexts(one.kind, other.kind) ||
    compareTexts(one.tenant, other.tenant) ||
    compareTexts(one.name, other.name)
  );
}

function compareTexts(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
