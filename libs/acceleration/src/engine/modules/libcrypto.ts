import { type LibcryptoDigest, openLibcrypto } from '@outboard/ffi';
import type { AeadCipher } from '../algorithms.js';
import type { EngineModule, EngineOf, ModuleLoader } from '../engine.js';

/** OpenSSL's library: AEADs, digests and HMAC. */
export const libcrypto: ModuleLoader = {
  name: 'libcrypto',
  open(): EngineModule {
    const library = openLibcrypto();
    const aead = (cipher: AeadCipher): EngineOf<'aead'> => ({
      kind: 'aead',
      open: (key) => library.aead(cipher, key),
    });
    const digest = (name: LibcryptoDigest): EngineOf<'digest'> => ({
      kind: 'digest',
      digest: (input, output) => library.digest(name, input, output),
    });
    const mac = (name: LibcryptoDigest): EngineOf<'mac'> => ({
      kind: 'mac',
      authenticate: (key, input, output) => library.hmac(name, key, input, output),
    });
    return {
      name: 'libcrypto',
      implementation: 'SOFTWARE_NATIVE',
      engines: {
        AES_128_GCM: aead('aes-128-gcm'),
        AES_256_GCM: aead('aes-256-gcm'),
        CHACHA20_POLY1305: aead('chacha20-poly1305'),
        SHA_256: digest('sha256'),
        SHA_512: digest('sha512'),
        HMAC_SHA_256: mac('sha256'),
        HMAC_SHA_512: mac('sha512'),
      },
    };
  },
};
