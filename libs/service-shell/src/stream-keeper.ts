import { STREAMS, type StreamBus, type StreamChange } from '@outboard/bus';
import type { AppError, Clock, Random, Result } from '@outboard/core';
import { backoff } from '@outboard/reconcile';
import type { Log } from './log.js';

const RETRY = { initial: 200, maximum: 5_000 };
/** Between two looks while all is well: so long nobody may be able to publish after somebody has deleted a stream. */
const LOOK_EVERY_MILLISECONDS = 5_000;

export interface StreamKeeperPorts {
  readonly bus: Pick<StreamBus, 'streams' | 'onState'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Has the bus have its streams: at start, after each new connection (a server that was started anew has lost those that
 * it kept in memory), and every few seconds, as a stream may be deleted under the services. Without it nobody could
 * publish what it captures.
 */
export class StreamKeeper implements Disposable {
  readonly #listening: Disposable;
  readonly #madeAt = new Map<string, number>();
  readonly #replaced = new Set<(stream: string) => void>();
  #keeping = false;
  #isConnected = false;
  #timer: Disposable | undefined;
  #failures = 0;
  #problem: AppError | undefined;
  #closed = false;

  private constructor(private readonly ports: StreamKeeperPorts) {
    this.#listening = ports.bus.onState((state) => {
      this.#timer?.[Symbol.dispose]();
      this.#isConnected = state === 'connected';
      if (this.#isConnected && this.#keeping) void this.#keep();
    });
  }

  /** Resolves when they are there; rejects with why they cannot be, as when somebody has made them otherwise. */
  static async open(ports: StreamKeeperPorts): Promise<StreamKeeper> {
    const keeper = new StreamKeeper(ports);
    const provisioned = await keeper.#provision();
    if (!provisioned.ok) {
      keeper[Symbol.dispose]();
      throw provisioned.error;
    }
    keeper.#keeping = true;
    keeper.#lookAfter(LOOK_EVERY_MILLISECONDS);
    return keeper;
  }

  /** Why the streams are not as they should be; undefined: they were, when it looked last. */
  get problem(): AppError | undefined {
    return this.#problem;
  }

  /** Calls the listener when a stream is another one than before, whoever made it: what was in it is gone. */
  onReplaced(listener: (stream: string) => void): void {
    this.#replaced.add(listener);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#listening[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
  }

  async #provision(): Promise<Result<void, AppError>> {
    const { bus, log } = this.ports;
    const provisioned = await bus.streams.provision(STREAMS, 'apply');
    if (!provisioned.ok || this.#closed) return provisioned.ok ? { ok: true, value: undefined } : provisioned;
    for (const change of provisioned.value) {
      const { stream, action, differences } = change;
      if (action !== 'unchanged') log.info({ stream, action, differences }, 'stream');
      this.#compare(change);
    }
    return { ok: true, value: undefined };
  }

  #compare({ stream, madeAt }: StreamChange): void {
    const before = this.#madeAt.get(stream);
    this.#madeAt.set(stream, madeAt);
    if (before === undefined || before === madeAt) return;
    this.ports.log.warn({ stream }, 'the stream is another one than before: what was in it is gone');
    for (const listener of this.#replaced) listener(stream);
  }

  async #keep(): Promise<void> {
    const { log, random } = this.ports;
    const provisioned = await this.#provision();
    if (this.#closed) return;
    if (provisioned.ok) {
      if (this.#problem) log.info({ failures: this.#failures }, 'the streams are as they should be again');
      this.#failures = 0;
      this.#problem = undefined;
      return this.#lookAfter(LOOK_EVERY_MILLISECONDS);
    }
    const { code, message } = provisioned.error;
    if (this.#problem?.message !== message)
      log.warn({ code }, `the streams are not as they should be: ${message}`);
    this.#problem = provisioned.error;
    this.#lookAfter(backoff(RETRY, ++this.#failures, random));
  }

  #lookAfter(milliseconds: number): void {
    this.#timer?.[Symbol.dispose]();
    // The next connection looks by itself.
    if (!this.#isConnected) return;
    this.#timer = this.ports.clock.schedule(milliseconds, () => void this.#keep());
  }
}
