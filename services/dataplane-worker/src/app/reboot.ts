import { AppError } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';

/** Ends this boot of the machine; rejects when that cannot be begun. */
export type RebootMachine = () => Promise<void>;

/** Carries out reboots that admin asks for, each once. */
export class Reboot {
  #obeyed = '';
  #problem = '';

  /** @param machine undefined: somebody else has to do it. */
  constructor(
    private readonly machine: RebootMachine | undefined,
    private readonly log: Log,
  ) {}

  /** Why the reboot that is asked for does not happen; empty: it does, or none is. */
  get problem(): string {
    return this.#problem;
  }

  /** @param request identifies it; empty: none is wanted. */
  ask(request: string): void {
    if (request === this.#obeyed) return;
    this.#obeyed = request;
    this.#problem = '';
    if (request !== '') void this.#begin(request);
  }

  async #begin(request: string): Promise<void> {
    if (this.machine === undefined) {
      this.#problem = 'OUTBOARD_REBOOT_COMMAND is not set';
      return;
    }
    this.log.warn({ request }, 'admin asks for a reboot');
    try {
      await this.machine();
    } catch (failure) {
      if (request === this.#obeyed) this.#problem = AppError.from(failure).message;
      this.log.error({ request, err: failure }, 'the reboot does not begin');
    }
  }
}
