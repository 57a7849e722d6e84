import type { AlgorithmName, Operation } from './algorithms.js';
import { type BreakerState, CircuitBreaker } from './circuit-breaker.js';
import type { Engine, Implementation } from './engine.js';
import type { ArmedFault } from './fault.js';

/** An operation as one module does it. */
export interface Candidate {
  readonly operation: Operation;
  readonly algorithm: AlgorithmName;
  readonly module: string;
  readonly implementation: Implementation;
  readonly engine: Engine;
}

/** What an engine has done since its thread began. */
export interface EngineActivity extends Omit<Candidate, 'engine'> {
  readonly jobs: number;
  readonly failures: number;
  readonly inputBytes: number;
  readonly engineNanoseconds: number;
  readonly breaker: BreakerState;
  /** How often the breaker has opened. */
  readonly opened: number;
}

export type BreakerChange = Pick<EngineActivity, 'operation' | 'algorithm' | 'module' | 'breaker'> & {
  /** What the engine did last, when it is skipped from now on. */
  readonly reason: string;
};

/** A candidate in use by one thread: what it has done, whether it is skipped, and what is done to it on purpose. */
export class EngineUnit {
  fault: ArmedFault | undefined;
  readonly #breaker = new CircuitBreaker();
  #jobs = 0;
  #failures = 0;
  #inputBytes = 0;
  #nanoseconds = 0;
  #opened = 0;

  constructor(
    readonly candidate: Candidate,
    private readonly onBreaker: (change: BreakerChange) => void = () => {},
  ) {}

  /** Whether a job may try it. */
  allows(): boolean {
    return this.#breaker.allows();
  }

  /** Nothing is done to it on purpose, and it has not failed lately: jobs need not be looked at one by one. */
  get isUndisturbed(): boolean {
    return this.fault === undefined && this.#breaker.state === 'CLOSED';
  }

  /** Jobs that native code had it do, in milliseconds. */
  did(jobs: number, inputBytes: number, milliseconds: number): void {
    this.#jobs += jobs - 1;
    this.succeeded(inputBytes);
    this.charge(milliseconds);
  }

  succeeded(inputBytes: number): void {
    this.#jobs++;
    this.#inputBytes += inputBytes;
    if (this.#breaker.succeeded()) this.#tell('');
  }

  failed(failure: unknown): void {
    this.#failures++;
    if (!this.#breaker.failed()) return;
    this.#opened++;
    this.#tell(failure instanceof Error ? failure.message : String(failure));
  }

  /** Time that it has taken, success or not. */
  charge(milliseconds: number): void {
    this.#nanoseconds += milliseconds * 1e6;
  }

  get activity(): EngineActivity {
    const { operation, algorithm, module, implementation } = this.candidate;
    return {
      operation,
      algorithm,
      module,
      implementation,
      jobs: this.#jobs,
      failures: this.#failures,
      inputBytes: this.#inputBytes,
      engineNanoseconds: Math.round(this.#nanoseconds),
      breaker: this.#breaker.state,
      opened: this.#opened,
    };
  }

  #tell(reason: string): void {
    const { operation, algorithm, module } = this.candidate;
    this.onBreaker({ operation, algorithm, module, breaker: this.#breaker.state, reason });
  }
}
