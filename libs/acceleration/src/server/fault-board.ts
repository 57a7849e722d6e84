import { AppError } from '@outboard/core';
import { ArmedFault, type Fault, type FaultOffer } from '../engine/fault.js';

const MAXIMUM_FAULTS = 32;

/** A fault in force, and to how many jobs it was done. */
export interface FaultActivity {
  readonly fault: Fault;
  readonly injected: number;
}

/** The faults that are in force. */
export class FaultBoard {
  readonly #armed = new Map<string, ArmedFault>();
  #nextId = 1;

  /** ALREADY_EXISTS: there is one for that engine; RESOURCE_EXHAUSTED: there are enough. */
  inject(wanted: Omit<Fault, 'id'>): Fault {
    if (this.#armed.size >= MAXIMUM_FAULTS)
      throw new AppError('RESOURCE_EXHAUSTED', `there are ${MAXIMUM_FAULTS} faults in force`);
    for (const { fault } of this.#armed.values()) {
      const meets = fault.module === wanted.module || fault.module === '' || wanted.module === '';
      if (fault.operation === wanted.operation && fault.algorithm === wanted.algorithm && meets)
        throw new AppError('ALREADY_EXISTS', `fault ${fault.id} is in force there: clear it first`);
    }
    const fault = { ...wanted, id: `${this.#nextId++}` };
    this.#armed.set(fault.id, ArmedFault.arm(fault));
    return fault;
  }

  /** Takes one away, or all; whoever hangs by it goes on at once. NOT_FOUND: there is none of that id. */
  clear(id?: string): void {
    const cleared = [...this.#armed.values()].filter(({ fault }) => id === undefined || fault.id === id);
    if (id !== undefined && cleared.length === 0) throw new AppError('NOT_FOUND', `there is no fault ${id}`);
    for (const armed of cleared) {
      armed.clear();
      this.#armed.delete(armed.fault.id);
    }
  }

  get offers(): readonly FaultOffer[] {
    return [...this.#armed.values()].map(({ offer }) => offer);
  }

  get activity(): readonly FaultActivity[] {
    return [...this.#armed.values()].map(({ fault, injected }) => ({ fault, injected }));
  }
}
