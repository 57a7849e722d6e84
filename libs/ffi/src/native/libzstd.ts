import { bindLibrary } from './load.js';

/** ZSTD_error_dstSize_tooSmall of zstd_errors.h. */
const DESTINATION_TOO_SMALL = 70;

/** What a library for compression could not do: the room for output was too small, or the input is no such data. */
export type CompressionFailure = 'overflow' | 'corrupt';

/** Whole frames (RFC 8878) at a time. Levels as of ZSTD_maxCLevel() and below. */
export interface Libzstd {
  /** Bytes written, or why there are none. */
  compress(level: number, input: Uint8Array, output: Uint8Array): number | CompressionFailure;
  decompress(input: Uint8Array, output: Uint8Array): number | CompressionFailure;
}

/** libzstd (RFC 8878) as Debian's libzstd1 brings it; its contexts are used again by every call. */
export function openLibzstd(): Libzstd {
  const zstd = bindLibrary('libzstd.so.1', (library) => ({
    newCompression: library.func('void *ZSTD_createCCtx()'),
    newDecompression: library.func('void *ZSTD_createDCtx()'),
    // size_t: read as signed, an error is its negated code.
    compress: library.func('int64_t ZSTD_compressCCtx(void *, void *, size_t, const void *, size_t, int)'),
    decompress: library.func('int64_t ZSTD_decompressDCtx(void *, void *, size_t, const void *, size_t)'),
  }));
  const compression = zstd.newCompression();
  const decompression = zstd.newDecompression();
  const outcome = (result: number): number | CompressionFailure => {
    if (result >= 0) return result;
    return result === -DESTINATION_TOO_SMALL ? 'overflow' : 'corrupt';
  };
  return {
    compress: (level, input, output) =>
      outcome(zstd.compress(compression, output, output.length, input, input.length, level)),
    decompress: (input, output) =>
      outcome(zstd.decompress(decompression, output, output.length, input, input.length)),
  };
}
