import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { deflateRawSync, gunzipSync, gzipSync, inflateRawSync, type ZlibOptions } from 'node:zlib';
import { type AeadCipher, ALGORITHMS, TAG_BYTES } from '../algorithms.js';
import type { CompressionFailure, EngineModule, EngineOf, ModuleLoader } from '../engine.js';
import { crc32c, crc32cBytes } from './crc32c.js';

/**
 * What comes with Node: always there, for everything but Zstandard. Keys that OpenSSL copied are wiped by it when the
 * garbage collector finds the cipher, not before.
 */
export const node: ModuleLoader = {
  name: 'node',
  open: (): EngineModule => ({
    name: 'node',
    implementation: 'SOFTWARE_RUNTIME',
    engines: {
      AES_128_GCM: aead('aes-128-gcm'),
      AES_256_GCM: aead('aes-256-gcm'),
      CHACHA20_POLY1305: aead('chacha20-poly1305'),
      SHA_256: digest('sha256'),
      SHA_512: digest('sha512'),
      HMAC_SHA_256: mac('sha256'),
      HMAC_SHA_512: mac('sha512'),
      CRC32C: { kind: 'digest', digest: (input, output) => crc32cBytes(crc32c(input), output) },
      DEFLATE: compression(deflateRawSync, inflateRawSync, ALGORITHMS.DEFLATE.maximumLevel),
      GZIP: compression(gzipSync, gunzipSync, ALGORITHMS.GZIP.maximumLevel),
    },
  }),
};

const aead = (cipher: AeadCipher): EngineOf<'aead'> => {
  // The type of the options differs between GCM and ChaCha20-Poly1305; the call is the same.
  const name = cipher as 'aes-256-gcm';
  const options = { authTagLength: TAG_BYTES };
  return {
    kind: 'aead',
    open: (shared) => {
      // The caller's may be zeroed while this one is used: nothing is ever encrypted with half a key, or with zeros.
      const key = Uint8Array.from(shared);
      return {
        encrypt(nonce, additional, input, output, tag) {
          const sealing = createCipheriv(name, key, nonce, options);
          if (additional.length > 0) sealing.setAAD(additional);
          output.set(sealing.update(input));
          sealing.final();
          tag.set(sealing.getAuthTag());
        },
        decrypt(nonce, additional, input, output, tag) {
          const opening = createDecipheriv(name, key, nonce, options);
          if (additional.length > 0) opening.setAAD(additional);
          opening.setAuthTag(tag);
          output.set(opening.update(input));
          try {
            opening.final();
            return true;
          } catch {
            return false;
          }
        },
        [Symbol.dispose]() {
          key.fill(0);
        },
      };
    },
  };
};

const digest = (name: string): EngineOf<'digest'> => ({
  kind: 'digest',
  digest: (input, output) => output.set(createHash(name).update(input).digest()),
});

const mac = (name: string): EngineOf<'mac'> => ({
  kind: 'mac',
  authenticate: (key, input, output) => output.set(createHmac(name, key).update(input).digest()),
});

/** With `info` Node answers with the output and the stream, which knows how much of the input it used. */
type WithInfo = (
  input: Uint8Array,
  options: ZlibOptions,
) => { buffer: Uint8Array; engine: { bytesWritten: number } };

const compression = (
  deflate: (input: Uint8Array, options: ZlibOptions) => Uint8Array,
  inflate: (input: Uint8Array, options: ZlibOptions) => unknown,
  maximumLevel: number,
): EngineOf<'compression'> => ({
  kind: 'compression',
  minimumLevel: 1,
  maximumLevel,
  compress: (level, input, output) =>
    unlessFailed(() =>
      placed(deflate(input, { level, maxOutputLength: Math.max(1, output.length) }), output),
    ),
  decompress: (input, output) =>
    unlessFailed(() => {
      const options = { info: true, maxOutputLength: Math.max(1, output.length) };
      const { buffer, engine } = (inflate as WithInfo)(input, options);
      return engine.bytesWritten === input.length ? placed(buffer, output) : 'corrupt';
    }),
});

function placed(bytes: Uint8Array, output: Uint8Array): number | CompressionFailure {
  if (bytes.length > output.length) return 'overflow';
  output.set(bytes);
  return bytes.length;
}

function unlessFailed(action: () => number | CompressionFailure): number | CompressionFailure {
  try {
    return action();
  } catch (failure) {
    const code = (failure as { code?: unknown }).code;
    return code === 'ERR_BUFFER_TOO_LARGE' ? 'overflow' : 'corrupt';
  }
}
