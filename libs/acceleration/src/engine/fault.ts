import type { AlgorithmName, Operation } from './algorithms.js';

/**
 * What is done to a job on purpose. CORRUPT: a byte of what the engine made is another one, and nobody says so. FAIL: the
 * engine fails. DELAY: it takes longer. DROP: the job never completes. HANG: its thread stands still until the fault is
 * cleared.
 */
export const FAULT_KINDS = ['CORRUPT', 'FAIL', 'DELAY', 'DROP', 'HANG'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A fault and the jobs that it is for. */
export interface Fault {
  readonly id: string;
  readonly kind: FaultKind;
  readonly operation: Operation;
  readonly algorithm: AlgorithmName;
  /** Of this module alone; empty: of all. */
  readonly module: string;
  /** Jobs that it is done to; 0: until it is cleared. */
  readonly count: number;
  /** Done to every so many of the jobs; at least 1. */
  readonly interval: number;
  /** Of DELAY. */
  readonly delayMilliseconds: number;
}

/** A fault as threads are told it, with what they count together. */
export interface FaultOffer {
  readonly fault: Fault;
  readonly memory: SharedArrayBuffer;
}

const CELL = { seen: 0, injected: 1, cleared: 2 } as const;

/** Thrown through an engine: nobody answers the job. */
export class JobDropped extends Error {
  override readonly name = 'JobDropped';
}

/** A fault that is in force, on all threads that attach its memory. */
export class ArmedFault {
  readonly #cells: Int32Array;

  private constructor(
    readonly fault: Fault,
    readonly memory: SharedArrayBuffer,
  ) {
    this.#cells = new Int32Array(memory);
  }

  static arm(fault: Fault): ArmedFault {
    return new ArmedFault(fault, new SharedArrayBuffer(4 * Object.keys(CELL).length));
  }

  static attach({ fault, memory }: FaultOffer): ArmedFault {
    return new ArmedFault(fault, memory);
  }

  get offer(): FaultOffer {
    return { fault: this.fault, memory: this.memory };
  }

  /** Jobs that it was done to, on all threads. */
  get injected(): number {
    return Math.max(0, Atomics.load(this.#cells, CELL.injected));
  }

  /** Whoever hangs by it goes on, and it is done to nobody any more. */
  clear(): void {
    Atomics.store(this.#cells, CELL.cleared, 1);
    Atomics.notify(this.#cells, CELL.cleared);
  }

  /** Whether it is done to the next job. */
  #isDue(): boolean {
    const { count, interval } = this.fault;
    if (Atomics.load(this.#cells, CELL.cleared) !== 0) return false;
    if (count > 0 && Atomics.load(this.#cells, CELL.injected) >= count) return false;
    if (Atomics.add(this.#cells, CELL.seen, 1) % interval !== 0) return false;
    if (Atomics.add(this.#cells, CELL.injected, 1) < count || count === 0) return true;
    Atomics.sub(this.#cells, CELL.injected, 1);
    return false;
  }

  /** Before the engine does a job. True: what it makes is to be corrupted. Throws what the fault makes of the job. */
  strike(): boolean {
    if (!this.#isDue()) return false;
    const { kind, delayMilliseconds } = this.fault;
    switch (kind) {
      case 'CORRUPT':
        return true;
      case 'FAIL':
        throw new Error(`fault ${this.fault.id} was injected`);
      case 'DELAY':
        Atomics.wait(this.#cells, CELL.cleared, 0, delayMilliseconds);
        return false;
      case 'DROP':
        throw new JobDropped();
      case 'HANG':
        Atomics.wait(this.#cells, CELL.cleared, 0);
        return false;
    }
  }
}
