import { Worker } from 'node:worker_threads';
import { AppError, type Clock } from '@outboard/core';
import { libc } from '@outboard/ffi';
import type { LaneName } from '../engine/algorithms.js';
import type { BreakerChange } from '../engine/engine-unit.js';
import type { ThreadActivity } from '../lane/thread-activity.js';
import type { LaneAnswer, LaneRequest, LaneThreadData } from './lane-messages.js';
import { threadProgram } from './thread-program.js';

/** Within which a thread answers, milliseconds: a job is not interrupted, and the first answer comes after its self-test. */
const ANSWER_MILLISECONDS = 15_000;
const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

type Unnumbered<Request> = Request extends unknown ? Omit<Request, 'id'> : never;

export interface LaneWorkerPorts {
  readonly lane: LaneName;
  readonly clock: Clock;
  /** An engine of the thread is skipped from now on, or used again. */
  readonly onBreaker: (change: BreakerChange) => void;
  readonly onRefill: (keyUid: string, version: number) => void;
  /** The thread is gone, though nobody stopped it. */
  readonly onFailure: (failure: Error) => void;
}

/** A thread of the data path, as the thread that started it sees it. */
export class LaneWorker implements AsyncDisposable {
  readonly #wake = libc.eventfd();
  readonly #worker: Worker;
  readonly #waiting = new Map<
    number,
    { resolve: (activity: ThreadActivity | undefined) => void; reject: (failure: AppError) => void }
  >();
  readonly #exited: Promise<void>;
  #nextId = 1;
  #stopping = false;

  constructor(private readonly ports: LaneWorkerPorts) {
    const workerData: LaneThreadData = { lane: ports.lane, wake: this.#wake };
    this.#worker = new Worker(threadProgram('lane-thread'), { workerData });
    this.#worker.on('message', (answer: LaneAnswer) => this.#answered(answer));
    let cause = new Error('a thread of the data path ended');
    this.#worker.on('error', (failure: Error) => {
      cause = failure;
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        libc.close(this.#wake);
        const gone = new AppError('UNAVAILABLE', cause.message);
        for (const { reject } of this.#waiting.values()) reject(gone);
        this.#waiting.clear();
        if (!this.#stopping) ports.onFailure(cause);
        this.#stopping = true;
        resolve();
      });
    });
  }

  /** Resolves when the thread has done it; rejects with UNAVAILABLE when it has ended, or says nothing for so long. */
  request(
    request: Unnumbered<LaneRequest>,
    milliseconds = ANSWER_MILLISECONDS,
  ): Promise<ThreadActivity | undefined> {
    if (this.#stopping) return Promise.reject(new AppError('UNAVAILABLE', 'the thread has ended'));
    return this.#send(request, milliseconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopping) {
      const stopped = this.#send({ kind: 'stop' }, ANSWER_MILLISECONDS);
      this.#stopping = true;
      await stopped.catch(() => {});
    }
    await this.#exited;
  }

  #send(request: Unnumbered<LaneRequest>, milliseconds: number): Promise<ThreadActivity | undefined> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.ports.clock.schedule(milliseconds, () => {
        this.#waiting.delete(id);
        reject(new AppError('UNAVAILABLE', `a thread of the data path says nothing for ${milliseconds} ms`));
      });
      const settled =
        <Value>(settle: (value: Value) => void) =>
        (value: Value): void => {
          timer[Symbol.dispose]();
          settle(value);
        };
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#worker.postMessage({ ...request, id });
      libc.write(this.#wake, ONE);
    });
  }

  #answered(answer: LaneAnswer): void {
    if (answer.kind === 'refill') {
      this.ports.onRefill(answer.keyUid, answer.version);
      return;
    }
    if (answer.kind === 'breaker') {
      this.ports.onBreaker(answer.change);
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.kind === 'done') waiting?.resolve(answer.activity);
    else waiting?.reject(new AppError('INTERNAL', answer.message));
  }
}
