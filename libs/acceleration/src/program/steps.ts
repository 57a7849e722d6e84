import { timingSafeEqual } from 'node:crypto';
import { unreachable } from '@outboard/core';
import { ALGORITHMS, describeAlgorithm, isKeyed, NONCE_BYTES, TAG_BYTES } from '../engine/algorithms.js';
import type { EngineOf } from '../engine/engine.js';
import type { FailoverEngine } from '../engine/failover-engine.js';
import type { ThreadKey } from '../keys/thread-keys.js';
import { entryBytes, type MetadataWriter, type StepMetadata, TAG } from '../wire/metadata.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Step } from './program.js';

/** A step with its engine and its key. */
export interface PreparedStep {
  /** Its modules; `used` did the last job. */
  readonly engine: Pick<FailoverEngine, 'used'>;
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
  engine: FailoverEngine,
  keyOf: (keyUid: string) => ThreadKey,
  results: MetadataWriter,
): PreparedStep {
  switch (engine.kind) {
    case 'aead': {
      const aead = engine as FailoverEngine<'aead'>;
      return step.operation === 'ENCRYPT'
        ? encryption(step, index, aead, keyOf(step.keyUid), results)
        : decryption(aead, keyOf(step.keyUid));
    }
    case 'compression':
      return compression(step, engine as FailoverEngine<'compression'>);
    case 'digest':
      return digest(step, index, engine as FailoverEngine<'digest'>, results);
    case 'mac':
      return authentication(step, index, engine as FailoverEngine<'mac'>, keyOf(step.keyUid), results);
    default:
      return unreachable(engine.kind);
  }
}

function encryption(
  { callerNonce }: Step,
  index: number,
  engine: FailoverEngine<'aead'>,
  key: ThreadKey,
  results: MetadataWriter,
): PreparedStep {
  const nonce = results.entry(TAG.NONCE, index, NONCE_BYTES);
  const tag = results.entry(TAG.AUTHENTICATION_TAG, index, TAG_BYTES);
  const setVersion = results.keyVersion(index);
  return {
    engine,
    changesData: true,
    readsOnce: true,
    writesOnce: true,
    transform(input, output, metadata) {
      const given = metadata?.nonce;
      if ((given !== undefined) !== callerNonce) return -STATUS.INVALID_ARGUMENT;
      if (output.length < input.length) return -STATUS.OUTPUT_TOO_SMALL;
      const version = key.active;
      if (version === undefined) return -STATUS.KEY_UNAVAILABLE;
      const additional = metadata?.additional ?? NOTHING;
      const target = output.length === input.length ? output : output.subarray(0, input.length);
      setVersion(version.version);
      return engine.run(input.length, target, (module) => {
        const opened = version.open(module);
        if (opened === undefined) return -STATUS.KEY_UNAVAILABLE;
        // Another one for each try: input that is shared may have changed since the last.
        const outcome = given === undefined ? version.takeNonce(nonce) : 'TAKEN';
        if (outcome !== 'TAKEN') return outcome === 'WAIT' ? -STATUS.BUSY : -STATUS.RESOURCE_EXHAUSTED;
        if (given !== undefined) nonce.set(given);
        opened.encrypt(nonce, additional, input, target, tag);
        return input.length;
      });
    },
    inspect: notAsked,
  };
}

function decryption(engine: FailoverEngine<'aead'>, key: ThreadKey): PreparedStep {
  return {
    engine,
    changesData: true,
    readsOnce: false,
    writesOnce: false,
    transform(input, output, metadata) {
      if (metadata?.nonce === undefined || metadata.tag === undefined) return -STATUS.INVALID_ARGUMENT;
      if (output.length < input.length) return -STATUS.OUTPUT_TOO_SMALL;
      const version = key.find(metadata.keyVersion);
      if (version === undefined) return -STATUS.KEY_UNAVAILABLE;
      const target = output.subarray(0, input.length);
      const { nonce, tag, additional = NOTHING } = metadata;
      return engine.run(input.length, target, (module) => {
        const opened = version.open(module);
        if (opened === undefined) return -STATUS.KEY_UNAVAILABLE;
        if (opened.decrypt(nonce, additional, input, target, tag)) return input.length;
        // Nobody is shown it, and nobody who finds a way to the memory afterwards either.
        target.fill(0);
        return -STATUS.VERIFICATION_FAILED;
      });
    },
    inspect: notAsked,
  };
}

function compression(step: Step, engine: FailoverEngine<'compression'>): PreparedStep {
  const description = describeAlgorithm(step.algorithm);
  const defaultLevel =
    description.kind === 'compression' ? description.defaultLevel : ALGORITHMS.ZSTD.defaultLevel;
  const isCompress = step.operation === 'COMPRESS';
  const work = (module: EngineOf<'compression'>, input: Uint8Array, output: Uint8Array): number => {
    const level = step.level === 0 ? Math.max(defaultLevel, module.minimumLevel) : step.level;
    const length = isCompress ? module.compress(level, input, output) : module.decompress(input, output);
    if (typeof length === 'number') return length;
    if (length === 'overflow') return -STATUS.OUTPUT_TOO_SMALL;
    if (isCompress) throw new Error('the engine does not compress');
    return -STATUS.CORRUPT_INPUT;
  };
  return {
    engine,
    changesData: true,
    readsOnce: false,
    writesOnce: false,
    transform: (input, output) => engine.run(input.length, output, (module) => work(module, input, output)),
    inspect: notAsked,
  };
}

function digest(
  step: Step,
  index: number,
  engine: FailoverEngine<'digest'>,
  results: MetadataWriter,
): PreparedStep {
  return inspection(step, index, engine, results, (input, output) => {
    engine.run(input.length, output, (module) => module.digest(input, output));
    return UNKEYED;
  });
}

const UNKEYED = { version: 0 };

function authentication(
  step: Step,
  index: number,
  engine: FailoverEngine<'mac'>,
  key: ThreadKey,
  results: MetadataWriter,
): PreparedStep {
  const isGenerate = step.operation === 'GENERATE';
  return inspection(step, index, engine, results, (input, output, wanted) => {
    const version = isGenerate ? key.active : key.find(wanted);
    if (version === undefined) return undefined;
    engine.run(input.length, output, (module) => module.authenticate(version.slot.key, input, output));
    // Destroyed in the middle of it, it was another key.
    return version.slot.isDestroyed() ? undefined : version;
  });
}

/** GENERATE or VERIFY of what `make` makes of data; it answers with the version of the key, undefined: there is none. */
function inspection(
  step: Step,
  index: number,
  engine: PreparedStep['engine'],
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
    engine,
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
