import type { EngineSet } from '../engine/engine-set.js';
import type { ThreadKey } from '../keys/thread-keys.js';
import { MAXIMUM_TRANSFER } from '../wire/frame.js';
import { type Metadata, MetadataWriter } from '../wire/metadata.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Program } from './program.js';
import { type PreparedStep, prepareStep } from './steps.js';

/** Where a job's data is and goes. */
export interface Passage {
  readonly input: Uint8Array;
  /** Somebody else may change the input, or see the output, at any moment. */
  readonly inputShared: boolean;
  readonly output: Uint8Array;
  readonly outputShared: boolean;
  readonly metadata: Metadata;
  /** Room for `completionBytes`. */
  readonly results: Uint8Array;
}

export interface Outcome {
  readonly status: Status;
  /** From 1; 0: none. */
  readonly failedStep: number;
  /** Bytes of output; after any failure there are none. */
  readonly produced: number;
}

const failed = (status: Status, failedStep: number): Outcome => ({ status, failedStep, produced: 0 });

/** Memory of a thread in which steps hand data on: it has one job at a time. */
export class Scratch {
  readonly #buffers: Uint8Array[] = [];

  /** One of three; the one with the data that is read is never the one that is asked for. */
  buffer(index: 0 | 1 | 2): Uint8Array {
    this.#buffers[index] ??= Buffer.allocUnsafeSlow(MAXIMUM_TRANSFER);
    return this.#buffers[index] as Uint8Array;
  }
}

/**
 * A program with the engines of this thread, in one pass over memory that may be shared. Shared memory is never read
 * twice and never shows what has not been verified: input is copied before anything parses it or more than one step reads
 * it, and output is made in private memory unless a cipher writes it in one go.
 */
export class Pipeline {
  /** Bytes of metadata that a completion has, the same for every job. */
  readonly completionBytes: number;
  /** All steps are done by native libraries or hardware; by hardware alone. */
  readonly native: boolean;
  readonly hardware: boolean;
  readonly #readsInPlace: boolean;
  readonly #writesInPlace: boolean;
  /** Index of the last step that changes data; -1: none does. */
  readonly #lastChange: number;

  private constructor(
    /** Of the keys that new nonces are taken from. */
    readonly encryptionKeys: readonly string[],
    private readonly steps: readonly PreparedStep[],
    private readonly scratch: Scratch,
  ) {
    this.completionBytes = steps.reduce((sum, step) => sum + step.completionBytes, 0);
    this.native = steps.every(({ implementation }) => implementation !== 'SOFTWARE_RUNTIME');
    this.hardware = steps.every(({ implementation }) => implementation === 'HARDWARE');
    const [first] = steps;
    this.#readsInPlace = steps.length === 1 && first !== undefined && first.readsOnce;
    this.#lastChange = steps.findLastIndex(({ changesData }) => changesData);
    this.#writesInPlace = this.#lastChange === steps.length - 1 && (steps.at(-1)?.writesOnce ?? false);
  }

  /** Undefined: there is no engine for one of the steps. Keys need not be there yet. */
  static compile(
    program: Program,
    engines: EngineSet,
    keyOf: (keyUid: string) => ThreadKey,
    scratch: Scratch,
  ): Pipeline | undefined {
    const steps: PreparedStep[] = [];
    for (const [index, step] of program.steps.entries()) {
      const candidate = engines.find(step.operation, step.algorithm, step.level);
      if (candidate === undefined) return undefined;
      steps.push(prepareStep(step, index, candidate, keyOf));
    }
    const encryptionKeys = program.steps
      .filter(({ operation, callerNonce }) => operation === 'ENCRYPT' && !callerNonce)
      .map(({ keyUid }) => keyUid);
    return new Pipeline(encryptionKeys, steps, scratch);
  }

  run(passage: Passage): Outcome {
    const { metadata, output, outputShared } = passage;
    const results = new MetadataWriter(passage.results);
    let data = passage.input;
    if (passage.inputShared && !this.#readsInPlace) data = this.#privately(data);
    let next: 1 | 2 = 1;
    for (const [index, step] of this.steps.entries()) {
      if (!step.changesData) {
        const status = step.inspect(data, metadata[index], results);
        if (status !== STATUS.OK) return failed(status, index + 1);
        continue;
      }
      const direct = index === this.#lastChange && (!outputShared || this.#writesInPlace);
      const target = direct ? output : this.scratch.buffer(next);
      next = next === 1 ? 2 : 1;
      const length = step.transform(data, target, metadata[index], results);
      if (length < 0) return failed(-length as Status, index + 1);
      data = target.subarray(0, length);
    }
    return this.#place(data, output);
  }

  #privately(data: Uint8Array): Uint8Array {
    const copy = this.scratch.buffer(0).subarray(0, data.length);
    copy.set(data);
    return copy;
  }

  /** A program that leaves data as it is has no output: its results are in the metadata. */
  #place(data: Uint8Array, output: Uint8Array): Outcome {
    if (this.#lastChange < 0) return { status: STATUS.OK, failedStep: 0, produced: 0 };
    if (data.length > output.length) return failed(STATUS.OUTPUT_TOO_SMALL, this.steps.length);
    if (data.buffer !== output.buffer || data.byteOffset !== output.byteOffset) output.set(data);
    return { status: STATUS.OK, failedStep: 0, produced: data.length };
  }
}
