import { busErrors } from '../errors.js';
import type { WatchHandler, WatchSpec } from '../port.js';
import { matcher } from '../subject-patterns.js';
import type { InProcessStream, StoredMessage } from './stream.js';

/** Reads a stream in order, one message at a time, first what is there and then what comes. */
export class InProcessWatch {
  /** Rejects with what the handler threw; never resolves before `stop`. */
  readonly ended: Promise<void>;
  readonly #stream: InProcessStream;
  readonly #handler: WatchHandler;
  readonly #matches: (subject: string) => boolean;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(stream: InProcessStream, spec: WatchSpec, handler: WatchHandler) {
    this.#stream = stream;
    this.#handler = handler;
    this.#matches = matcher(spec.filterSubject);
    const last = stream.lastSequence;
    const existing = this.#existing(spec);
    this.ended = this.#run(existing, last);
  }

  /** Resolves when the handler has returned for the last time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.ended.catch(() => {});
  }

  /** Sequences of what is delivered before `current`. */
  #existing({ from, stream }: WatchSpec): number[] {
    if (from === 'new') return [];
    if (from === 'last-per-subject') return this.#stream.lastPerSubject(this.#matches);
    const { firstSequence: first, lastSequence: last } = this.#stream;
    if (from > 0 && (from < first || from > last + 1)) throw busErrors.outOfRange(stream, from);
    const sequences: number[] = [];
    for (let next = this.#stream.next(from, this.#matches); next; ) {
      sequences.push(next.sequence);
      next = this.#stream.next(next.sequence + 1, this.#matches);
    }
    return sequences;
  }

  async #run(existing: readonly number[], last: number): Promise<void> {
    const appended = this.#stream.onAppend(() => this.#wake());
    try {
      // Like over the network, nothing arrives before `watch` has answered.
      await Promise.resolve();
      for (const sequence of existing) {
        if (this.#stopped) return;
        // Gone: replaced by a newer value, which comes in its own place.
        const message = this.#stream.get(sequence);
        if (message) await this.#deliver(message);
      }
      if (this.#stopped) return;
      this.#handler.current?.();
      for (let cursor = last; !this.#stopped; ) {
        const message = this.#stream.next(cursor + 1, this.#matches);
        if (message) {
          cursor = message.sequence;
          await this.#deliver(message);
        } else {
          cursor = Math.max(cursor, this.#stream.lastSequence);
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      appended[Symbol.dispose]();
    }
  }

  async #deliver({ subject, headers, body, sequence, time }: StoredMessage): Promise<void> {
    await this.#handler.message({ subject, headers, body, streamSequence: sequence, storedAt: time });
  }
}
