import { AppError, invariant } from '@outboard/core';
import { checkLimit } from './limits.js';
import type { Key, Page, PendingMessage, RememberedAnswer, Row, Snapshot } from './port.js';

/** The snapshot that callers get: checks arguments and its own life, and leaves the reading to the adapter. */
export class CheckedSnapshot implements Snapshot {
  #view: Snapshot | undefined;
  readonly revision: number;

  constructor(view: Snapshot) {
    this.#view = view;
    this.revision = view.revision;
  }

  end(): void {
    this.#view = undefined;
  }

  get(key: Key): Row | undefined {
    return this.#alive().get(key);
  }

  list(kind: string, options: { tenant?: string; after?: Key; limit: number }): Page {
    checkLimit(options.limit);
    const { after, tenant } = options;
    if (after && (after.kind !== kind || (tenant !== undefined && after.tenant !== tenant))) {
      throw AppError.invalid([
        { field: 'after', description: 'must be a key of the kind and tenant listed' },
      ]);
    }
    return this.#alive().list(kind, options);
  }

  find(index: string, value: string, limit: number, after?: Key): readonly Row[] {
    checkLimit(limit);
    return this.#alive().find(index, value, limit, after);
  }

  remembered(messageId: string): RememberedAnswer | undefined {
    return this.#alive().remembered(messageId);
  }

  pendingMessages(limit: number, after = 0): readonly PendingMessage[] {
    checkLimit(limit);
    return this.#alive().pendingMessages(limit, after);
  }

  #alive(): Snapshot {
    invariant(this.#view, 'a snapshot is used only within its read');
    return this.#view;
  }
}
