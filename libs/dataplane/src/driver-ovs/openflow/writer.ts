/** Bytes in network order, growing as needed. */
export class Writer {
  #bytes = Buffer.allocUnsafe(512);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#space(1);
    this.#bytes.writeUInt8(value, at);
    return this;
  }

  u16(value: number): this {
    const at = this.#space(2);
    this.#bytes.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#space(4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#space(8);
    this.#bytes.writeBigUInt64BE(value, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#space(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  zeros(count: number): this {
    const start = this.#space(count);
    this.#bytes.fill(0, start, start + count);
    return this;
  }

  /** Zeros until what began at `start` is a multiple of 8 bytes long. */
  pad(start: number): this {
    return this.zeros((8 - ((this.#length - start) & 7)) & 7);
  }

  /** Writes a length that was not known before. */
  u16At(offset: number, value: number): this {
    this.#bytes.writeUInt16BE(value, offset);
    return this;
  }

  /** A copy of all. */
  done(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  /** The place of the next bytes, which may be in another buffer than before. */
  #space(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return start;
  }
}
