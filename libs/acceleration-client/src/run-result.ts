import type { Metadata } from '@outboard/acceleration';

/** How a job ended that has ended well. */
export interface RunResult {
  readonly output: Uint8Array;
  /** What steps made: nonces, tags, digests, versions of keys. */
  readonly metadata: Metadata;
  /** Who did it. HOST: not the accelerator. */
  readonly ranOn: 'HARDWARE' | 'NATIVE_LIBRARY' | 'RUNTIME' | 'HOST';
  /** What the engines took for it, which the session's share is charged with. */
  readonly engineNanoseconds: number;
  /** How often it was submitted. */
  readonly attempts: number;
}
