import { err, invariant, ok } from '@outboard/core';
import type Database from 'better-sqlite3';
import { type CurrentState, refusalOf } from '../decide.js';
import type { Change, Outcome } from '../group-commit-store.js';
import { keyText } from '../limits.js';
import type { Batch, Key, RememberedAnswer } from '../port.js';
import type { StoreState } from './entities.js';
import { decodeIndexes, encodeIndexes } from './snapshot.js';

interface Found {
  readonly id: number;
  readonly revision: number;
  readonly indexes: string;
}

/**
 * The hot path: prepared statements on the raw connection. Everything between BEGIN and COMMIT runs in one synchronous
 * call, so no other work of the process can get into the transaction.
 */
export class SqliteWriter {
  readonly #connection: Database.Database;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #state;
  readonly #saveState;
  readonly #findRow;
  readonly #insertRow;
  readonly #updateRow;
  readonly #deleteRow;
  readonly #findHolder;
  readonly #insertEntry;
  readonly #deleteEntry;
  readonly #insertMessage;
  readonly #deleteMessages;
  readonly #findAnswer;
  readonly #insertAnswer;
  readonly #deleteAnswers;

  constructor(connection: Database.Database) {
    this.#connection = connection;
    const prepare = <Parameters extends unknown[], Record = unknown>(sql: string) =>
      connection.prepare<Parameters, Record>(sql);
    this.#begin = prepare<[]>('BEGIN IMMEDIATE');
    this.#commit = prepare<[]>('COMMIT');
    this.#rollback = prepare<[]>('ROLLBACK');
    this.#state = prepare<[], Pick<StoreState, 'revision' | 'outboxSequence'>>(
      'SELECT revision, outbox_sequence AS "outboxSequence" FROM store_state',
    );
    this.#saveState = prepare<[number, number]>('UPDATE store_state SET revision = ?, outbox_sequence = ?');
    this.#findRow = prepare<[string, string, string], Found>(
      'SELECT id, revision, indexes FROM stored_row WHERE kind = ? AND tenant = ? AND name = ?',
    );
    this.#insertRow = prepare<[string, string, string, number, string, string]>(
      'INSERT INTO stored_row (kind, tenant, name, revision, value, indexes) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#updateRow = prepare<[number, string, string, number]>(
      'UPDATE stored_row SET revision = ?, value = ?, indexes = ? WHERE id = ?',
    );
    this.#deleteRow = prepare<[number]>('DELETE FROM stored_row WHERE id = ?');
    this.#findHolder = prepare<[string, string], Key>(
      'SELECT kind, tenant, name FROM index_entry WHERE index_name = ? AND value = ? AND is_unique = 1',
    );
    this.#insertEntry = prepare<[string, string, string, string, string, number]>(
      'INSERT INTO index_entry (index_name, value, kind, tenant, name, is_unique) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#deleteEntry = prepare<[string, string, string, string, string]>(
      'DELETE FROM index_entry WHERE index_name = ? AND value = ? AND kind = ? AND tenant = ? AND name = ?',
    );
    this.#insertMessage = prepare<[number, string, string, string, Uint8Array]>(
      'INSERT INTO outbox_message (sequence, message_id, subject, headers, body) VALUES (?, ?, ?, ?, ?)',
    );
    this.#deleteMessages = prepare<[number, number]>(
      'DELETE FROM outbox_message WHERE sequence BETWEEN ? AND ?',
    );
    this.#findAnswer = prepare<[string], RememberedAnswer>(
      'SELECT message_id AS "messageId", fingerprint, answer FROM remembered_answer WHERE message_id = ?',
    );
    this.#insertAnswer = prepare<[number, string, string, string]>(
      'INSERT INTO remembered_answer (revision, message_id, fingerprint, answer) VALUES (?, ?, ?, ?)',
    );
    // The oldest answers are the first ones of the table: no more of it is looked at than may be deleted.
    this.#deleteAnswers = prepare<[number, number]>(
      `DELETE FROM remembered_answer
       WHERE id IN (SELECT id FROM remembered_answer ORDER BY id LIMIT ?) AND revision < ?`,
    );
  }

  /** One transaction. Whatever it throws, nothing of it was written. */
  write(changes: readonly Change[]): readonly Outcome[] {
    this.#begin.run();
    try {
      const state = this.#state.get();
      invariant(state, 'the store has a state');
      const outcomes = changes.map((change) => this.#apply(change, state));
      this.#saveState.run(state.revision, state.outboxSequence);
      this.#commit.run();
      return outcomes;
    } catch (thrown) {
      // After some errors (a full disk, for one) SQLite has rolled back by itself.
      if (this.#connection.inTransaction) this.#rollback.run();
      throw thrown;
    }
  }

  #apply(change: Change, state: Pick<StoreState, 'revision' | 'outboxSequence'>): Outcome {
    switch (change.kind) {
      case 'commit':
        return this.#applyBatch(change.batch, state);
      case 'markPublished':
        return ok(
          runsOf(change.sequences).reduce(
            (sum, { first, last }) => sum + this.#deleteMessages.run(first, last).changes,
            0,
          ),
        );
      case 'forgetAnswers':
        return ok(this.#deleteAnswers.run(change.limit, change.before).changes);
    }
  }

  #applyBatch(batch: Batch, state: Pick<StoreState, 'revision' | 'outboxSequence'>): Outcome {
    const found = new Map<string, Found | undefined>();
    const find = (key: Key): Found | undefined => {
      const text = keyText(key);
      if (!found.has(text)) found.set(text, this.#findRow.get(key.kind, key.tenant, key.name));
      return found.get(text);
    };
    const current: CurrentState = {
      revisionOf: (key) => find(key)?.revision,
      holderOf: (index, value) => this.#findHolder.get(index, value),
      answerOf: (messageId) => this.#findAnswer.get(messageId),
    };
    const refusal = refusalOf(batch, current);
    if (refusal) return err(refusal);

    const revision = ++state.revision;
    const puts = batch.puts.map((row) => {
      const before = find(row.key);
      const indexes = encodeIndexes(row.indexes);
      return { row, before, indexes, moved: before?.indexes !== indexes };
    });
    // All entries go before any comes, as one may move from row to row.
    for (const { row, before, moved } of puts) if (before && moved) this.#deleteEntries(row.key, before);
    for (const key of batch.deletes) {
      const before = find(key);
      if (!before) continue;
      this.#deleteEntries(key, before);
      this.#deleteRow.run(before.id);
    }
    for (const { row, before, indexes, moved } of puts) {
      const { kind, tenant, name } = row.key;
      if (before) this.#updateRow.run(revision, row.value, indexes, before.id);
      else this.#insertRow.run(kind, tenant, name, revision, row.value, indexes);
      if (!moved) continue;
      for (const { index, value, unique } of row.indexes) {
        this.#insertEntry.run(index, value, kind, tenant, name, unique ? 1 : 0);
      }
    }
    for (const { messageId, subject, headers, body } of batch.outbox) {
      this.#insertMessage.run(++state.outboxSequence, messageId, subject, JSON.stringify(headers), body);
    }
    for (const { messageId, fingerprint, answer } of batch.remember) {
      this.#insertAnswer.run(revision, messageId, fingerprint, answer);
    }
    return ok({ revision, outboxSequence: state.outboxSequence });
  }

  #deleteEntries({ kind, tenant, name }: Key, { indexes }: Found): void {
    for (const { index, value } of decodeIndexes(indexes)) {
      this.#deleteEntry.run(index, value, kind, tenant, name);
    }
  }
}

/** Numbers without gaps between them, in order. Messages are acknowledged nearly in theirs: few statements delete many. */
function runsOf(numbers: readonly number[]): readonly { readonly first: number; readonly last: number }[] {
  const runs: { first: number; last: number }[] = [];
  for (const number of numbers.toSorted((one, other) => one - other)) {
    const run = runs.at(-1);
    if (run && number <= run.last + 1) run.last = number;
    else runs.push({ first: number, last: number });
  }
  return runs;
}
