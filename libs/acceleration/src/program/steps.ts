import { timingSafeEqual } from 'node:crypto';
import { unreachable } from '@outboard/core';
import { ALGORITHMS, describeAlgorithm, NONCE_BYTES, TAG_BYTES } from '../engine/algorithms.js';
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
  /** Bytes of metadata that it adds to a completion. */
  readonly completionBytes: number;
  /** Of a step that changes data: bytes of output, or a negated status. */
  transform(
    input: Uint8Array,
    output: Uint8Array,
    metadata: StepMetadata | undefined,
    results: MetadataWriter,
  ): number;
  /** Of a step that leaves data as it is. */
  inspect(input: Uint8Array, metadata: StepMetadata | undefined, results: MetadataWriter): Status;
}

const NOTHING = new Uint8Array();
const KEY_VERSION_BYTES = entryBytes(4);

const notAsked = (): never => {
  throw new Error('a step was asked for what it does not do');
};

export function prepareStep(
  step: Step,
  index: number,
  candidate: Candidate,
  keyOf: (keyUid: string) => ThreadKey,
): PreparedStep {
  const { engine, implementation } = candidate;
  switch (engine.kind) {
    case 'aead':
      return step.operation === 'ENCRYPT'
        ? encryption(step, index, engine, implementation, keyOf(step.keyUid))
        : decryption(engine, implementation, keyOf(step.keyUid));
    case 'compression':
      return compression(step, engine, implementation);
    case 'digest':
      return digest(step, index, implementation, engine);
    case 'mac':
      return authentication(step, index, implementation, engine, keyOf(step.keyUid));
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
): PreparedStep {
  return {
    implementation,
    changesData: true,
    readsOnce: true,
    writesOnce: true,
    completionBytes: entryBytes(NONCE_BYTES) + entryBytes(TAG_BYTES) + KEY_VERSION_BYTES,
    transform(input, output, metadata, results) {
      if ((metadata?.nonce !== undefined) !== callerNonce) return -STATUS.INVALID_ARGUMENT;
      if (output.length < input.length) return -STATUS.OUTPUT_TOO_SMALL;
      const version = key.active;
      const opened = version?.open(engine);
      if (version === undefined || opened === undefined) return -STATUS.KEY_UNAVAILABLE;
      const nonce = results.entry(TAG.NONCE, index, NONCE_BYTES);
      if (metadata?.nonce !== undefined) nonce.set(metadata.nonce);
      else {
        const outcome = version.slot.takeNonce(nonce);
        if (outcome === 'EXHAUSTED') return -STATUS.RESOURCE_EXHAUSTED;
        if (outcome === 'WAIT') return -STATUS.BUSY;
      }
      const tag = results.entry(TAG.AUTHENTICATION_TAG, index, TAG_BYTES);
      const target = output.length === input.length ? output : output.subarray(0, input.length);
      opened.encrypt(nonce, metadata?.additional ?? NOTHING, input, target, tag);
      results.keyVersion(index, version.version);
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
    completionBytes: 0,
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
    completionBytes: 0,
    transform(input, output) {
      const length = isCompress ? engine.compress(level, input, output) : engine.decompress(input, output);
      if (typeof length === 'number') return length;
      if (length === 'overflow') return -STATUS.OUTPUT_TOO_SMALL;
      return isCompress ? -STATUS.ENGINE_FAILED : -STATUS.CORRUPT_INPUT;
    },
    inspect: notAsked,
  };
}

const digestBytesOf = (step: Step): number => {
  const description = describeAlgorithm(step.algorithm);
  return 'digestBytes' in description ? description.digestBytes : 0;
};

function digest(
  step: Step,
  index: number,
  implementation: Implementation,
  engine: EngineOf<'digest'>,
): PreparedStep {
  return inspection(step, index, implementation, 0, (input, output) => {
    engine.digest(input, output);
    return { version: 0 };
  });
}

function authentication(
  step: Step,
  index: number,
  implementation: Implementation,
  engine: EngineOf<'mac'>,
  key: ThreadKey,
): PreparedStep {
  const isGenerate = step.operation === 'GENERATE';
  return inspection(step, index, implementation, KEY_VERSION_BYTES, (input, output, wanted) => {
    const version = isGenerate ? key.active : key.find(wanted);
    if (version === undefined) return undefined;
    engine.authenticate(version.slot.key, input, output);
    // Destroyed in the middle of it, it was another key.
    return version.slot.isDestroyed() ? undefined : version;
  });
}

/** GENERATE or VERIFY of what `make` makes of data; it answers with the version of the key (0: none), if there is one. */
function inspection(
  step: Step,
  index: number,
  implementation: Implementation,
  keyBytes: number,
  make: (
    input: Uint8Array,
    output: Uint8Array,
    version: number | undefined,
  ) => { readonly version: number } | undefined,
): PreparedStep {
  const length = digestBytesOf(step);
  const made = new Uint8Array(length);
  const isGenerate = step.operation === 'GENERATE';
  return {
    implementation,
    changesData: false,
    readsOnce: isGenerate,
    writesOnce: true,
    completionBytes: isGenerate ? entryBytes(length) + keyBytes : 0,
    transform: notAsked,
    inspect(input, metadata, results) {
      const expected = metadata?.digest;
      if (isGenerate ? expected !== undefined : expected?.length !== length) return STATUS.INVALID_ARGUMENT;
      const key = make(input, made, metadata?.keyVersion);
      if (key === undefined) return STATUS.KEY_UNAVAILABLE;
      if (expected !== undefined) {
        return timingSafeEqual(made, expected) ? STATUS.OK : STATUS.VERIFICATION_FAILED;
      }
      results.entry(TAG.DIGEST, index, length).set(made);
      if (keyBytes > 0) results.keyVersion(index, key.version);
      return STATUS.OK;
    },
  };
}
