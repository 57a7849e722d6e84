import type { Clock } from '@outboard/core';
import type { Terminal } from './terminal.js';

/** Milliseconds between two lines. */
const INTERVAL = 1_000;

/** Tells a person how far a long command has come: a line every second on standard error, if that is a terminal. */
export class Progress implements Disposable {
  #done = 0;
  #failed = 0;
  #timer: Disposable | undefined;

  constructor(
    private readonly options: {
      readonly terminal: Terminal;
      readonly clock: Clock;
      readonly verb: string;
      readonly total: number;
    },
  ) {
    if (options.terminal.isInteractive) this.#schedule();
  }

  get counted(): number {
    return this.#done + this.#failed;
  }

  count(succeeded: boolean): void {
    if (succeeded) this.#done++;
    else this.#failed++;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #schedule(): void {
    const { clock, terminal, verb, total } = this.options;
    this.#timer = clock.schedule(INTERVAL, () => {
      const refused = this.#failed > 0 ? `, ${this.#failed} refused` : '';
      terminal.tell(`outboard: ${verb} ${this.#done} of ${total}${refused}\n`);
      this.#schedule();
    });
  }
}
