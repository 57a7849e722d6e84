import { Transform, type TransformCallback } from 'node:stream';
import { encodeMetadata } from '@outboard/acceleration';
import { AcceleratorError } from './accelerator-error.js';
import { ChunkReader, encodeChunk, placeOf, reversedMetadata, withPlace } from './chunk-format.js';
import type { AccelerationClient } from './client.js';
import type { RunResult } from './run-result.js';

/** Data of one chunk, bytes: large enough that the way there costs little, small enough that nobody waits long. */
const CHUNK_BYTES = 256 * 1024;
/** Chunks of a stream that are on their way at one time. */
const CHUNKS_IN_FLIGHT = 8;

/** Jobs whose results come out in the order in which they went in, a bounded number at a time. */
class OrderedJobs {
  readonly #jobs: Promise<Uint8Array>[] = [];

  constructor(private readonly emit: (bytes: Uint8Array) => void) {}

  async add(job: Promise<Uint8Array>): Promise<void> {
    // Whoever takes it sees its failure; until then it is nobody's.
    job.catch(() => {});
    this.#jobs.push(job);
    if (this.#jobs.length >= CHUNKS_IN_FLIGHT) await this.#take();
  }

  async finish(): Promise<void> {
    while (this.#jobs.length > 0) await this.#take();
  }

  async #take(): Promise<void> {
    const bytes = await this.#jobs.shift();
    if (bytes !== undefined && bytes.length > 0) this.emit(bytes);
  }
}

/** Calls back when it is done, with what went wrong. */
function settle(action: Promise<void>, callback: TransformCallback): void {
  action.then(
    () => callback(),
    (failure: unknown) => callback(failure instanceof Error ? failure : new Error(String(failure))),
  );
}

/** Data through a program of the session, chunk by chunk: compressed, encrypted, whatever the program says. */
export class SealingStream extends Transform {
  readonly #jobs = new OrderedJobs((bytes) => this.push(bytes));
  #pending: Buffer[] = [];
  #length = 0;
  #index = 0;

  constructor(
    private readonly client: AccelerationClient,
    private readonly program: number,
  ) {
    super();
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#pending.push(piece);
    this.#length += piece.length;
    // The last chunk is known at the end only: one is always kept back.
    settle(this.#length > CHUNK_BYTES ? this.#cut() : Promise.resolve(), callback);
  }

  override _flush(callback: TransformCallback): void {
    settle(
      this.#add(Buffer.concat(this.#pending), true).then(() => this.#jobs.finish()),
      callback,
    );
  }

  async #cut(): Promise<void> {
    let bytes = Buffer.concat(this.#pending);
    while (bytes.length > CHUNK_BYTES) {
      await this.#add(bytes.subarray(0, CHUNK_BYTES), false);
      bytes = bytes.subarray(CHUNK_BYTES);
    }
    this.#pending = [bytes];
    this.#length = bytes.length;
  }

  #add(data: Buffer, isLast: boolean): Promise<void> {
    const place = placeOf(this.#index++, isLast);
    return this.#jobs.add(this.#seal(data, place));
  }

  async #seal(data: Buffer, place: Uint8Array): Promise<Uint8Array> {
    const { steps } = await this.client.program(this.program);
    const { output, metadata } = await this.client.run(this.program, data, {
      metadata: withPlace([], steps, place),
    });
    const kept = steps.some(({ operation }) => operation !== 'GENERATE') ? output : data;
    return encodeChunk({ metadata: encodeMetadata(metadata), output: kept, inputLength: data.length });
  }
}

/** Undoes a `SealingStream` by the reverse program. What is not whole, in order and unchanged ends it with an error. */
export class OpeningStream extends Transform {
  readonly #jobs = new OrderedJobs((bytes) => this.push(bytes));
  readonly #reader = new ChunkReader();
  #kept: ReturnType<ChunkReader['push']> = [];
  #index = 0;

  constructor(
    private readonly client: AccelerationClient,
    private readonly reverseProgram: number,
  ) {
    super();
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    settle(this.#take(piece), callback);
  }

  override _flush(callback: TransformCallback): void {
    settle(this.#end(), callback);
  }

  async #take(piece: Buffer): Promise<void> {
    this.#kept.push(...this.#reader.push(piece));
    while (this.#kept.length > 1) await this.#add(false);
  }

  async #end(): Promise<void> {
    if (this.#kept.length === 0 || !this.#reader.isAtEnd)
      throw new AcceleratorError('CORRUPT_INPUT', 0, 'the stream ends in the middle of a chunk');
    await this.#add(true);
    await this.#jobs.finish();
  }

  #add(isLast: boolean): Promise<void> {
    const chunk = this.#kept.shift();
    if (chunk === undefined) return Promise.resolve();
    const place = placeOf(this.#index++, isLast);
    return this.#jobs.add(this.#open(chunk, place));
  }

  async #open(
    { metadata, output, inputLength }: ReturnType<ChunkReader['push']>[number],
    place: Uint8Array,
  ): Promise<Uint8Array> {
    const { steps } = await this.client.program(this.reverseProgram);
    const result: RunResult = await this.client.run(this.reverseProgram, output, {
      metadata: withPlace(reversedMetadata(metadata, steps.length), steps, place),
      outputLength: inputLength,
    });
    return steps.some(({ operation }) => operation !== 'VERIFY') ? result.output : output;
  }
}
