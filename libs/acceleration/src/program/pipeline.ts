import type { Offload } from '../engine/engine.js';
import type { EngineSet } from '../engine/engine-set.js';
import type { FailoverEngine } from '../engine/failover-engine.js';
import { JobDropped } from '../engine/fault.js';
import type { ThreadKey } from '../keys/thread-keys.js';
import { monotonic } from '../monotonic.js';
import { type Metadata, MetadataWriter, type StepMetadata } from '../wire/metadata.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Program } from './program.js';
import type { Scratch } from './scratch.js';
import { type PreparedStep, prepareStep, resultBytes } from './steps.js';

/** A program that is one ENCRYPT with nonces of the worker, or one DECRYPT. */
export interface PlainCipher {
  readonly decrypts: boolean;
  readonly engine: FailoverEngine<'aead'>;
  readonly key: ThreadKey;
}

/**
 * A program with the engines of this thread, in one pass over memory that may be shared. Shared memory is never read
 * twice and never shows what has not been verified: input is copied before anything parses it or more than one step reads
 * it, and output is made in private memory unless a cipher writes it in one go.
 */
export class Pipeline {
  /** Bytes of output of the last job; after any failure 0. */
  produced = 0;
  /** The step in which the last job failed, from 1; 0: in none. */
  failedStep = 0;
  /** All steps of the last job were done by native libraries or hardware; by hardware alone. */
  native = true;
  hardware = true;
  /** Monotonic milliseconds at which the last job ended. */
  ended = 0;
  readonly #readsInPlace: boolean;
  readonly #writesInPlace: boolean;
  /** Index of the last step that changes data; -1: none does. */
  readonly #lastChange: number;

  private constructor(
    /** Of the keys that new nonces are taken from. */
    readonly encryptionKeys: readonly string[],
    private readonly steps: readonly PreparedStep[],
    /** What the steps of the last job made, as metadata: as long for every job. */
    readonly results: Uint8Array,
    private readonly scratch: Scratch,
    readonly plainCipher: PlainCipher | undefined,
  ) {
    const [first] = steps;
    this.#readsInPlace = steps.length === 1 && first !== undefined && first.readsOnce;
    this.#lastChange = steps.findLastIndex(({ changesData }) => changesData);
    this.#writesInPlace = this.#lastChange === steps.length - 1 && (steps.at(-1)?.writesOnce ?? false);
  }

  /** Undefined: there is no engine that may do one of the steps. Keys need not be there yet. */
  static compile(
    program: Program,
    engines: EngineSet,
    keyOf: (keyUid: string) => ThreadKey,
    scratch: Scratch,
    offload: Offload = 'PREFERRED',
  ): Pipeline | undefined {
    const steps: PreparedStep[] = [];
    const results = new Uint8Array(program.steps.reduce((sum, step) => sum + resultBytes(step), 0));
    const writer = new MetadataWriter(results);
    let plainCipher: PlainCipher | undefined;
    for (const [index, step] of program.steps.entries()) {
      const engine = engines.failover(step.operation, step.algorithm, step.level, offload);
      if (engine === undefined) return undefined;
      steps.push(prepareStep(step, index, engine, keyOf, writer));
      if (program.steps.length === 1 && engine.kind === 'aead' && !step.callerNonce)
        plainCipher = {
          decrypts: step.operation === 'DECRYPT',
          engine: engine as FailoverEngine<'aead'>,
          key: keyOf(step.keyUid),
        };
    }
    const encryptionKeys = program.steps
      .filter(({ operation, callerNonce }) => operation === 'ENCRYPT' && !callerNonce)
      .map(({ keyUid }) => keyUid);
    return new Pipeline(encryptionKeys, steps, results, scratch, plainCipher);
  }

  /**
   * Does a job, with its input and room for its output wherever they are: `inputShared`, `outputShared` say that somebody
   * else may change the input, or see the output, at any moment. The outcome is in `produced`, `failedStep` and `results`
   * until the next job. `began`: monotonic milliseconds. Throws `JobDropped` when nobody is to be told of it.
   */
  run(
    input: Uint8Array,
    inputShared: boolean,
    output: Uint8Array,
    outputShared: boolean,
    metadata: Metadata,
    began = monotonic(),
  ): Status {
    let data = inputShared && !this.#readsInPlace ? this.#privately(input) : input;
    let next: 1 | 2 = 1;
    let since = began;
    this.produced = 0;
    this.failedStep = 0;
    this.native = true;
    this.hardware = true;
    for (let index = 0; index < this.steps.length; index++) {
      const step = this.steps[index] as PreparedStep;
      const direct = step.changesData && index === this.#lastChange && (!outputShared || this.#writesInPlace);
      const target = direct ? output : this.scratch.buffer(next, output);
      const length = this.#do(step, data, target, metadata[index]);
      this.ended = monotonic();
      const { used } = step.engine;
      used.charge(this.ended - since);
      this.native &&= used.candidate.implementation !== 'SOFTWARE_RUNTIME';
      this.hardware &&= used.candidate.implementation === 'HARDWARE';
      since = this.ended;
      if (length < 0) return this.#fail(-length as Status, index + 1);
      if (!step.changesData) continue;
      next = next === 1 ? 2 : 1;
      data = target.length === length ? target : target.subarray(0, length);
    }
    return this.#place(data, output);
  }

  /** Bytes of output of a step, or a negated status. An engine that breaks its contract fails the job, not the thread. */
  #do(step: PreparedStep, data: Uint8Array, target: Uint8Array, metadata: StepMetadata | undefined): number {
    try {
      return step.changesData ? step.transform(data, target, metadata) : -step.inspect(data, metadata);
    } catch (failure) {
      if (failure instanceof JobDropped) throw failure;
      return -STATUS.ENGINE_FAILED;
    }
  }

  #fail(status: Status, step: number): Status {
    this.failedStep = step;
    return status;
  }

  #privately(data: Uint8Array): Uint8Array {
    const copy = this.scratch.buffer(0, data).subarray(0, data.length);
    copy.set(data);
    return copy;
  }

  /** A program that leaves data as it is has no output: its results are in the metadata. */
  #place(data: Uint8Array, output: Uint8Array): Status {
    if (this.#lastChange < 0) return STATUS.OK;
    if (data.length > output.length) return this.#fail(STATUS.OUTPUT_TOO_SMALL, this.steps.length);
    if (data.buffer !== output.buffer || data.byteOffset !== output.byteOffset) {
      output.set(data);
      this.ended = monotonic();
    }
    this.produced = data.length;
    return STATUS.OK;
  }
}
