import * as ciphers from './ciphers.js';
import * as compression from './compression.js';
import * as digests from './digests.js';
import type { Vectors } from './vector.js';

/** The published answers of every algorithm: a module that does not give them is not used. */
export const VECTORS: Vectors = { ...ciphers, ...digests, ...compression };
