import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { type AeadCipher, TAG_BYTES } from '../engine/algorithms.js';

/**
 * A message of RFC 9180 (HPKE), mode base, single shot: DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256, with the AEAD of the
 * caller's choice. Whoever knows a public key seals to it; only its owner opens, and only under the same `info`.
 */
export interface Sealed {
  /** `enc`: the sender's ephemeral public key, 32 bytes. */
  readonly encapsulated: Uint8Array;
  /** Ciphertext and tag. */
  readonly ciphertext: Uint8Array;
}

const KEM = Buffer.from([0x00, 0x20]);
const KDF = Buffer.from([0x00, 0x01]);
const AEADS: Record<AeadCipher, { readonly id: number; readonly keyBytes: number }> = {
  'aes-128-gcm': { id: 1, keyBytes: 16 },
  'aes-256-gcm': { id: 2, keyBytes: 32 },
  'chacha20-poly1305': { id: 3, keyBytes: 32 },
};
const HASH_BYTES = 32;
const PUBLIC_BYTES = 32;
/** What stands before a raw key of X25519 in SubjectPublicKeyInfo and PKCS #8 (RFC 8410). */
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** An X25519 public key from its raw 32 bytes (RFC 7748). Throws Node's error on any other length. */
export const publicKeyFrom = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, raw]), format: 'der', type: 'spki' });

/** An X25519 private key from its raw 32 bytes. Throws Node's error on any other length. */
export const privateKeyFrom = (raw: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, raw]), format: 'der', type: 'pkcs8' });

/** The raw 32 bytes of a key, or of the public half of a private one. */
export const rawPublicKey = (key: KeyObject): Uint8Array => {
  const open = key.type === 'private' ? createPublicKey(key) : key;
  return Uint8Array.from(open.export({ format: 'der', type: 'spki' }).subarray(PUBLIC_PREFIX.length));
};

/** The raw 32 bytes of a private key. */
export const rawPrivateKey = (key: KeyObject): Uint8Array =>
  key.export({ format: 'der', type: 'pkcs8' }).subarray(PRIVATE_PREFIX.length);

/** A new X25519 key from the operating system's randomness. */
export const generatePrivateKey = (): KeyObject => generateKeyPairSync('x25519').privateKey;

/** What both sides must agree on (RFC 9180, section 5.1). */
export interface HpkeContext {
  /** Absent: AES-256-GCM. */
  readonly cipher?: AeadCipher;
  /** What the message is bound to. */
  readonly info: Uint8Array;
  /** Authenticated, not encrypted; absent: nothing. */
  readonly additional?: Uint8Array;
}

/** Seals to a public key. `ephemeral` is for tests with published answers alone: it must never be used twice. */
export function seal(
  recipient: KeyObject,
  plaintext: Uint8Array,
  context: HpkeContext,
  ephemeral: KeyObject = generatePrivateKey(),
): Sealed {
  const encapsulated = rawPublicKey(ephemeral);
  const shared = diffieHellman({ privateKey: ephemeral, publicKey: recipient });
  const { cipher, key, nonce } = schedule(shared, encapsulated, rawPublicKey(recipient), context);
  const sealing = createCipheriv(cipher as 'aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  sealing.setAAD(context.additional ?? Buffer.alloc(0));
  const ciphertext = Buffer.concat([sealing.update(plaintext), sealing.final(), sealing.getAuthTag()]);
  key.fill(0);
  return { encapsulated, ciphertext };
}

/** What was sealed, in memory that the caller wipes; undefined: not to this key, not under this context, or damaged. */
export function open(
  privateKey: KeyObject,
  { encapsulated, ciphertext }: Sealed,
  context: HpkeContext,
): Uint8Array | undefined {
  if (encapsulated.length !== PUBLIC_BYTES || ciphertext.length < TAG_BYTES) return undefined;
  let shared: Buffer;
  try {
    shared = diffieHellman({ privateKey, publicKey: publicKeyFrom(encapsulated) });
  } catch {
    // A point of small order: RFC 7748, section 6.1.
    return undefined;
  }
  const { cipher, key, nonce } = schedule(shared, encapsulated, rawPublicKey(privateKey), context);
  const opening = createDecipheriv(cipher as 'aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  opening.setAAD(context.additional ?? Buffer.alloc(0));
  opening.setAuthTag(ciphertext.subarray(-TAG_BYTES));
  const plaintext = opening.update(ciphertext.subarray(0, -TAG_BYTES));
  key.fill(0);
  try {
    opening.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    return undefined;
  }
}

/** KEM and key schedule, RFC 9180 sections 4.1 and 5.1; wipes `shared`. */
function schedule(
  dh: Buffer,
  encapsulated: Uint8Array,
  recipient: Uint8Array,
  { cipher = 'aes-256-gcm', info }: HpkeContext,
): { cipher: AeadCipher; key: Buffer; nonce: Buffer } {
  const { id, keyBytes } = AEADS[cipher];
  const kem = Buffer.concat([Buffer.from('KEM'), KEM]);
  const suite = Buffer.concat([Buffer.from('HPKE'), KEM, KDF, Buffer.from([0, id])]);
  const none = Buffer.alloc(0);
  const extracted = labeledExtract(kem, none, 'eae_prk', dh);
  const shared = labeledExpand(
    kem,
    extracted,
    'shared_secret',
    Buffer.concat([encapsulated, recipient]),
    HASH_BYTES,
  );
  const context = Buffer.concat([
    Buffer.from([0]),
    labeledExtract(suite, none, 'psk_id_hash', none),
    labeledExtract(suite, none, 'info_hash', info),
  ]);
  const secret = labeledExtract(suite, shared, 'secret', none);
  const key = labeledExpand(suite, secret, 'key', context, keyBytes);
  const nonce = labeledExpand(suite, secret, 'base_nonce', context, 12);
  for (const each of [dh, extracted, shared, secret]) each.fill(0);
  return { cipher, key, nonce };
}

const VERSION = Buffer.from('HPKE-v1');

/** HKDF-Extract (RFC 5869) of a labeled input. An empty salt is as many zeros as the hash has bytes. */
const labeledExtract = (suite: Uint8Array, salt: Uint8Array, label: string, input: Uint8Array): Buffer =>
  createHmac('sha256', salt.length === 0 ? Buffer.alloc(HASH_BYTES) : salt)
    .update(Buffer.concat([VERSION, suite, Buffer.from(label), input]))
    .digest();

/** HKDF-Expand of at most one block. */
const labeledExpand = (
  suite: Uint8Array,
  key: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Buffer =>
  createHmac('sha256', key)
    .update(
      Buffer.concat([
        Buffer.from([length >> 8, length & 0xff]),
        VERSION,
        suite,
        Buffer.from(label),
        info,
        Buffer.from([1]),
      ]),
    )
    .digest()
    .subarray(0, length);
