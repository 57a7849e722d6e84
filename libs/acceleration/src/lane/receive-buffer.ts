import { addressOf } from '@outboard/ffi';

const CHUNK_BYTES = 256 * 1024;

/** Memory into which a socket was read. It is used again once nothing that was read into it is needed any more. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
  /** Whoever still needs something in it. */
  holders: number;
}

/** Some chunks of the usual size that nobody uses, for all connections of a thread. */
export class ChunkPool {
  readonly #free: Chunk[] = [];

  constructor(private readonly capacity = 32) {}

  take(length: number): Chunk {
    const free = length <= CHUNK_BYTES ? this.#free.pop() : undefined;
    if (free !== undefined) return free;
    const bytes = new Uint8Array(Math.max(length, CHUNK_BYTES));
    return { bytes, view: new DataView(bytes.buffer), address: addressOf(bytes), holders: 0 };
  }

  /** Nobody may hold it. */
  give(chunk: Chunk): void {
    if (chunk.bytes.length === CHUNK_BYTES && this.#free.length < this.capacity) this.#free.push(chunk);
  }
}

/**
 * What a stream has brought and nobody has parsed yet, in one piece: a frame is used where it was received. `[start, end)`
 * of `chunk` is what there is.
 */
export class ReceiveBuffer {
  chunk: Chunk;
  start = 0;
  end = 0;

  constructor(private readonly pool: ChunkPool) {
    this.chunk = this.#hold(pool.take(0));
  }

  /** Room to receive into, so that a frame of `wanted` bytes from `start` will be in one piece. */
  room(wanted: number): Uint8Array {
    const { chunk } = this;
    if (chunk.holders === 1 && this.start === this.end) {
      this.start = 0;
      this.end = 0;
    }
    const left = chunk.bytes.length - this.end;
    if (this.start + wanted > chunk.bytes.length || (this.start === this.end && left < CHUNK_BYTES / 4)) {
      this.#move(wanted, this.start, this.end);
    }
    return this.chunk.bytes.subarray(this.end);
  }

  /** A frame's payload stays where it is until `release` is called for the chunk. */
  retain(): Chunk {
    this.chunk.holders++;
    return this.chunk;
  }

  release(chunk: Chunk): void {
    if (--chunk.holders === 0) this.pool.give(chunk);
  }

  [Symbol.dispose](): void {
    this.release(this.chunk);
  }

  #move(wanted: number, start: number, end: number): void {
    const before = this.chunk;
    this.chunk = this.#hold(this.pool.take(wanted));
    this.chunk.bytes.set(before.bytes.subarray(start, end));
    this.start = 0;
    this.end = end - start;
    this.release(before);
  }

  #hold(chunk: Chunk): Chunk {
    chunk.holders++;
    return chunk;
  }
}
