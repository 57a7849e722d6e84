import type { Metadata } from '@outboard/acceleration';

export interface RunResult {
  readonly output: Uint8Array;
  /** What steps made: nonces, tags, digests, versions of keys. */
  readonly metadata: Metadata;
  /** Who did it. HOST: not the accelerator. */
  readonly ranOn: 'HARDWARE' | 'NATIVE_LIBRARY' | 'RUNTIME' | 'HOST';
  readonly engineNanoseconds: number;
  /** How often it was submitted. */
  readonly attempts: number;
}
