import type { AlgorithmName, Operation } from './algorithms.js';
import type { CompressionFailure, Engine, EngineOf } from './engine.js';
import { VECTORS } from './vectors/index.js';
import type { Vector, VectorOf } from './vectors/vector.js';

/** Data with repetitions, of several blocks and not a multiple of any: what short vectors do not reach. */
const LONG = Uint8Array.from({ length: 70_001 }, (_, index) => (index * index) >> (index % 7));

/**
 * Known-answer test (FIPS 140-3's word) of one operation of one engine. Undefined: it gives the published answers;
 * otherwise what it did instead.
 */
export function selfTest(algorithm: AlgorithmName, operation: Operation, engine: Engine): string | undefined {
  try {
    for (const vector of VECTORS[algorithm]) {
      const fault = faultOf(operation, engine, vector);
      if (fault !== undefined) return `${vector.source}: ${fault}`;
    }
    return engine.kind === 'compression' ? longFault(engine) : undefined;
  } catch (failure) {
    return failure instanceof Error ? failure.message : String(failure);
  }
}

function faultOf(operation: Operation, engine: Engine, vector: Vector): string | undefined {
  if (engine.kind === 'aead' && vector.kind === 'aead') return aeadFault(operation, engine, vector);
  if (engine.kind === 'compression' && vector.kind === 'compression')
    return compressionFault(operation, engine, vector);
  const made = new Uint8Array(64);
  if (engine.kind === 'digest' && vector.kind === 'digest') {
    engine.digest(vector.input, made);
    return differs(made, vector.digest, 'digest');
  }
  if (engine.kind === 'mac' && vector.kind === 'mac') {
    engine.authenticate(vector.key, vector.input, made);
    return differs(made, vector.digest, 'authentication code');
  }
  return `an engine of kind ${engine.kind} cannot be asked for a ${vector.kind}`;
}

function aeadFault(
  operation: Operation,
  engine: EngineOf<'aead'>,
  vector: VectorOf<'aead'>,
): string | undefined {
  const key = engine.open(vector.key);
  try {
    const output = new Uint8Array(vector.plaintext.length);
    if (operation === 'ENCRYPT') {
      const tag = new Uint8Array(vector.tag.length);
      key.encrypt(vector.nonce, vector.additional, vector.plaintext, output, tag);
      return differs(output, vector.ciphertext, 'ciphertext') ?? differs(tag, vector.tag, 'tag');
    }
    if (!key.decrypt(vector.nonce, vector.additional, vector.ciphertext, output, vector.tag)) {
      return 'a good tag was refused';
    }
    const tampered = vector.tag.map((byte, index) => (index === 15 ? byte ^ 1 : byte));
    const scratch = new Uint8Array(output.length);
    if (key.decrypt(vector.nonce, vector.additional, vector.ciphertext, scratch, tampered)) {
      return 'a bad tag was taken';
    }
    return differs(output, vector.plaintext, 'plaintext');
  } finally {
    key[Symbol.dispose]();
  }
}

function compressionFault(
  operation: Operation,
  engine: EngineOf<'compression'>,
  { plain, compressed }: VectorOf<'compression'>,
): string | undefined {
  return operation === 'COMPRESS'
    ? roundTripFault(engine, engine.minimumLevel, plain)
    : decompressionFault(engine, compressed, plain);
}

/** Every level is tried: at some of them a library takes a way of its own. */
function longFault(engine: EngineOf<'compression'>): string | undefined {
  for (const level of new Set([engine.minimumLevel, Math.min(3, engine.maximumLevel), engine.maximumLevel])) {
    const fault = roundTripFault(engine, level, LONG);
    if (fault !== undefined) return `level ${level}: ${fault}`;
  }
  return undefined;
}

function roundTripFault(
  engine: EngineOf<'compression'>,
  level: number,
  plain: Uint8Array,
): string | undefined {
  const room = new Uint8Array(plain.length + 1024);
  const length = engine.compress(level, plain, room);
  if (typeof length !== 'number') return `compression failed: ${length}`;
  return decompressionFault(engine, room.slice(0, length), plain);
}

function decompressionFault(
  engine: EngineOf<'compression'>,
  compressed: Uint8Array,
  plain: Uint8Array,
): string | undefined {
  const output = new Uint8Array(plain.length);
  const length: number | CompressionFailure = engine.decompress(compressed, output);
  if (typeof length !== 'number') return `decompression failed: ${length}`;
  return length === plain.length ? differs(output, plain, 'decompressed data') : `${length} bytes came out`;
}

const differs = (actual: Uint8Array, expected: Uint8Array, what: string): string | undefined =>
  Buffer.compare(actual.subarray(0, expected.length), expected) === 0 ? undefined : `another ${what}`;
