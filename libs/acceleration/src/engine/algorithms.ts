/**
 * What a step does with the data that passes by. GENERATE and VERIFY leave it as it is: they make a digest, an
 * authentication code or a checksum of it, or compare it with what it should be.
 */
export const OPERATIONS = ['ENCRYPT', 'DECRYPT', 'COMPRESS', 'DECOMPRESS', 'GENERATE', 'VERIFY'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Cheap operations do not wait behind dear ones: each lane has threads of its own. */
export type LaneName = 'LIGHT' | 'HEAVY';

/** What there is to know of an algorithm; lengths in bytes, levels of compression from 1. */
export type AlgorithmDescription =
  | { readonly kind: 'aead'; readonly keyBytes: number; readonly cipher: AeadCipher }
  | { readonly kind: 'digest'; readonly digestBytes: number }
  | { readonly kind: 'mac'; readonly digestBytes: number; readonly minimumKeyBytes: number }
  | { readonly kind: 'compression'; readonly maximumLevel: number; readonly defaultLevel: number };

export type AlgorithmKind = AlgorithmDescription['kind'];

/** OpenSSL's and Node's name of a cipher. */
export type AeadCipher = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';

/**
 * The one table of algorithms. A new one is a line here, a line in the modules that have it, and its published vectors
 * in `vectors/`: capabilities, self-test, programs and documentation follow.
 */
export const ALGORITHMS = {
  /** NIST SP 800-38D, 96-bit nonces and 128-bit tags. */
  AES_128_GCM: { kind: 'aead', keyBytes: 16, cipher: 'aes-128-gcm' },
  AES_256_GCM: { kind: 'aead', keyBytes: 32, cipher: 'aes-256-gcm' },
  /** RFC 8439. */
  CHACHA20_POLY1305: { kind: 'aead', keyBytes: 32, cipher: 'chacha20-poly1305' },
  /** FIPS 180-4. */
  SHA_256: { kind: 'digest', digestBytes: 32 },
  SHA_512: { kind: 'digest', digestBytes: 64 },
  /** RFC 2104; keys of half the digest's length and more (RFC 2104, section 3). */
  HMAC_SHA_256: { kind: 'mac', digestBytes: 32, minimumKeyBytes: 16 },
  HMAC_SHA_512: { kind: 'mac', digestBytes: 64, minimumKeyBytes: 32 },
  /** Castagnoli's polynomial; four bytes in the order of RFC 3720, B.4. */
  CRC32C: { kind: 'digest', digestBytes: 4 },
  /** RFC 1951, without wrapping. */
  DEFLATE: { kind: 'compression', maximumLevel: 9, defaultLevel: 1 },
  /** RFC 1952, one member. */
  GZIP: { kind: 'compression', maximumLevel: 9, defaultLevel: 1 },
  /** RFC 8878, one frame. */
  ZSTD: { kind: 'compression', maximumLevel: 19, defaultLevel: 1 },
} as const satisfies Record<string, AlgorithmDescription>;

export type AlgorithmName = keyof typeof ALGORITHMS;

/** In the order of the table. */
export const ALGORITHM_NAMES = Object.keys(ALGORITHMS) as AlgorithmName[];

/** Whether a text, such as one from outside, is the name of an algorithm of the table. */
export const isAlgorithm = (name: string): name is AlgorithmName => Object.hasOwn(ALGORITHMS, name);

/** An algorithm's line of the table, as what all of its kind have. */
export const describeAlgorithm = (name: AlgorithmName): AlgorithmDescription => ALGORITHMS[name];

const OPERATIONS_OF: Record<AlgorithmKind, readonly Operation[]> = {
  aead: ['ENCRYPT', 'DECRYPT'],
  digest: ['GENERATE', 'VERIFY'],
  mac: ['GENERATE', 'VERIFY'],
  compression: ['COMPRESS', 'DECOMPRESS'],
};

/** What a step can do by an algorithm, and its inverse. */
export const operationsOf = (name: AlgorithmName): readonly Operation[] =>
  OPERATIONS_OF[describeAlgorithm(name).kind];

/** Compression costs some hundred times as much per byte as anything else here. */
export const laneOf = (operation: Operation): LaneName =>
  operation === 'COMPRESS' || operation === 'DECOMPRESS' ? 'HEAVY' : 'LIGHT';

/** What undoes a step; the steps of a program are undone in reverse order. */
export const INVERSE: Record<Operation, Operation> = {
  ENCRYPT: 'DECRYPT',
  DECRYPT: 'ENCRYPT',
  COMPRESS: 'DECOMPRESS',
  DECOMPRESS: 'COMPRESS',
  GENERATE: 'VERIFY',
  VERIFY: 'GENERATE',
};

/** Whether a step by an algorithm names a key. */
export const isKeyed = (name: AlgorithmName): boolean => {
  const { kind } = describeAlgorithm(name);
  return kind === 'aead' || kind === 'mac';
};

/** Longest key of a MAC, bytes: longer ones are hashed first, and add nothing. */
export const MAXIMUM_KEY_BYTES = 128;
/** Of every AEAD of the table: 96-bit nonces and 128-bit tags. */
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** Whether a key of that many bytes can be used, in words when it cannot. */
export function keyLengthProblem(name: AlgorithmName, bytes: number): string | undefined {
  const description = describeAlgorithm(name);
  if (description.kind === 'aead') {
    return bytes === description.keyBytes
      ? undefined
      : `must have ${description.keyBytes} bytes for ${name}, not ${bytes}`;
  }
  if (description.kind !== 'mac') return `${name} has no key`;
  const { minimumKeyBytes } = description;
  return bytes >= minimumKeyBytes && bytes <= MAXIMUM_KEY_BYTES
    ? undefined
    : `must have ${minimumKeyBytes} to ${MAXIMUM_KEY_BYTES} bytes for ${name}, not ${bytes}`;
}

/** Length of a key that is made for an algorithm, bytes. */
export function generatedKeyBytes(name: AlgorithmName): number {
  const description = describeAlgorithm(name);
  if (description.kind === 'aead') return description.keyBytes;
  return description.kind === 'mac' ? description.digestBytes : 0;
}
