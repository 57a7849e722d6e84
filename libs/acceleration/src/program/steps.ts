import { timingSafeEqual } from 'node:crypto';
import { unreachable } from '@outboard/core';
import { ALGORITHMS, describeAlgorithm, isKeyed, NONCE_BYTES, TAG_BYTES } from '../engine/algorithms.js';
import type { EngineOf, Implementation } from '../engine/engine.js';
import type { Candidate } from '../engine/engine-set.js';
import type { ThreadKey } from '../keys/thread-keys.js';
import { entryBytes, type MetadataWriter, type StepMetadata, TAG } from '../wire/metadata.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Step } from './program.js';

/** A step with its engine and its key. */
export interface PreparedStep {
  readonly implementation: Implementation;
  readonly changesData: boolean;
  /** Reads its input in one go and acts on nothing that it read: input in memory that others write may stay there. */
  readonly readsOnce: boolean;
  /** Writes nothing to its output that nobody may see. */
  readonly writesOnce: boolean;
  /** Of a step that changes data: bytes of output, or a negated status. */
  transform(input: Uint8Array, output: Uint8Array, metadata: StepMetadata | undefined): number;
  /** Of a step that leaves data as it is. */
  inspect(input: Uint8Array, metadata: StepMetadata | undefined): Status;
}

const NOTHING = new Uint8Array();
const KEY_VERSION_BYTES = entryBytes(4);

const notAsked = (): never => {
  throw new Error('a step was asked for what it does not do');
};

const digestBytesOf = (step: Step): number => {
  const description = describeAlgorithm(step.algorithm);
  return 'digestBytes' in description ? description.digestBytes : 0;
};

/** Bytes of metadata that a step makes. */
export function resultBytes(step: Step): number {
  if (step.operation === 'ENCRYPT') {
    return entryBytes(NONCE_BYTES) + entryBytes(TAG_BYTES) + KEY_VERSION_BYTES;
  }
  if (step.operation !== 'GENERATE') return 0;
  return entryBytes(digestBytesOf(step)) + (isKeyed(step.algorithm) ? KEY_VERSION_BYTES : 0);
}

/** The step of a program, ready to be done again and again: what it makes is written where `results` has room for it. */
export function prepareStep(
  step: Step,
  index: number,
  candidate: Candidate,
  keyOf: (keyUid: string) => ThreadKey,
  results: MetadataWriter,
): PreparedStep {
  const { engine, implementation } = candidate;
  switch (engine.kind) {
    case 'aead':
      return step.operation === 'ENCRYPT'
        ? encryption(step, index, engine, implementation, keyOf(step.keyUid), results)
        : decryption(engine, implementation, keyOf(step.keyUid));
    case 'compression':
      return compression(step, engine, implementation);
    case 'digest':
      return digest(step, index, implementation, engine, results);
    case 'mac':
      return authentication(step, index, implementation, engine, keyOf(step.keyUid), results);
    default:
      return unreachable(engine);
  }
}

function encryption(
  { callerNonce }: Step,
  index: number,
  engine: EngineOf<'aead'>,
  implementation: Implementation,
  key: ThreadKey,
  results: MetadataWriter,
): PreparedStep {
  const nonce = results.entry(TAG.NONCE, index, NONCE_BYTES);
  const tag = results.entry(TAG.AUTHENTICATION_TAG, index, TAG_BYTES);
  const setVersion = results.keyVersion(index);
  return {
    implementation,
    changesData: true,
    readsOnce: true,
    writesOnce: true,
    transform(input, output, metadata) {
      if ((metadata?.nonce !== undefined) !== callerNonce) return -STATUS.INVALID_ARGUMENT;
      if (output.length < input.length) return -STATUS.OUTPUT_TOO_SMALL;
      const version = key.active;
      const opened = version?.open(engine);
      if (version === undefined || opened === undefined) return -STATUS.KEY_UNAVAILABLE;
      if (metadata?.nonce !== undefined) nonce.set(metadata.nonce);
      else {
        const outcome = version.takeNonce(nonce);
        if (outcome === 'EXHAUSTED') return -STATUS.RESOURCE_EXHAUSTED;
        if (outcome === 'WAIT') return -STATUS.BUSY;
      }
      const target = output.length === input.length ? output : output.subarray(0, input.length);
      opened.encrypt(nonce, metadata?.additional ?? NOTHING, input, target, tag);
      setVersion(version.version);
      return input.length;
    },
    inspect: notAsked,
  };
}

