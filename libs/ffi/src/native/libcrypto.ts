import { invariant } from '@outboard/core';
import { fixedPlace } from './fixed-place.js';
import { bindLibrary } from './load.js';

/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG of openssl/evp.h. */
const GET_TAG = 0x10;
const SET_TAG = 0x11;
/** All AEADs here have tags of 16 bytes and nonces of 12. */
const TAG_LENGTH = 16;
const NONCE_LENGTH = 12;

/** Faster than `set` for so few. */
function copy(from: Uint8Array, to: Uint8Array): void {
  for (let index = 0; index < from.length; index++) to[index] = from[index] as number;
}

export type LibcryptoCipher = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';
export type LibcryptoDigest = 'sha256' | 'sha512';

/** A key ready for use with one cipher in libcrypto's own memory, which is wiped when it is disposed. */
export interface LibcryptoAead extends Disposable {
  /** The EVP_CIPHER_CTX of each direction, for native code on the same thread; good until it is disposed. */
  readonly contexts: { readonly encryption: number; readonly decryption: number };
  /** Fills `output` (as long as `input`) and `tag` (16 bytes). `nonce` has 12 bytes and must be new under the key. */
  encrypt(
    nonce: Uint8Array,
    additional: Uint8Array,
    input: Uint8Array,
    output: Uint8Array,
    tag: Uint8Array,
  ): void;
  /** False: the tag is not that of what was decrypted, and what is in `output` must not be used. */
  decrypt(
    nonce: Uint8Array,
    additional: Uint8Array,
    input: Uint8Array,
    output: Uint8Array,
    tag: Uint8Array,
  ): boolean;
}

/** Calls throw an `Error` with the function's name where the library refuses. */
export interface Libcrypto {
  aead(cipher: LibcryptoCipher, key: Uint8Array): LibcryptoAead;
  /** Fills `output` with the digest of `input`. */
  digest(name: LibcryptoDigest, input: Uint8Array, output: Uint8Array): void;
  /** RFC 2104. */
  hmac(name: LibcryptoDigest, key: Uint8Array, input: Uint8Array, output: Uint8Array): void;
}

/** OpenSSL 3's libcrypto (evp(7)) as Debian's libssl3 brings it. */
export function openLibcrypto(): Libcrypto {
  const evp = bindLibrary('libcrypto.so.3', (library) => ({
    newContext: library.func('uint64_t EVP_CIPHER_CTX_new()'),
    freeContext: library.func('void EVP_CIPHER_CTX_free(uint64_t)'),
    control: library.func('int EVP_CIPHER_CTX_ctrl(uint64_t, int, int, uint64_t)'),
    setKey: library.func('int EVP_CipherInit_ex(uint64_t, void *, void *, const void *, void *, int)'),
    setNonce: library.func('int EVP_CipherInit_ex(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, int)'),
    update: library.func('int EVP_CipherUpdate(uint64_t, void *, uint64_t, const void *, int)'),
    finish: library.func('int EVP_CipherFinal_ex(uint64_t, uint64_t, uint64_t)'),
    digest: library.func('int EVP_Digest(const void *, size_t, void *, void *, void *, void *)'),
    hmac: library.func('void *HMAC(void *, const void *, int, const void *, size_t, void *, void *)'),
    ciphers: {
      'aes-128-gcm': library.func('void *EVP_aes_128_gcm()'),
      'aes-256-gcm': library.func('void *EVP_aes_256_gcm()'),
      'chacha20-poly1305': library.func('void *EVP_chacha20_poly1305()'),
    },
    digests: {
      sha256: library.func('void *EVP_sha256()'),
      sha512: library.func('void *EVP_sha512()'),
    },
  }));
  // What every call needs has a place that does not move: an array as an argument costs a fifth of a call for 4 KiB.
  const lengthOut = fixedPlace(4);
  const noTail = fixedPlace(TAG_LENGTH);
  const nonceIn = fixedPlace(NONCE_LENGTH);
  const tagPlace = fixedPlace(TAG_LENGTH);
  const digests = { sha256: evp.digests.sha256(), sha512: evp.digests.sha512() };

  const succeed = (result: number, call: string): void => {
    // The message is made only when it is needed: this is asked several times for each kilobyte.
    if (result !== 1) throw new Error(`libcrypto: ${call} was refused`);
  };

  class Aead implements LibcryptoAead {
    // Addresses as numbers: a pointer as a BigInt is made anew for each call.
    readonly contexts: { readonly encryption: number; readonly decryption: number };
    #disposed = false;

    constructor(cipher: LibcryptoCipher, key: Uint8Array) {
      const encryption = Number(evp.newContext());
      const decryption = Number(evp.newContext());
      this.contexts = { encryption, decryption };
      const description = evp.ciphers[cipher]();
      succeed(evp.setKey(encryption, description, null, key, null, 1), cipher);
      succeed(evp.setKey(decryption, description, null, key, null, 0), cipher);
    }

    encrypt(
      nonce: Uint8Array,
      additional: Uint8Array,
      input: Uint8Array,
      output: Uint8Array,
      tag: Uint8Array,
    ): void {
      const context = this.contexts.encryption;
      this.#pass(context, nonce, additional, input, output, 1);
      succeed(evp.finish(context, noTail.address, lengthOut.address), 'EVP_CipherFinal_ex');
      succeed(evp.control(context, GET_TAG, TAG_LENGTH, tagPlace.address), 'EVP_CTRL_AEAD_GET_TAG');
      copy(tagPlace.bytes, tag);
    }

    decrypt(
      nonce: Uint8Array,
      additional: Uint8Array,
      input: Uint8Array,
      output: Uint8Array,
      tag: Uint8Array,
    ): boolean {
      const context = this.contexts.decryption;
      this.#pass(context, nonce, additional, input, output, 0);
      copy(tag, tagPlace.bytes);
      succeed(evp.control(context, SET_TAG, TAG_LENGTH, tagPlace.address), 'EVP_CTRL_AEAD_SET_TAG');
      return evp.finish(context, noTail.address, lengthOut.address) === 1;
    }

    #pass(
      context: number,
      nonce: Uint8Array,
      additional: Uint8Array,
      input: Uint8Array,
      output: Uint8Array,
      direction: 0 | 1,
    ): void {
      invariant(!this.#disposed, 'a key that was disposed');
      copy(nonce, nonceIn.bytes);
      succeed(evp.setNonce(context, 0, 0, 0, nonceIn.address, direction), 'EVP_CipherInit_ex');
      if (additional.length > 0) {
        succeed(
          evp.update(context, null, lengthOut.address, additional, additional.length),
          'EVP_CipherUpdate',
        );
      }
      if (input.length > 0) {
        succeed(evp.update(context, output, lengthOut.address, input, input.length), 'EVP_CipherUpdate');
      }
    }

    [Symbol.dispose](): void {
      if (this.#disposed) return;
      this.#disposed = true;
      evp.freeContext(this.contexts.encryption);
      evp.freeContext(this.contexts.decryption);
    }
  }

  return {
    aead: (cipher, key) => new Aead(cipher, key),
    digest: (name, input, output) =>
      succeed(evp.digest(input, input.length, output, null, digests[name], null), 'EVP_Digest'),
    hmac: (name, key, input, output) => {
      const result = evp.hmac(digests[name], key, key.length, input, input.length, output, null);
      invariant(result !== null, 'libcrypto: HMAC was refused');
    },
  };
}
