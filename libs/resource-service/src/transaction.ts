import { MAX_BODY_BYTES } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import type { Batch, Key, NewRow, OutboxMessage, RememberedAnswer, Snapshot } from '@outboard/store';
import { keyText } from './key-text.js';

/** What the pieces of work of one group read and write together. */
export interface Transaction {
  /** The revision that the group's commit will have. */
  readonly revision: number;
  /** A row as the group leaves it so far. */
  row(key: Key): NewRow | undefined;
  /** The answer that a message id got before, or in this group. */
  answer(messageId: string): RememberedAnswer | undefined;
  put(row: NewRow): void;
  delete(key: Key): void;
  /** Throws INVALID_ARGUMENT for a body that no message may have: the outbox would never get past it. */
  send(message: OutboxMessage): void;
  /** Once for each message id. */
  remember(answer: RememberedAnswer): void;
}

/**
 * Where a group ends, though more work waits: far enough below the limits of a batch for one more piece of work of the
 * usual size. A larger one is then committed alone.
 */
const FULL_ITEMS = 2_000;
const FULL_BYTES = 4 * 1024 * 1024;

/** A batch in the making; the last write of a key counts. Reads see it over what is committed. */
export class GroupTransaction implements Transaction {
  readonly revision: number;
  readonly #committed: Snapshot;
  readonly #puts = new Map<string, NewRow>();
  readonly #deletes = new Map<string, Key>();
  readonly #messages: OutboxMessage[] = [];
  readonly #answers = new Map<string, RememberedAnswer>();
  #bytes = 0;

  constructor(committed: Snapshot) {
    this.#committed = committed;
    this.revision = committed.revision + 1;
  }

  get isEmpty(): boolean {
    return this.#items === 0;
  }

  get isFull(): boolean {
    return this.#items >= FULL_ITEMS || this.#bytes >= FULL_BYTES;
  }

  /** Answers that the group gives. */
  get answers(): number {
    return this.#answers.size;
  }

  row(key: Key): NewRow | undefined {
    const text = keyText(key);
    if (this.#deletes.has(text)) return undefined;
    return this.#puts.get(text) ?? this.#committed.get(key);
  }

  answer(messageId: string): RememberedAnswer | undefined {
    return this.#answers.get(messageId) ?? this.#committed.remembered(messageId);
  }

  put(row: NewRow): void {
    const text = keyText(row.key);
    this.#deletes.delete(text);
    this.#puts.set(text, row);
    this.#bytes += row.value.length;
  }

  delete(key: Key): void {
    const text = keyText(key);
    this.#puts.delete(text);
    this.#deletes.set(text, key);
  }

  send(message: OutboxMessage): void {
    if (message.body.length > MAX_BODY_BYTES) {
      const text = `a message on ${message.subject} would have ${message.body.length} bytes; must be at most ${MAX_BODY_BYTES}`;
      throw new AppError('INVALID_ARGUMENT', text, { reason: 'MESSAGE_TOO_LARGE' });
    }
    this.#messages.push(message);
    this.#bytes += message.body.length;
  }

  remember(answer: RememberedAnswer): void {
    this.#answers.set(answer.messageId, answer);
    this.#bytes += answer.answer.length;
  }

  toBatch(): Batch {
    return {
      expect: [],
      puts: [...this.#puts.values()],
      deletes: [...this.#deletes.values()],
      outbox: this.#messages,
      remember: [...this.#answers.values()],
    };
  }

  get #items(): number {
    return this.#puts.size + this.#deletes.size + this.#messages.length + this.#answers.size;
  }
}
