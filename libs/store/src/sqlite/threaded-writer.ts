import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { AppError } from '@outboard/core';
import type { Change, Outcome } from '../group-commit-store.js';
import type { WriterThreadAnswer, WriterThreadData, WriterThreadRequest } from './writer-thread.js';

/** Compiled, also where this file is run from its source. */
const PROGRAM = new URL('../../dist/sqlite/writer-thread.js', import.meta.url);
/** It keeps nothing from one group to the next: a large young generation would only hold memory. */
const YOUNG_GENERATION_MEBIBYTES = 16;

interface Asking {
  resolve(answer: WriterThreadAnswer): void;
  reject(thrown: unknown): void;
}

/** A connection that writes on a thread of its own: whoever asks goes on with other work while a group is written. */
export class ThreadedWriter {
  readonly #thread: Worker;
  #asking: Asking | undefined;
  #isDead = false;

  private constructor(
    private readonly data: WriterThreadData,
    program: URL,
  ) {
    this.#thread = new Worker(program, {
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MEBIBYTES },
    });
    this.#thread.on('message', (answer: WriterThreadAnswer) => this.#take()?.resolve(answer));
    this.#thread.on('error', (thrown) => this.#died(thrown));
    this.#thread.on('exit', () => this.#died(undefined));
  }

  /** Rejects when the thread cannot be started, or cannot open the database. */
  static async start(data: WriterThreadData, program = PROGRAM): Promise<ThreadedWriter> {
    const writer = new ThreadedWriter(data, program);
    await writer.#answer();
    return writer;
  }

  /** It will write no more. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /**
   * One transaction, one at a time. Rejects when nothing of it was written; and with UNAVAILABLE when the thread has died
   * over it: whether it was written is to be read then.
   */
  async write(changes: readonly Change[]): Promise<readonly Outcome[]> {
    const answered = this.#answer();
    try {
      this.#thread.postMessage(changes satisfies WriterThreadRequest);
    } catch (thrown) {
      this.#take()?.reject(thrown);
    }
    const answer = await answered;
    switch (answer.kind) {
      case 'written':
        return answer.outcomes;
      case 'failed': {
        const { code, message, ...details } = answer;
        throw new AppError(code, message, details);
      }
      default:
        throw answer.kind === 'thrown' ? answer.thrown : new Error('the thread answers what it was asked');
    }
  }

  /** Not while it writes. */
  async close(): Promise<void> {
    if (this.#isDead) return;
    const ended = once(this.#thread, 'exit');
    this.#thread.ref();
    this.#thread.postMessage(undefined satisfies WriterThreadRequest);
    await ended;
  }

  /** The next answer. A thread that nobody waits for keeps no process alive. */
  #answer(): Promise<WriterThreadAnswer> {
    this.#thread.ref();
    return new Promise((resolve, reject) => {
      this.#asking = { resolve, reject };
    });
  }

  #take(): Asking | undefined {
    const asking = this.#asking;
    this.#asking = undefined;
    this.#thread.unref();
    return asking;
  }

  #died(cause: unknown): void {
    this.#isDead = true;
    const message = `the thread that writes database ${this.data.path} has ended`;
    this.#take()?.reject(new AppError('UNAVAILABLE', message, { reason: 'DATABASE_WRITER_ENDED', cause }));
  }
}
