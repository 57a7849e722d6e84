import { randomBytes } from 'node:crypto';
import {
  EngineSet,
  isAlgorithm,
  isKeyed,
  KeySlot,
  MAXIMUM_TRANSFER,
  type Operation,
  Pipeline,
  type Program,
  readMetadata,
  Scratch,
  statusName,
  ThreadKey,
  ThreadKeyVersion,
} from '@outboard/acceleration';
import { AcceleratorError } from './accelerator-error.js';
import type { Job } from './queue-pair.js';
import type { RunResult } from './run-result.js';
import type { SessionProgram } from './session-description.js';

/** The key of a step, where the application has it; undefined: it does not, and only the accelerator can do the step. */
export type KeyOfStep = (program: number, step: number) => Uint8Array | undefined;

const VERSION = 1;
/** Nonces begin at random for each key of each process: prefix and start are 92 bits drawn by lot. */
const MAXIMUM_JOBS = 1n << 32n;

/**
 * The accelerator's programs on this machine's own processor, with the same engines: for jobs that the accelerator cannot
 * do, and to know whether it is worth it.
 */
export class HostEngine {
  readonly #pipelines = new Map<number, Pipeline>();
  readonly #scratch = new Scratch();
  #engines: EngineSet | undefined;

  constructor(private readonly keyOf: KeyOfStep = () => undefined) {}

  /** Does a job here; rejects as the accelerator would. `room`: used again by whoever does many; absent: the job's own. */
  run(
    program: SessionProgram,
    job: Pick<Job, 'input' | 'outputLength' | 'metadata'>,
    room: Uint8Array = new Uint8Array(Math.min(job.outputLength, MAXIMUM_TRANSFER)),
  ): RunResult {
    const pipeline = this.#pipelineOf(program);
    const began = performance.now();
    const status = statusName(pipeline.run(job.input, false, room, false, job.metadata));
    if (status !== 'OK') throw new AcceleratorError(status, pipeline.failedStep, 'on the host');
    return {
      output: room.subarray(0, pipeline.produced),
      metadata: readMetadata(Uint8Array.from(pipeline.results)) ?? [],
      ranOn: 'HOST',
      engineNanoseconds: Math.round((performance.now() - began) * 1e6),
      attempts: 0,
    };
  }

  #pipelineOf(program: SessionProgram): Pipeline {
    const known = this.#pipelines.get(program.id);
    if (known !== undefined) return known;
    this.#engines ??= EngineSet.open();
    const keys = new Map<string, ThreadKey>();
    const compiled = this.#programOf(program, keys);
    const pipeline = Pipeline.compile(
      compiled,
      this.#engines,
      (keyUid) => keys.get(keyUid) ?? new ThreadKey(),
      this.#scratch,
      // Whoever asks for hardware asks for the accelerator's.
      'NEVER',
    );
    if (pipeline === undefined) throw new AcceleratorError('UNSUPPORTED', 0, 'on the host');
    this.#pipelines.set(program.id, pipeline);
    return pipeline;
  }

  /** The program with keys of its own, by the number of their step. */
  #programOf({ id, steps }: SessionProgram, keys: Map<string, ThreadKey>): Program {
    return {
      id,
      steps: steps.map(({ operation, algorithm, level, callerNonce }, index) => {
        if (!isAlgorithm(algorithm)) throw new AcceleratorError('UNSUPPORTED', index + 1, algorithm);
        const keyUid = isKeyed(algorithm) ? `step-${index}` : '';
        if (keyUid !== '') keys.set(keyUid, this.#keyOfStep(id, index));
        return { operation: operation as Operation, algorithm, keyUid, level, callerNonce };
      }),
    };
  }

  #keyOfStep(program: number, step: number): ThreadKey {
    const bytes = this.keyOf(program, step);
    if (bytes === undefined) {
      throw new AcceleratorError('KEY_UNAVAILABLE', step + 1, 'only the accelerator has the key');
    }
    const slot = KeySlot.create(bytes.length, randomBytes(4).readUInt32LE());
    slot.key.set(bytes);
    const start = randomBytes(8).readBigUInt64LE() >> 4n;
    slot.reserve(start, start + MAXIMUM_JOBS, start + MAXIMUM_JOBS);
    slot.state = 'ACTIVE';
    const key = new ThreadKey();
    key.update([new ThreadKeyVersion(VERSION, slot)]);
    return key;
  }
}
