/** Failures in a row after which an engine is skipped. */
export const BREAKER_FAILURES = 8;
/** How long it is skipped before one job tries it again, milliseconds. */
export const BREAKER_PAUSE_MILLISECONDS = 5000;

/** CLOSED: in use. OPEN: skipped, but for one job now and then. */
export type BreakerState = 'CLOSED' | 'OPEN';

/** Whether an engine is worth trying: after some failures in a row it is skipped for a while, then one job tries it. */
export class CircuitBreaker {
  #failures = 0;
  /** Monotonic milliseconds at which it is tried again. */
  #openUntil = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  get state(): BreakerState {
    return this.#failures < BREAKER_FAILURES ? 'CLOSED' : 'OPEN';
  }

  /** Whether a job may try the engine. While it is open this is true once a pause. */
  allows(): boolean {
    if (this.#failures < BREAKER_FAILURES) return true;
    const now = this.now();
    if (now < this.#openUntil) return false;
    this.#openUntil = now + BREAKER_PAUSE_MILLISECONDS;
    return true;
  }

  /** True: it was open, and is in use again. */
  succeeded(): boolean {
    const wasOpen = this.#failures >= BREAKER_FAILURES;
    this.#failures = 0;
    return wasOpen;
  }

  /** True: it opens with this one. */
  failed(): boolean {
    const opens = ++this.#failures === BREAKER_FAILURES;
    if (this.#failures >= BREAKER_FAILURES) this.#openUntil = this.now() + BREAKER_PAUSE_MILLISECONDS;
    return opens;
  }
}
