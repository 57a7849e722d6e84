import type Database from 'better-sqlite3';
import { LIMITS } from '../limits.js';
import type { IndexEntry, Key, Page, PendingMessage, RememberedAnswer, Row, Snapshot } from '../port.js';
import type { StoredAnswer, StoredMessage, StoredRow } from './entities.js';

const ROW_COLUMNS = 'r.kind, r.tenant, r.name, r.revision, r.value, r.indexes';
type RowRecord = Pick<StoredRow, 'kind' | 'tenant' | 'name' | 'revision' | 'value' | 'indexes'>;

/** How a row's entries stand in its `indexes` column. */
type StoredEntry = readonly [index: string, value: string, unique: 0 | 1];

/** Statements over one connection; it is a snapshot as long as that connection is in a transaction. */
export class SqliteSnapshot implements Snapshot {
  readonly #revision: Database.Statement<[], number>;
  readonly #row: Database.Statement<[string, string, string], RowRecord>;
  readonly #rowsOfKind: Database.Statement<[string, string, string, number], RowRecord>;
  readonly #rowsOfTenant: Database.Statement<[string, string, string, number], RowRecord>;
  readonly #rowsByEntry: Database.Statement<[string, string, string, string, string, number], RowRecord>;
  readonly #answer: Database.Statement<[string], Pick<StoredAnswer, 'messageId' | 'fingerprint' | 'answer'>>;
  readonly #pending: Database.Statement<[number, number], StoredMessage>;

  constructor(connection: Database.Database) {
    this.#revision = connection.prepare<[], number>('SELECT revision FROM store_state').pluck();
    this.#row = connection.prepare(
      `SELECT ${ROW_COLUMNS} FROM stored_row r WHERE r.kind = ? AND r.tenant = ? AND r.name = ?`,
    );
    this.#rowsOfKind = connection.prepare(
      `SELECT ${ROW_COLUMNS} FROM stored_row r WHERE r.kind = ? AND (r.tenant, r.name) > (?, ?)
       ORDER BY r.tenant, r.name LIMIT ?`,
    );
    this.#rowsOfTenant = connection.prepare(
      `SELECT ${ROW_COLUMNS} FROM stored_row r WHERE r.kind = ? AND r.tenant = ? AND r.name > ?
       ORDER BY r.name LIMIT ?`,
    );
    // CROSS JOIN keeps SQLite from starting with the rows (sqlite.org/optoverview.html#manual_control_of_query_plans).
    this.#rowsByEntry = connection.prepare(
      `SELECT ${ROW_COLUMNS} FROM index_entry e
       CROSS JOIN stored_row r ON r.kind = e.kind AND r.tenant = e.tenant AND r.name = e.name
       WHERE e.index_name = ? AND e.value = ? AND (e.kind, e.tenant, e.name) > (?, ?, ?)
       ORDER BY e.kind, e.tenant, e.name LIMIT ?`,
    );
    this.#answer = connection.prepare(
      `SELECT message_id AS "messageId", fingerprint, answer FROM remembered_answer WHERE message_id = ?`,
    );
    this.#pending = connection.prepare(
      `SELECT sequence, message_id AS "messageId", subject, headers, body FROM outbox_message
       WHERE sequence > ? ORDER BY sequence LIMIT ?`,
    );
  }

  get revision(): number {
    return this.#revision.get() ?? 0;
  }

  get({ kind, tenant, name }: Key): Row | undefined {
    const record = this.#row.get(kind, tenant, name);
    return record && toRow(record);
  }

  list(kind: string, { tenant, after, limit }: { tenant?: string; after?: Key; limit: number }): Page {
    const records =
      tenant === undefined
        ? this.#rowsOfKind.all(kind, after?.tenant ?? '', after?.name ?? '', limit + 1)
        : this.#rowsOfTenant.all(kind, tenant, after?.name ?? '', limit + 1);
    const rows = records.slice(0, limit).map(toRow);
    return { rows, next: records.length > limit ? rows.at(-1)?.key : undefined };
  }

  find(index: string, value: string, limit: number, after?: Key): readonly Row[] {
    const { kind = '', tenant = '', name = '' } = after ?? {};
    return this.#rowsByEntry.all(index, value, kind, tenant, name, limit).map(toRow);
  }

  remembered(messageId: string): RememberedAnswer | undefined {
    return this.#answer.get(messageId);
  }

  pendingMessages(limit: number, after = 0): readonly PendingMessage[] {
    const pending: PendingMessage[] = [];
    let bytes = 0;
    for (const { headers, body, ...message } of this.#pending.iterate(after, limit)) {
      pending.push({
        ...message,
        headers: JSON.parse(headers) as Record<string, string>,
        body: new Uint8Array(body.buffer, body.byteOffset, body.byteLength),
      });
      bytes += body.byteLength;
      if (bytes >= LIMITS.pendingBytes) break;
    }
    return pending;
  }
}

export function encodeIndexes(indexes: readonly IndexEntry[]): string {
  return JSON.stringify(indexes.map(({ index, value, unique }) => [index, value, unique ? 1 : 0]));
}

export function decodeIndexes(text: string): IndexEntry[] {
  return (JSON.parse(text) as StoredEntry[]).map(([index, value, unique]) => ({
    index,
    value,
    unique: unique === 1,
  }));
}

function toRow({ kind, tenant, name, revision, value, indexes }: RowRecord): Row {
  return { key: { kind, tenant, name }, value, indexes: decodeIndexes(indexes), revision };
}
