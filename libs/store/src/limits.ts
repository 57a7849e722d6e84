import { AppError, type FieldViolation, MAX_LISTED_VIOLATIONS } from '@outboard/core';
import type { Batch, IndexEntry, Key, OutboxMessage } from './port.js';

/** Bounds of everything that a caller hands to a store. */
export const LIMITS = {
  /** Characters of a kind, tenant, name or index name; visible ASCII only, so that every adapter orders alike. */
  nameCharacters: 253,
  /** Characters of a message id, visible ASCII. */
  messageIdCharacters: 256,
  indexValueBytes: 1024,
  indexEntriesPerRow: 256,
  /** Of a row's value, and of an answer. */
  valueBytes: 1024 * 1024,
  subjectCharacters: 1024,
  /** Names and values of one message's headers together. */
  headerBytes: 16 * 1024,
  bodyBytes: 1024 * 1024,
  /** Each of expectations, puts, deletes, outbox messages and answers of one batch. */
  itemsPerBatch: 10_000,
  batchBytes: 16 * 1024 * 1024,
  /** Rows or messages that one read returns. */
  pageItems: 10_000,
  /** Bodies that one read of pending messages returns, give or take the last one. */
  pendingBytes: 4 * 1024 * 1024,
} as const;

/** What an item costs beside its texts: keys, index pages, bookkeeping. An estimate that bounds groups and queues. */
const ITEM_OVERHEAD_BYTES = 128;

const NAME = new RegExp(`^[\\x21-\\x7e]{1,${LIMITS.nameCharacters}}$`);
const MESSAGE_ID = new RegExp(`^[\\x21-\\x7e]{1,${LIMITS.messageIdCharacters}}$`);
const SUBJECT = new RegExp(`^[\\x21-\\x7e]{1,${LIMITS.subjectCharacters}}$`);
/** Half of a surrogate pair has no UTF-8: it would come back as another text. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** One text per key: a separator that no part can contain. */
export function keyText(key: Key): string {
  return `${key.kind} ${key.tenant} ${key.name}`;
}

/** One text per (index, value). */
export function entryText(index: string, value: string): string {
  return `${index} ${value}`;
}

/** Path of a field, made where it has a problem: a batch has thousands of fields, and usually none. */
type Field = () => string;

/** Collects problems: lists as many as an AppError shows, counts all. */
class Problems {
  readonly #listed: FieldViolation[] = [];
  #total = 0;

  add(field: Field, description: string): void {
    this.#total++;
    if (this.#listed.length < MAX_LISTED_VIOLATIONS) this.#listed.push({ field: field(), description });
  }

  throwIfAny(): void {
    if (this.#total > 0) throw AppError.invalid(this.#listed, { violationTotal: this.#total });
  }
}

/**
 * Estimated bytes of a batch.
 * @throws AppError INVALID_ARGUMENT naming every field that breaks `LIMITS`
 */
export function measureBatch(batch: Batch): number {
  const problems = new Problems();
  let bytes = 0;
  const touched = new Set<string>();
  const touch = (key: Key, field: Field): void => {
    const text = keyText(key);
    if (touched.has(text)) problems.add(field, 'must be put or deleted once in a batch');
    touched.add(text);
  };

  for (const part of ['expect', 'puts', 'deletes', 'outbox', 'remember'] as const) {
    const count = batch[part].length;
    bytes += count * ITEM_OVERHEAD_BYTES;
    if (count > LIMITS.itemsPerBatch) {
      problems.add(() => part, `must have at most ${LIMITS.itemsPerBatch} items, has ${count}`);
      // Looking into each of them would be unbounded work.
      problems.throwIfAny();
    }
  }

  batch.expect.forEach(({ key }, at) => {
    checkKey(key, () => `expect[${at}].key`, problems);
  });
  batch.puts.forEach((row, at) => {
    checkKey(row.key, () => `puts[${at}].key`, problems);
    touch(row.key, () => `puts[${at}].key`);
    bytes += checkText(row.value, () => `puts[${at}].value`, problems);
    bytes += checkIndexes(row.indexes, () => `puts[${at}].indexes`, problems);
  });
  batch.deletes.forEach((key, at) => {
    checkKey(key, () => `deletes[${at}]`, problems);
    touch(key, () => `deletes[${at}]`);
  });
  const messageIds = new Set<string>();
  batch.outbox.forEach((message, at) => {
    bytes += checkMessage(message, () => `outbox[${at}]`, problems);
    if (messageIds.has(message.messageId)) {
      problems.add(
        () => `outbox[${at}].messageId`,
        'must be unique: the broker would drop the second message',
      );
    }
    messageIds.add(message.messageId);
  });
  const answered = new Set<string>();
  batch.remember.forEach((remembered, at) => {
    checkMessageId(remembered.messageId, () => `remember[${at}].messageId`, problems);
    if (answered.has(remembered.messageId)) {
      problems.add(() => `remember[${at}].messageId`, 'must be answered once in a batch');
    }
    answered.add(remembered.messageId);
    if (!NAME.test(remembered.fingerprint)) problems.add(() => `remember[${at}].fingerprint`, NAME_RULE);
    bytes += checkText(remembered.answer, () => `remember[${at}].answer`, problems);
  });

  if (bytes > LIMITS.batchBytes) {
    problems.add(() => 'batch', `must be at most ${LIMITS.batchBytes} bytes, is about ${bytes}`);
  }
  problems.throwIfAny();
  return bytes;
}

/** @throws AppError INVALID_ARGUMENT unless `limit` is 1 to `LIMITS.pageItems` */
export function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.pageItems) {
    throw AppError.invalid([
      { field: 'limit', description: `must be an integer from 1 to ${LIMITS.pageItems}, is ${limit}` },
    ]);
  }
}

