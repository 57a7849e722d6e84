import { STREAMS, type StreamBus } from '@outboard/bus';
import type { AppError, Clock, Random, Result } from '@outboard/core';
import { backoff } from '@outboard/reconcile';
import type { Log } from './log.js';

const RETRY = { initial: 200, maximum: 5_000 };

export interface StreamKeeperPorts {
  readonly bus: Pick<StreamBus, 'streams' | 'onState'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Has the bus have its streams, and have them again after each new connection: a server that was started anew has lost
 * those that it kept in memory, and nobody could publish what they capture.
 */
export class StreamKeeper implements Disposable {
  readonly #listening: Disposable;
  #keeping = false;
  #retry: Disposable | undefined;
  #failures = 0;
  #closed = false;

  private constructor(private readonly ports: StreamKeeperPorts) {
    this.#listening = ports.bus.onState((state) => {
      this.#retry?.[Symbol.dispose]();
      if (state === 'connected' && this.#keeping) void this.#keep();
    });
    this.#keeping = true;
  }

  /** Resolves when they are there; rejects with why they cannot be, as when somebody has made them otherwise. */
  static async open(ports: StreamKeeperPorts): Promise<StreamKeeper> {
    const keeper = new StreamKeeper(ports);
    const provisioned = await keeper.#provision();
    if (provisioned.ok) return keeper;
    keeper[Symbol.dispose]();
    throw provisioned.error;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#listening[Symbol.dispose]();
    this.#retry?.[Symbol.dispose]();
  }

  async #provision(): Promise<Result<void, AppError>> {
    const { bus, log } = this.ports;
    const provisioned = await bus.streams.provision(STREAMS, 'apply');
    if (!provisioned.ok) return provisioned;
    for (const { stream, action, differences } of provisioned.value)
      if (action !== 'unchanged') log.info({ stream, action, differences }, 'stream');
    return { ok: true, value: undefined };
  }

  async #keep(): Promise<void> {
    const { clock, random, log } = this.ports;
    const provisioned = await this.#provision();
    if (this.#closed) return;
    if (provisioned.ok) {
      this.#failures = 0;
      return;
    }
    const { code, message } = provisioned.error;
    log.warn({ code }, `the streams are not as they should be: ${message}`);
    this.#retry?.[Symbol.dispose]();
    this.#retry = clock.schedule(backoff(RETRY, ++this.#failures, random), () => void this.#keep());
  }
}
