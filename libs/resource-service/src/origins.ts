import type { Key, NewRow, Row } from '@outboard/store';
import { keyText } from './key-text.js';
import type { Cause } from './trigger.js';

/** Where an intent stands in its stream. */
export interface StreamPosition {
  readonly sequence: number;
  /** When the stream took it, milliseconds since the epoch. */
  readonly storedAt: number;
  /** When the stream was made, milliseconds since the epoch; absent: it was noted before this was, or is not known. */
  readonly streamMadeAt?: number;
}

/**
 * Whether a later intent was obeyed. Within a stream its sequence alone tells: the broker's clock may be set back. One of
 * another stream is of the one that there is now. Where the stream is not known, sequence and time both tell: a lower
 * sequence of a later time is of a stream that was made anew.
 */
export function isSuperseded(intent: StreamPosition, obeyed: StreamPosition): boolean {
  if (intent.sequence > obeyed.sequence) return false;
  if (intent.streamMadeAt === undefined || obeyed.streamMadeAt === undefined)
    return intent.storedAt <= obeyed.storedAt;
  return intent.streamMadeAt === obeyed.streamMadeAt;
}

/** Of positions that may be of several streams, as rows have them. */
function isNewer(one: StreamPosition, other: StreamPosition): boolean {
  const { streamMadeAt = 0 } = one;
  const { streamMadeAt: otherMadeAt = streamMadeAt } = other;
  return streamMadeAt === otherMadeAt ? !isSuperseded(one, other) : streamMadeAt > otherMadeAt;
}

export const isSame = (one: StreamPosition, other: StreamPosition): boolean =>
  one.sequence === other.sequence && one.storedAt === other.storedAt;

/** The last command that a key has obeyed. */
export interface Origin {
  /** Absent as long as no intent was ever seen. */
  readonly position?: StreamPosition;
  readonly cause?: Cause;
}

/** Rows of this kind stand for keys that have no row any more. */
export const DELETED_KIND = 'Deleted';

/** Deleted keys that are remembered: a stale intent must not bring them back. */
const MAX_DELETED = 100_000;

const deletedKey = ({ kind, tenant, name }: Key): Key => ({
  kind: DELETED_KIND,
  tenant,
  name: `${kind}/${name}`,
});

/**
 * What each key has obeyed last. It tells a stale intent from a new one, and tells events that come later (a port is
 * ready when its DPU says so) which message they answer. Kept in the rows, and for deleted keys in rows of their own.
 */
export class Origins {
  readonly #origins = new Map<string, Origin>();
  /** Oldest first. */
  readonly #deleted = new Map<string, Key>();
  #newest: StreamPosition | undefined;

  constructor(newest?: StreamPosition) {
    this.#newest = newest;
  }

  /** The newest intent that was seen: what is asked for without an intent comes after this one. */
  get newest(): StreamPosition | undefined {
    return this.#newest;
  }

  /** An intent has arrived, whatever becomes of it. */
  delivered(position: StreamPosition): void {
    if (!this.#newest || isNewer(position, this.#newest)) this.#newest = position;
  }

  /** Takes over a stored row. */
  load(key: Key, origin: Origin): void {
    this.#origins.set(keyText(key), origin);
    if (origin.position) this.delivered(origin.position);
  }

  /** Takes over stored rows of `DELETED_KIND`. */
  loadDeleted(rows: Iterable<Row>): void {
    const deleted = [...rows].map(({ key: { tenant, name }, value }) => {
      const [kind = '', ofKind = ''] = name.split('/');
      return { key: { kind, tenant, name: ofKind }, position: JSON.parse(value) as StreamPosition };
    });
    deleted.sort((one, other) => one.position.storedAt - other.position.storedAt);
    for (const { key, position } of deleted) {
      this.load(key, { position });
      this.#deleted.set(keyText(key), key);
    }
  }

  of(key: Key): Origin | undefined {
    return this.#origins.get(keyText(key));
  }

  /** The key obeys. Returns the row that has to go, as the key is no longer a deleted one. */
  set(key: Key, origin: Origin): Key | undefined {
    const text = keyText(key);
    this.#origins.set(text, origin);
    return this.#deleted.delete(text) ? deletedKey(key) : undefined;
  }

  /** The key's row is deleted. Returns the row to write in its place, if any, and the one that goes for it. */
  deleted(key: Key): { readonly put: NewRow | undefined; readonly forgotten: Key | undefined } {
    const text = keyText(key);
    const position = this.#origins.get(text)?.position;
    if (!position) {
      this.#origins.delete(text);
      return { put: undefined, forgotten: undefined };
    }
    this.#origins.set(text, { position });
    this.#deleted.set(text, key);
    const put = { key: deletedKey(key), value: JSON.stringify(position), indexes: [] };
    return { put, forgotten: this.#forgetOldest() };
  }

  #forgetOldest(): Key | undefined {
    const [oldest] = this.#deleted;
    if (this.#deleted.size <= MAX_DELETED || !oldest) return undefined;
    const [text, key] = oldest;
    this.#deleted.delete(text);
    this.#origins.delete(text);
    return deletedKey(key);
  }
}
