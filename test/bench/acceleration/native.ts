import { spawnSync } from 'node:child_process';
import { createCipheriv, createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { EngineOf } from '@outboard/acceleration';
import { EngineSet } from '@outboard/acceleration';

/** How fast an engine is when it is called in this process, and what a call costs. */
export interface NativeResult {
  readonly megabytesPerSecond: number;
  readonly processorMicroseconds: number;
}

const engines = EngineSet.open();
const ownNanoseconds = (): number =>
  Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);

function measure(size: number, seconds: number, call: () => void): NativeResult {
  for (let index = 0; index < 50; index++) call();
  let calls = 0;
  const began = performance.now();
  const processor = ownNanoseconds();
  while (performance.now() - began < seconds * 1000) {
    for (let index = 0; index < 8; index++) call();
    calls += 8;
  }
  return {
    megabytesPerSecond: (calls * size) / (performance.now() - began) / 1000,
    processorMicroseconds: (ownNanoseconds() - processor) / calls / 1000,
  };
}

/** AES-256-GCM by Node's own cipher, as an application without an accelerator has it: with a key that was made ready. */
export function runtimeCipher(size: number, seconds: number): NativeResult {
  const key = createSecretKey(Buffer.alloc(32, 3));
  const input = new Uint8Array(size).fill(1);
  const nonce = new Uint8Array(12);
  return measure(size, seconds, () => {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.update(input);
    cipher.final();
    cipher.getAuthTag();
  });
}

/** AES-256-GCM by the native module, over as many buffers in turn as jobs are in flight otherwise: the caches hold as much. */
export function nativeCipher(size: number, seconds: number, depth = 1): NativeResult {
  const engine = engines.find('ENCRYPT', 'AES_256_GCM', 0)?.engine as EngineOf<'aead'>;
  const key = engine.open(Buffer.alloc(32, 3));
  const inputs = Array.from({ length: depth }, () => new Uint8Array(size).fill(1));
  const outputs = Array.from({ length: depth }, () => new Uint8Array(size));
  const [nonce, tag, none] = [new Uint8Array(12), new Uint8Array(16), new Uint8Array()] as const;
  let turn = 0;
  const result = measure(size, seconds, () => {
    turn = (turn + 1) % depth;
    key.encrypt(nonce, none, inputs[turn] as Uint8Array, outputs[turn] as Uint8Array, tag);
  });
  key[Symbol.dispose]();
  return result;
}

/** Data that compresses as text does: the same as the client's in C. */
export function words(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 1n;
  for (let at = 0; at < size; at++) {
    if (at % 7 === 0) state = BigInt.asUintN(64, state * 1_103_515_245n + 12_345n);
    bytes[at] = 97 + ((Number((state >> 16n) & 511n) * ((at % 7) + 7)) % 26);
  }
  return bytes;
}

/** Zstandard by the native module, over as many buffers in turn as jobs are in flight otherwise. */
export function nativeCompression(size: number, seconds: number, depth = 1): NativeResult {
  const engine = engines.find('COMPRESS', 'ZSTD', 0)?.engine as EngineOf<'compression'>;
  const input = words(size);
  const inputs = Array.from({ length: depth }, () => input.slice());
  const outputs = Array.from({ length: depth }, () => new Uint8Array(size));
  let turn = 0;
  return measure(size, seconds, () => {
    turn = (turn + 1) % depth;
    engine.compress(1, inputs[turn] as Uint8Array, outputs[turn] as Uint8Array);
  });
}

/** `openssl speed` of one thread, 10^6 bytes a second; NaN where there is no such program. */
export function opensslSpeed(size: number): number {
  const args = ['speed', '-mr', '-evp', 'aes-256-gcm', '-bytes', `${size}`, '-seconds', '1'];
  const { stdout } = spawnSync('openssl', args, { encoding: 'utf8' });
  const [, rate = 'NaN'] = /^\+F:\d+:[^:]+:([\d.]+)/m.exec(stdout ?? '') ?? [];
  return Number(rate) / 1e6;
}
