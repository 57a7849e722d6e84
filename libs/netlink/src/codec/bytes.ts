import { EncodeError } from './errors.js';

/** Attributes carry their length in 16 bits (linux/netlink.h: struct nlattr). */
const MAX_ATTRIBUTE_LENGTH = 0xffff;
const NLA_F_NESTED = 0x8000;
const MAX_CAPACITY = 16 << 20;

/** Received bytes and a view on them; readers check lengths before they read, so a read never leaves the message. */
export interface Source {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** A source over bytes, for decoders. */
export const sourceOf = (bytes: Uint8Array): Source => ({
  bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
});

/** A growing buffer that is written once per chunk and used again: no garbage per message. Offsets stay 4-aligned. */
export class Writer {
  bytes: Buffer;
  view: DataView;
  length = 0;

  constructor(capacity = 65_536) {
    this.bytes = Buffer.alloc(capacity);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, capacity);
  }

  /** Makes room for `count` zeroed bytes, rounded up to 4, and returns where they start. */
  space(count: number): number {
    const start = this.length;
    const end = start + ((count + 3) & ~3);
    if (end > this.bytes.length) this.#grow(end);
    // Headers are a few words: cheaper than a call of fill for each.
    for (let at = start; at < end; at += 4) this.view.setUint32(at, 0, true);
    this.length = end;
    return start;
  }

  /** Starts an attribute with a payload of `length` bytes and returns the payload's offset; padding is zeroed. */
  attribute(id: number, length: number): number {
    const start = this.length;
    const end = start + 4 + ((length + 3) & ~3);
    if (end > this.bytes.length) this.#grow(end);
    if (length + 4 > MAX_ATTRIBUTE_LENGTH) {
      throw new EncodeError(`must be at most ${MAX_ATTRIBUTE_LENGTH - 4} bytes, is ${length}`);
    }
    this.view.setUint32(start, (length + 4) | (id << 16), true);
    if (length & 3) this.view.setUint32(end - 4, 0, true);
    this.length = end;
    return start + 4;
  }

  /** Starts a nested attribute; `close` with the returned offset ends it. */
  open(id: number): number {
    const start = this.length;
    if (start + 4 > this.bytes.length) this.#grow(start + 4);
    this.view.setUint16(start + 2, id | NLA_F_NESTED, true);
    this.length = start + 4;
    return start;
  }

  close(start: number): void {
    const length = this.length - start;
    if (length > MAX_ATTRIBUTE_LENGTH) {
      throw new EncodeError(
        `must be at most ${MAX_ATTRIBUTE_LENGTH} bytes with all that it nests, is ${length}`,
      );
    }
    this.view.setUint16(start, length, true);
  }

  #grow(needed: number): void {
    if (needed > MAX_CAPACITY)
      throw new EncodeError(`must fit into ${MAX_CAPACITY} bytes with what precedes it`);
    const bytes = Buffer.alloc(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(bytes, 0, 0, this.length);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}
