import { ascii, hex, type VectorOf } from './vector.js';

const vector = (source: string, plain: string, compressed: string): VectorOf<'compression'> => ({
  kind: 'compression',
  source,
  plain: ascii(plain),
  compressed: hex(compressed),
});

/** Made of the formats' definitions by hand: a stored block, and one with the fixed Huffman codes. */
export const DEFLATE: readonly VectorOf<'compression'>[] = [
  vector('RFC 1951, 3.2.4 (stored)', 'abc', '010300fcff616263'),
  vector('RFC 1951, 3.2.6 (fixed codes)', 'abc', '4b4c4a0600'),
  vector('RFC 1951, 3.2.5 (a distance)', 'a'.repeat(100), '4b4ca43d0000'),
];

export const GZIP: readonly VectorOf<'compression'>[] = [
  vector('RFC 1952', 'abc', '1f8b08000000000000034b4c4a0600c241243503000000'),
];

export const ZSTD: readonly VectorOf<'compression'>[] = [
  vector('RFC 8878, 3.1.1.2 (raw block)', 'abc', '28b52ffd2003190000616263'),
  vector('RFC 8878, 3.1.1.2 (RLE block)', 'a'.repeat(100), '28b52ffd206423030061'),
];
