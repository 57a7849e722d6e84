import { setTimeout as delay } from 'node:timers/promises';
import {
  type LaneName,
  MAXIMUM_TRANSFER,
  type Metadata,
  type SessionDescription,
} from '@outboard/acceleration';
import { AcceleratorError } from './accelerator-error.js';
import type { HostEngine } from './host-engine.js';
import { type Completion, type Job, QueuePair } from './queue-pair.js';
import type { RunResult } from './run-result.js';
import { readSession, type SessionLocation, type SessionProgram } from './session-description.js';

/** Where a session is, and how much is asked of it. Defaults are told with each. */
export interface ClientOptions {
  /** Asked for at every attempt to connect: a session that moves is somewhere else afterwards. */
  readonly locate: () => SessionLocation | Promise<SessionLocation>;
  /** Shared memory of each connection, bytes; 0: everything goes over the socket. 8 MiB. */
  readonly sharedBytes?: number;
  /** Submit and complete in shared memory, and look there for a while before waiting. True. */
  readonly rings?: boolean;
  /** Be woken for several completions at once rather than for each: more jobs a second, the first of them later. False. */
  readonly batches?: boolean;
  /** How long a job may be on its way, tries and moves included, milliseconds. 30,000. */
  readonly timeoutMilliseconds?: number;
  /** Of one try: a worker that has not answered by then is taken for dead. 5,000. */
  readonly attemptMilliseconds?: number;
  /** What the session may do, where that is known without its directory: the host can do it though no DPU ever had it. */
  readonly known?: () => Pick<SessionDescription, 'hostFallback' | 'programs'> | undefined;
  /** Does here what the accelerator cannot, if the session allows it, and says so. Absent: such jobs fail. */
  readonly host?: HostEngine;
}

/** Of one job. */
export interface RunOptions {
  /** What steps need, such as nonces and tags to decrypt. */
  readonly metadata?: Metadata;
  /** Room for output, bytes. As long as the input and what compression may add; decompression needs to be told. */
  readonly outputLength?: number;
  /** Where the output is put; what is returned is a part of it. Absent: new memory, which costs more than many a job. */
  readonly output?: Uint8Array;
  /** Within which a try must have begun, microseconds. */
  readonly deadlineMicroseconds?: number;
  /** A job that has not begun is taken back, and rejects as CANCELLED. */
  readonly signal?: AbortSignal;
}

/** What became of jobs so far. */
export interface ClientActivity {
  /** By the accelerator, and by this process instead of it. */
  readonly accelerated: number;
  readonly onHost: number;
  /** How often a job was submitted again, as it or its answer was lost. */
  readonly resubmitted: number;
  readonly failed: number;
}

const FIRST_PAUSE_MILLISECONDS = 5;
const LONGEST_PAUSE_MILLISECONDS = 500;

/**
 * A session of the acceleration service, for an application. Jobs are pure, so one that was lost with its worker is simply
 * done again: the caller sees each end once. Connections are made when they are needed, also again.
 */
export class AccelerationClient implements Disposable {
  readonly #pairs = new Map<string, Promise<QueuePair>>();
  #session: SessionDescription | undefined;
  /** As it was when it was last seen. */
  #known: SessionDescription | undefined;
  readonly #activity = { accelerated: 0, onHost: 0, resubmitted: 0, failed: 0 };
  #nextId = 1;
  #closed = false;

  constructor(private readonly options: ClientOptions) {}

  /** The session as it is now: its programs, and in which lanes they are. */
  async session(): Promise<SessionDescription> {
    const { directory } = await this.options.locate();
    this.#session = await readSession(directory);
    this.#known = this.#session;
    return this.#session;
  }

  /** What a program of the session does. Rejects with NOT_FOUND when there is none of that id. */
  async program(id: number): Promise<SessionProgram> {
    return this.#programOf(this.#session ?? this.#known ?? (await this.session()), id);
  }

  /** Does one job. Rejects with an `AcceleratorError` that tells the status. */
  async run(program: number, input: Uint8Array, options: RunOptions = {}): Promise<RunResult> {
    const { metadata = [], deadlineMicroseconds = 0, signal, output } = options;
    const room = options.outputLength ?? Math.min(MAXIMUM_TRANSFER, defaultRoom(input.length));
    const outputLength = output === undefined ? room : Math.min(room, output.length);
    if (input.length > MAXIMUM_TRANSFER || outputLength > MAXIMUM_TRANSFER) {
      throw new AcceleratorError('INVALID_ARGUMENT', 0, `a job has at most ${MAXIMUM_TRANSFER} bytes`);
    }
    const id = this.#nextId++;
    const job: Job = { id, program, input, outputLength, metadata, deadlineMicroseconds, output };
    try {
      const result = await this.#try(job, signal);
      this.#activity.accelerated++;
      return result;
    } catch (failure) {
      this.#activity.failed++;
      if (!(failure instanceof AcceleratorError) || failure.class === 'FINAL' || signal?.aborted)
        throw failure;
      const result = this.#onHost(job, failure);
      this.#activity.failed--;
      this.#activity.onHost++;
      return result;
    }
  }

