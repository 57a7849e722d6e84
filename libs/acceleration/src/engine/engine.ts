import type { AlgorithmName } from './algorithms.js';

/** For native code on the same thread, as long as the key is not disposed. */
export interface CipherContexts {
  readonly encryption: number;
  readonly decryption: number;
}

/** A key in a form that is ready for use; disposing wipes what the module made of it. */
export interface AeadKey extends Disposable {
  /** Of libcrypto: the EVP_CIPHER_CTX with which it encrypts, and decrypts. */
  readonly contexts?: CipherContexts;
  /** Fills `output` (as long as `input`, not overlapping it) and `tag` (16 bytes). */
  encrypt(
    nonce: Uint8Array,
    additional: Uint8Array,
    input: Uint8Array,
    output: Uint8Array,
    tag: Uint8Array,
  ): void;
  /** False: the tag is another one, and what is in `output` must be seen by nobody. */
  decrypt(
    nonce: Uint8Array,
    additional: Uint8Array,
    input: Uint8Array,
    output: Uint8Array,
    tag: Uint8Array,
  ): boolean;
}

/** Why there is no output: `output` has no room for it, or `input` is no such data or goes on after its end. */
export type CompressionFailure = 'overflow' | 'corrupt';

/** One algorithm of one module. All calls are synchronous, reentrant they need not be: a thread has engines of its own. */
export type Engine =
  | { readonly kind: 'aead'; open(key: Uint8Array): AeadKey }
  | { readonly kind: 'digest'; digest(input: Uint8Array, output: Uint8Array): void }
  | { readonly kind: 'mac'; authenticate(key: Uint8Array, input: Uint8Array, output: Uint8Array): void }
  | {
      readonly kind: 'compression';
      readonly minimumLevel: number;
      readonly maximumLevel: number;
      /** Bytes written to `output`. */
      compress(level: number, input: Uint8Array, output: Uint8Array): number | CompressionFailure;
      decompress(input: Uint8Array, output: Uint8Array): number | CompressionFailure;
    };

export type EngineOf<Kind extends Engine['kind']> = Extract<Engine, { kind: Kind }>;

/** Where work is done: hardware, a native library, or what comes with Node. */
export type Implementation = 'HARDWARE' | 'SOFTWARE_NATIVE' | 'SOFTWARE_RUNTIME';

/** Hardware first, hardware alone, or software alone. */
export type Offload = 'PREFERRED' | 'REQUIRED' | 'NEVER';

/** Whether an engine may do what was asked for so. */
export const isAllowed = (offload: Offload, implementation: string): boolean =>
  offload === 'PREFERRED' || (offload === 'REQUIRED') === (implementation === 'HARDWARE');

/** An adapter to something that can do operations. */
export interface EngineModule {
  readonly name: string;
  readonly implementation: Implementation;
  readonly engines: Readonly<Partial<Record<AlgorithmName, Engine>>>;
}

/** Opens a module on this machine and in this thread; throws with the reason when it is not there. */
export interface ModuleLoader {
  readonly name: string;
  open(): EngineModule;
}
