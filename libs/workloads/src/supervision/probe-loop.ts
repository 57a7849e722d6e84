import { AppError, type Clock } from '@outboard/core';

export interface ProbeLoopOptions {
  readonly periodMilliseconds: number;
  readonly initialDelayMilliseconds: number;
  /** In a row. */
  readonly failureThreshold: number;
  /** Resolves when all is well. */
  readonly check: () => Promise<void>;
  /** Told on every change, and first when it is known; empty: all is well. */
  readonly onResult: (problem: string) => void;
  readonly clock: Clock;
}

/** Asks again and again whether something works; one question at a time. */
export class ProbeLoop implements Disposable {
  #failures = 0;
  #told: string | undefined;
  #next: Disposable | undefined;
  #closed = false;

  constructor(private readonly options: ProbeLoopOptions) {
    this.#next = options.clock.schedule(options.initialDelayMilliseconds, () => void this.#ask());
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#next?.[Symbol.dispose]();
  }

  async #ask(): Promise<void> {
    const { check, failureThreshold, periodMilliseconds, clock } = this.options;
    let problem = '';
    try {
      await check();
      this.#failures = 0;
    } catch (failure) {
      this.#failures++;
      problem = AppError.from(failure).message;
    }
    if (this.#closed) return;
    // Before it has ever worked one failure is enough to know that it does not.
    const counts = problem === '' || this.#failures >= failureThreshold || this.#told === undefined;
    if (counts) this.#tell(problem);
    if (!this.#closed) this.#next = clock.schedule(periodMilliseconds, () => void this.#ask());
  }

  #tell(problem: string): void {
    if (problem === this.#told) return;
    this.#told = problem;
    this.options.onResult(problem);
  }
}
