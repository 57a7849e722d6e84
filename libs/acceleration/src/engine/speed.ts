import { describeAlgorithm, generatedKeyBytes, NONCE_BYTES, TAG_BYTES } from './algorithms.js';
import type { Candidate } from './engine-unit.js';
import { sampleText } from './sample-text.js';

/** Sizes of jobs that speeds are told for, bytes. */
const MEASURED_SIZES = [4096, 65_536, 1_048_576] as const;
/** How long one of them is measured, milliseconds. */
const MEASURE_MILLISECONDS = 4;

/** Of jobs of one size, by one engine in one thread. */
export interface MeasuredSpeed {
  readonly inputBytes: number;
  /** 10^6 bytes of input a second, at least 1: 0 is what nobody has measured. */
  readonly megabytesPerSecond: number;
}

/** How fast an engine is now, in this thread, with data that compresses by about two thirds. Monotonic milliseconds. */
export function measureSpeed(candidate: Candidate, now: () => number): readonly MeasuredSpeed[] {
  return MEASURED_SIZES.map((inputBytes) => {
    const job = jobOf(candidate, sampleText(inputBytes));
    job();
    let count = 0;
    const began = now();
    let elapsed = 0;
    while (elapsed < MEASURE_MILLISECONDS) {
      job();
      count++;
      elapsed = now() - began;
    }
    // One small job that the machine interrupts for milliseconds would round to 0.
    return { inputBytes, megabytesPerSecond: Math.max(1, Math.round((inputBytes * count) / elapsed / 1000)) };
  });
}

function jobOf({ algorithm, operation, engine }: Candidate, input: Uint8Array): () => unknown {
  const output = new Uint8Array(input.length + 65_536);
  const key = new Uint8Array(Math.max(1, generatedKeyBytes(algorithm))).fill(1);
  switch (engine.kind) {
    case 'aead': {
      const opened = engine.open(key);
      const [nonce, tag, none] = [
        new Uint8Array(NONCE_BYTES),
        new Uint8Array(TAG_BYTES),
        new Uint8Array(),
      ] as const;
      const target = output.subarray(0, input.length);
      return operation === 'ENCRYPT'
        ? () => opened.encrypt(nonce, none, input, target, tag)
        : () => opened.decrypt(nonce, none, input, target, tag);
    }
    case 'digest':
      return () => engine.digest(input, output);
    case 'mac':
      return () => engine.authenticate(key, input, output);
    case 'compression': {
      const description = describeAlgorithm(algorithm);
      const level = description.kind === 'compression' ? description.defaultLevel : 1;
      if (operation === 'COMPRESS') return () => engine.compress(level, input, output);
      const length = engine.compress(level, input, output);
      const compressed = output.slice(0, typeof length === 'number' ? length : 0);
      return () => engine.decompress(compressed, output);
    }
  }
}
