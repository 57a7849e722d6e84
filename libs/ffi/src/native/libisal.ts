import koffi from 'koffi';
import type { CompressionFailure } from './libzstd.js';
import { bindLibrary } from './load.js';

/** Wrapping of deflated data: none (RFC 1951) or gzip (RFC 1952). */
export type DeflateFormat = 'deflate' | 'gzip';

/** Levels of isal_deflate; more is smaller and slower. */
export const ISAL_MINIMUM_LEVEL = 1;
export const ISAL_MAXIMUM_LEVEL = 3;

// struct isal_zstream of igzip_lib.h 2.30, on 64-bit machines: where its members are.
const STREAM = {
  nextIn: 0,
  availIn: 8,
  nextOut: 16,
  availOut: 24,
  totalOut: 28,
  level: 40,
  levelBufferSize: 44,
  levelBuffer: 48,
  endOfStream: 56,
  gzipFlag: 60,
  length: 82_384,
};
// struct inflate_state.
const INFLATE = {
  nextOut: 0,
  availOut: 8,
  totalOut: 12,
  nextIn: 16,
  availIn: 32,
  crcFlag: 21_172,
  length: 87_368,
};
/** ISAL_DEF_LVL3_EXTRA_LARGE and more: the working memory of the highest level is enough for all. */
const LEVEL_BUFFER_LENGTH = 1 << 20;
/** A later 2.x may have longer structures. */
const SLACK = 64 * 1024;

const STATELESS_OVERFLOW = -1;
const DECOMPRESSED = 0;
const OUTPUT_OVERFLOW = 2;

/** Whole buffers at a time. Levels: ISAL_MINIMUM_LEVEL to ISAL_MAXIMUM_LEVEL. */
export interface Libisal {
  /** Bytes written, or why there are none. */
  compress(
    format: DeflateFormat,
    level: number,
    input: Uint8Array,
    output: Uint8Array,
  ): number | CompressionFailure;
  /** What follows the end of the compressed data is corruption too. */
  decompress(format: DeflateFormat, input: Uint8Array, output: Uint8Array): number | CompressionFailure;
  /** CRC-32C (Castagnoli; RFC 3720, B.4). */
  crc32c(input: Uint8Array): number;
}

/** Intel's ISA-L as Debian's libisal2 brings it: what SPDK's software module uses too. */
export function openLibisal(): Libisal {
  const isal = bindLibrary('libisal.so.2', (library) => ({
    initialiseDeflate: library.func('void isal_deflate_stateless_init(void *)'),
    deflate: library.func('int isal_deflate_stateless(void *)'),
    initialiseInflate: library.func('void isal_inflate_init(void *)'),
    inflate: library.func('int isal_inflate_stateless(void *)'),
    crc32c: library.func('uint32_t crc32_iscsi(const void *, int, uint32_t)'),
  }));
  const stream = Buffer.alloc(STREAM.length + SLACK);
  const levelBuffer = Buffer.alloc(LEVEL_BUFFER_LENGTH);
  const inflate = Buffer.alloc(INFLATE.length + SLACK);
  /** An address in a structure keeps nothing alive: what the library is working on is held here. */
  const held = { input: stream as Uint8Array, output: stream as Uint8Array, levelBuffer };
  const hold = (input: Uint8Array, output: Uint8Array): void => {
    held.input = input;
    held.output = output;
  };

  return {
    compress(format, level, input, output) {
      hold(input, output);
      isal.initialiseDeflate(stream);
      stream.writeBigUInt64LE(koffi.address(input), STREAM.nextIn);
      stream.writeUInt32LE(input.length, STREAM.availIn);
      stream.writeBigUInt64LE(koffi.address(output), STREAM.nextOut);
      stream.writeUInt32LE(output.length, STREAM.availOut);
      stream.writeUInt32LE(level, STREAM.level);
      stream.writeUInt32LE(LEVEL_BUFFER_LENGTH, STREAM.levelBufferSize);
      stream.writeBigUInt64LE(koffi.address(held.levelBuffer), STREAM.levelBuffer);
      stream.writeUInt16LE(1, STREAM.endOfStream);
      stream.writeUInt16LE(format === 'gzip' ? 1 : 0, STREAM.gzipFlag);
      const result: number = isal.deflate(stream);
      if (result === STATELESS_OVERFLOW) return 'overflow';
      return result === 0 ? stream.readUInt32LE(STREAM.totalOut) : 'corrupt';
    },
    decompress(format, input, output) {
      hold(input, output);
      isal.initialiseInflate(inflate);
      inflate.writeBigUInt64LE(koffi.address(output), INFLATE.nextOut);
      inflate.writeUInt32LE(output.length, INFLATE.availOut);
      inflate.writeBigUInt64LE(koffi.address(input), INFLATE.nextIn);
      inflate.writeUInt32LE(input.length, INFLATE.availIn);
      inflate.writeUInt32LE(format === 'gzip' ? 1 : 0, INFLATE.crcFlag);
      const result: number = isal.inflate(inflate);
      if (result === OUTPUT_OVERFLOW) return 'overflow';
      if (result !== DECOMPRESSED || inflate.readUInt32LE(INFLATE.availIn) > 0) return 'corrupt';
      return inflate.readUInt32LE(INFLATE.totalOut);
    },
    crc32c: (input) => (isal.crc32c(input, input.length, 0xffffffff) ^ 0xffffffff) >>> 0,
  };
}