function decryption(engine: EngineOf<'aead'>, implementation: Implementation, key: ThreadKey): PreparedStep {
  return {
    implementation,
    changesData: true,
    readsOnce: false,
    writesOnce: false,
    transform(input, output, metadata) {
      if (metadata?.nonce === undefined || metadata.tag === undefined) return -STATUS.INVALID_ARGUMENT;
      if (output.length < input.length) return -STATUS.OUTPUT_TOO_SMALL;
      const opened = key.find(metadata.keyVersion)?.open(engine);
      if (opened === undefined) return -STATUS.KEY_UNAVAILABLE;
      const target = output.subarray(0, input.length);
      const { nonce, tag, additional = NOTHING } = metadata;
      if (opened.decrypt(nonce, additional, input, target, tag)) return input.length;
      // Nobody is shown it, and nobody who finds a way to the memory afterwards either.
      target.fill(0);
      return -STATUS.VERIFICATION_FAILED;
    },
    inspect: notAsked,
  };
}

function compression(
  step: Step,
  engine: EngineOf<'compression'>,
  implementation: Implementation,
): PreparedStep {
  const description = describeAlgorithm(step.algorithm);
  const defaultLevel =
    description.kind === 'compression' ? description.defaultLevel : ALGORITHMS.ZSTD.defaultLevel;
  const level = step.level === 0 ? Math.max(defaultLevel, engine.minimumLevel) : step.level;
  const isCompress = step.operation === 'COMPRESS';
  return {
    implementation,
    changesData: true,
    readsOnce: false,
    writesOnce: false,
    transform(input, output) {
      const length = isCompress ? engine.compress(level, input, output) : engine.decompress(input, output);
      if (typeof length === 'number') return length;
      if (length === 'overflow') return -STATUS.OUTPUT_TOO_SMALL;
      return isCompress ? -STATUS.ENGINE_FAILED : -STATUS.CORRUPT_INPUT;
    },
    inspect: notAsked,
  };
}

function digest(
  step: Step,
  index: number,
  implementation: Implementation,
  engine: EngineOf<'digest'>,
  results: MetadataWriter,
): PreparedStep {
  return inspection(step, index, implementation, results, (input, output) => {
    engine.digest(input, output);
    return UNKEYED;
  });
}

const UNKEYED = { version: 0 };

function authentication(
  step: Step,
  index: number,
  implementation: Implementation,
  engine: EngineOf<'mac'>,
  key: ThreadKey,
  results: MetadataWriter,
): PreparedStep {
  const isGenerate = step.operation === 'GENERATE';
  return inspection(step, index, implementation, results, (input, output, wanted) => {
    const version = isGenerate ? key.active : key.find(wanted);
    if (version === undefined) return undefined;
    engine.authenticate(version.slot.key, input, output);
    // Destroyed in the middle of it, it was another key.
    return version.slot.isDestroyed() ? undefined : version;
  });
}

/** GENERATE or VERIFY of what `make` makes of data; it answers with the version of the key, undefined: there is none. */
function inspection(
  step: Step,
  index: number,
  implementation: Implementation,
  results: MetadataWriter,
  make: (
    input: Uint8Array,
    output: Uint8Array,
    version: number | undefined,
  ) => { readonly version: number } | undefined,
): PreparedStep {
  const length = digestBytesOf(step);
  const isGenerate = step.operation === 'GENERATE';
  const made = isGenerate ? results.entry(TAG.DIGEST, index, length) : new Uint8Array(length);
  const setVersion = isGenerate && isKeyed(step.algorithm) ? results.keyVersion(index) : undefined;
  return {
    implementation,
    changesData: false,
    readsOnce: isGenerate,
    writesOnce: true,
    transform: notAsked,
    inspect(input, metadata) {
      const expected = metadata?.digest;
      if (isGenerate ? expected !== undefined : expected?.length !== length) return STATUS.INVALID_ARGUMENT;
      const key = make(input, made, metadata?.keyVersion);
      if (key === undefined) return STATUS.KEY_UNAVAILABLE;
      setVersion?.(key.version);
      if (expected === undefined || timingSafeEqual(made, expected)) return STATUS.OK;
      return STATUS.VERIFICATION_FAILED;
    },
  };
}