/** @throws AppError INVALID_ARGUMENT when there are more than `LIMITS.itemsPerBatch` */
export function checkSequences(sequences: readonly number[]): void {
  if (sequences.length > LIMITS.itemsPerBatch) {
    throw AppError.invalid([
      {
        field: 'sequences',
        description: `must be at most ${LIMITS.itemsPerBatch}, are ${sequences.length}`,
      },
    ]);
  }
}

const NAME_RULE = `must be 1 to ${LIMITS.nameCharacters} visible ASCII characters`;

function checkKey(key: Key, field: Field, problems: Problems): void {
  if (!NAME.test(key.kind)) problems.add(() => `${field()}.kind`, NAME_RULE);
  if (!NAME.test(key.tenant)) problems.add(() => `${field()}.tenant`, NAME_RULE);
  if (!NAME.test(key.name)) problems.add(() => `${field()}.name`, NAME_RULE);
}

function checkMessageId(messageId: string, field: Field, problems: Problems): void {
  if (!MESSAGE_ID.test(messageId)) {
    problems.add(field, `must be 1 to ${LIMITS.messageIdCharacters} visible ASCII characters`);
  }
}

function checkText(text: string, field: Field, problems: Problems): number {
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.valueBytes) {
    problems.add(field, `must be at most ${LIMITS.valueBytes} bytes, is ${bytes}`);
  } else if (LONE_SURROGATE.test(text)) {
    problems.add(field, 'must be well-formed Unicode');
  }
  return bytes;
}

function checkIndexes(indexes: readonly IndexEntry[], field: Field, problems: Problems): number {
  if (indexes.length > LIMITS.indexEntriesPerRow) {
    problems.add(field, `must have at most ${LIMITS.indexEntriesPerRow} entries, has ${indexes.length}`);
    return 0;
  }
  let total = 0;
  const seen = new Set<string>();
  indexes.forEach(({ index, value }, at) => {
    if (!NAME.test(index)) problems.add(() => `${field()}[${at}].index`, NAME_RULE);
    const bytes = Buffer.byteLength(value);
    if (bytes > LIMITS.indexValueBytes) {
      problems.add(
        () => `${field()}[${at}].value`,
        `must be at most ${LIMITS.indexValueBytes} bytes, is ${bytes}`,
      );
    } else if (LONE_SURROGATE.test(value)) {
      problems.add(() => `${field()}[${at}].value`, 'must be well-formed Unicode');
    }
    const text = entryText(index, value);
    if (seen.has(text)) problems.add(() => `${field()}[${at}]`, 'must be there once per row');
    seen.add(text);
    total += bytes + ITEM_OVERHEAD_BYTES;
  });
  return total;
}

function checkMessage(message: OutboxMessage, field: Field, problems: Problems): number {
  checkMessageId(message.messageId, () => `${field()}.messageId`, problems);
  if (!SUBJECT.test(message.subject)) {
    problems.add(
      () => `${field()}.subject`,
      `must be 1 to ${LIMITS.subjectCharacters} visible ASCII characters without spaces`,
    );
  }
  let headerBytes = 0;
  for (const [name, value] of Object.entries(message.headers)) {
    headerBytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    if (LONE_SURROGATE.test(name) || LONE_SURROGATE.test(value)) {
      problems.add(() => `${field()}.headers`, 'must be well-formed Unicode');
    }
  }
  if (headerBytes > LIMITS.headerBytes) {
    problems.add(
      () => `${field()}.headers`,
      `must be at most ${LIMITS.headerBytes} bytes, are ${headerBytes}`,
    );
  }
  if (message.body.byteLength > LIMITS.bodyBytes) {
    problems.add(
      () => `${field()}.body`,
      `must be at most ${LIMITS.bodyBytes} bytes, is ${message.body.byteLength}`,
    );
  }
  return headerBytes + message.body.byteLength;
}