  /** What became of its jobs so far. */
  get activity(): ClientActivity {
    return { ...this.#activity };
  }

  /** Ends all connections; what is in flight is rejected. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const pair of this.#pairs.values()) {
      pair.then(
        (each) => each.close(),
        () => {},
      );
    }
    this.#pairs.clear();
  }

  #onHost(job: Job, failure: AcceleratorError): RunResult {
    const { host } = this.options;
    const known = this.#known ?? this.options.known?.();
    const program = known?.programs.find(({ id }) => id === job.program);
    if (host === undefined || known?.hostFallback !== true || program === undefined) throw failure;
    return host.run(program, job, job.output);
  }

  async #try(job: Job, signal: AbortSignal | undefined): Promise<RunResult> {
    const { timeoutMilliseconds = 30_000 } = this.options;
    const end = performance.now() + timeoutMilliseconds;
    let pause = FIRST_PAUSE_MILLISECONDS;
    const tries = { submitted: 0 };
    for (;;) {
      const outcome = await this.#attempt(job, tries, signal);
      if (!(outcome instanceof AcceleratorError) && outcome.status === 'OK')
        return resultOf(outcome, tries.submitted);
      const failure =
        outcome instanceof AcceleratorError
          ? outcome
          : new AcceleratorError(outcome.status, outcome.failedStep);
      const mayRetry = failure.class === 'RETRY' || failure.class === 'MOVE';
      if (!mayRetry || this.#closed || signal?.aborted || performance.now() + pause > end) throw failure;
      await delay(pause);
      pause = Math.min(LONGEST_PAUSE_MILLISECONDS, pause * 2);
    }
  }

  async #attempt(
    job: Job,
    tries: { submitted: number },
    signal: AbortSignal | undefined,
  ): Promise<Completion | AcceleratorError> {
    try {
      const pair = await this.#pairFor(job.program);
      if (tries.submitted++ > 0) this.#activity.resubmitted++;
      return await this.#within(pair, job, signal);
    } catch (failure) {
      if (failure instanceof AcceleratorError) return failure;
      throw failure;
    }
  }

  async #within(pair: QueuePair, job: Job, signal: AbortSignal | undefined): Promise<Completion> {
    if (signal === undefined) return pair.submit(job);
    if (signal.aborted) throw new AcceleratorError('CANCELLED');
    const cancel = (): void => pair.cancel(job.id);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await pair.submit(job);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** The connection with the least to do in the lane of the program; one that has ended is made anew. */
  async #pairFor(programId: number): Promise<QueuePair> {
    if (this.#closed) throw new AcceleratorError('CANCELLED', 0, 'the client is closed');
    const { lane } = this.#programOf(this.#session ?? (await this.session()), programId);
    const sockets = (this.#session ?? (await this.session())).sockets[lane];
    let best: QueuePair | undefined;
    for (const socket of sockets) {
      const pair = await this.#open(lane, socket);
      if (best === undefined || pair.load < best.load) best = pair;
    }
    if (best === undefined) throw new AcceleratorError('UNAVAILABLE', 0, `no thread serves lane ${lane}`);
    return best;
  }

  #programOf(session: SessionDescription, programId: number): SessionProgram {
    const found = session.programs.find(({ id }) => id === programId);
    if (found !== undefined) return found;
    // It may have come since.
    this.#session = undefined;
    throw new AcceleratorError('NOT_FOUND', 0, `the session has no program ${programId}`);
  }

  async #open(lane: LaneName, socket: string): Promise<QueuePair> {
    const known = this.#pairs.get(socket);
    if (known !== undefined) {
      const pair = await known;
      if (pair.isOpen) return pair;
      if (this.#pairs.get(socket) === known) {
        this.#pairs.delete(socket);
        // It may have moved.
        this.#session = undefined;
      }
      throw new AcceleratorError('UNAVAILABLE', 0, `the connection of lane ${lane} has ended`);
    }
    const connecting = this.#connect(socket);
    this.#pairs.set(socket, connecting);
    connecting.catch(() => {
      if (this.#pairs.get(socket) === connecting) this.#pairs.delete(socket);
      this.#session = undefined;
    });
    return connecting;
  }

  async #connect(socket: string): Promise<QueuePair> {
    const { locate, sharedBytes = 8 << 20, attemptMilliseconds = 5000 } = this.options;
    const { rings = true, batches = false } = this.options;
    const { directory, token } = await locate();
    const { epoch } = await readSession(directory);
    return QueuePair.connect({
      path: `${directory}/${socket}`,
      token,
      epoch,
      sharedBytes,
      rings,
      batches,
      timeoutMilliseconds: attemptMilliseconds,
    });
  }
}

/** What compression adds to data that does not compress is far less than this. */
const defaultRoom = (length: number): number => length + (length >> 6) + 512;

const resultOf = (
  { output, metadata, native, hardware, engineNanoseconds }: Completion,
  attempts: number,
): RunResult => ({
  output,
  metadata,
  ranOn: hardware ? 'HARDWARE' : native ? 'NATIVE_LIBRARY' : 'RUNTIME',
  engineNanoseconds,
  attempts,
});
