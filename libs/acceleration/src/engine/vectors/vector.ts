import type { AlgorithmName } from '../algorithms.js';

/** What an algorithm must answer, as somebody published it. */
export type Vector =
  | {
      readonly kind: 'aead';
      readonly source: string;
      readonly key: Uint8Array;
      readonly nonce: Uint8Array;
      readonly additional: Uint8Array;
      readonly plaintext: Uint8Array;
      readonly ciphertext: Uint8Array;
      readonly tag: Uint8Array;
    }
  | {
      readonly kind: 'digest';
      readonly source: string;
      readonly input: Uint8Array;
      readonly digest: Uint8Array;
    }
  | {
      readonly kind: 'mac';
      readonly source: string;
      readonly key: Uint8Array;
      readonly input: Uint8Array;
      readonly digest: Uint8Array;
    }
  | {
      readonly kind: 'compression';
      readonly source: string;
      readonly plain: Uint8Array;
      /** One of many forms: whoever decompresses must understand it, whoever compresses need not make it. */
      readonly compressed: Uint8Array;
    };

export type VectorOf<Kind extends Vector['kind']> = Extract<Vector, { kind: Kind }>;

export type Vectors = Readonly<Record<AlgorithmName, readonly Vector[]>>;

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
