import { type Metadata, readMetadata, type StepMetadata } from '@outboard/acceleration';
import { AcceleratorError } from './accelerator-error.js';

/**
 * A stream of jobs' outputs: for each chunk u32 bytes of metadata, u32 bytes of output, u32 bytes of input, then the two,
 * all little endian. The place of a chunk and whether it is the last are authenticated with it where it is encrypted: what
 * was left out, put elsewhere or cut off at the end is noticed.
 */
export interface Chunk {
  readonly metadata: Uint8Array;
  readonly output: Uint8Array;
  /** Bytes that it was made of. */
  readonly inputLength: number;
}

const PREFIX_BYTES = 12;
/** More than any chunk has: whoever says more than this is no stream of chunks. */
const MAXIMUM_PART = 4 << 20;

export function encodeChunk({ metadata, output, inputLength }: Chunk): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32LE(metadata.length, 0);
  prefix.writeUInt32LE(output.length, 4);
  prefix.writeUInt32LE(inputLength, 8);
  return Buffer.concat([prefix, metadata, output]);
}

/** Cuts what comes in pieces into chunks. */
export class ChunkReader {
  #bytes = Buffer.alloc(0);

  push(piece: Uint8Array): Chunk[] {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    const chunks: Chunk[] = [];
    while (this.#bytes.length >= PREFIX_BYTES) {
      const metadataLength = this.#bytes.readUInt32LE(0);
      const outputLength = this.#bytes.readUInt32LE(4);
      const inputLength = this.#bytes.readUInt32LE(8);
      if (Math.max(metadataLength, outputLength, inputLength) > MAXIMUM_PART)
        throw new AcceleratorError('CORRUPT_INPUT', 0, 'this is no stream of chunks');
      const output = PREFIX_BYTES + metadataLength;
      const end = output + outputLength;
      if (this.#bytes.length < end) break;
      chunks.push({
        metadata: this.#bytes.subarray(PREFIX_BYTES, output),
        output: this.#bytes.subarray(output, end),
        inputLength,
      });
      this.#bytes = this.#bytes.subarray(end);
    }
    return chunks;
  }

  get isAtEnd(): boolean {
    return this.#bytes.length === 0;
  }
}

/** What is authenticated with a chunk besides its data: its number and whether it is the last. */
export function placeOf(index: number, isLast: boolean): Uint8Array {
  const place = Buffer.alloc(9);
  place.writeUInt32LE(index % 2 ** 32, 0);
  place.writeUInt32LE(Math.floor(index / 2 ** 32), 4);
  place.writeUInt8(isLast ? 1 : 0, 8);
  return place;
}

/** Metadata of a job whose steps that encrypt or decrypt authenticate the place too. */
export const withPlace = (
  metadata: Metadata,
  steps: readonly { operation: string }[],
  place: Uint8Array,
): Metadata =>
  steps.map(({ operation }, index): StepMetadata | undefined =>
    operation === 'ENCRYPT' || operation === 'DECRYPT'
      ? { ...metadata[index], additional: place }
      : metadata[index],
  );

/** The metadata for the reverse program of `count` steps. */
export function reversedMetadata(bytes: Uint8Array, count: number): Metadata {
  const metadata = readMetadata(bytes);
  if (metadata === undefined) throw new AcceleratorError('CORRUPT_INPUT', 0, 'this is no stream of chunks');
  return Array.from({ length: count }, (_, index) => metadata[count - 1 - index]);
}
