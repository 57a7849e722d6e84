import type { VirtualFunctions as VirtualFunctionsMessage } from '@outboard/contracts';
import { AppError, type Clock } from '@outboard/core';
import type { ObjectProblem } from '@outboard/dataplane/contract';
import type { VirtualFunctions } from '@outboard/workloads';
import type { AdminPart, WantedObject } from '../admin/admin-part.js';

const RETRY_MILLISECONDS = 2_000;
/** Somebody may take a function away: it is made anew. */
const CHECK_MILLISECONDS = 10_000;

/** The functions that pools want of this DPU, as a part of the document of owner `admin`. */
export class FunctionsPart implements AdminPart<VirtualFunctionsMessage>, AsyncDisposable {
  #objects: readonly WantedObject<VirtualFunctionsMessage>[] = [];
  #isWanted = false;
  #state: 'settled' | 'underWay' | { readonly failure: string } = 'settled';
  #foreign: readonly string[] = [];
  #running: Promise<void> | undefined;
  #again = false;
  #timer: Disposable | undefined;
  #listener: (repaired: number) => void = () => {};
  #closed = false;

  constructor(
    private readonly functions: Pick<VirtualFunctions, 'settle'>,
    private readonly clock: Clock,
  ) {}

  want(objects: readonly WantedObject<VirtualFunctionsMessage>[], isKnown: boolean): void {
    this.#objects = objects;
    // A DPU that its owner does not know keeps what it has: ports may be bound to it.
    if (!isKnown && !this.#isWanted) return;
    this.#isWanted = true;
    this.#state = 'underWay';
    this.#look();
  }

  problems(): readonly ObjectProblem[] {
    const state = this.#state;
    return this.#objects.flatMap(({ key, source, value }): ObjectProblem[] => {
      const names = value.sfNumbers.map((number) => `pf${value.pfNumber}sf${number}`);
      const foreign = names.filter((name) => this.#foreign.includes(name));
      if (foreign.length > 0)
        return [
          {
            key,
            source,
            state: 'FOREIGN',
            message: `not made by this worker: ${foreign.slice(0, 8).join(', ')}`,
          },
        ];
      if (state === 'underWay')
        return [{ key, source, state: 'PENDING', message: 'not made yet', isUnderWay: true }];
      return state === 'settled' ? [] : [{ key, source, state: 'PENDING', message: state.failure }];
    });
  }

  onChange(listener: (repaired: number) => void): void {
    this.#listener = listener;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#running;
  }

  #look(): void {
    this.#again = true;
    if (this.#running !== undefined || this.#closed) return;
    this.#timer?.[Symbol.dispose]();
    this.#running = this.#settle().finally(() => {
      this.#running = undefined;
      if (this.#closed) return;
      // Something was wanted when this had just ended.
      if (this.#again) return this.#look();
      const isSettled = this.#state === 'settled';
      // What nobody wants cannot be taken away, and a look costs a dump of every device of the DPU.
      if (isSettled && this.#objects.length === 0) return;
      const pause = isSettled ? CHECK_MILLISECONDS : RETRY_MILLISECONDS;
      this.#timer = this.clock.schedule(pause, () => this.#look());
    });
  }

  async #settle(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      const before = JSON.stringify([this.#state, this.#foreign]);
      try {
        this.#foreign = await this.functions.settle(this.#objects.map(({ value }) => value));
        this.#state = 'settled';
      } catch (failure) {
        this.#state = { failure: AppError.from(failure).message };
      }
      if (before !== JSON.stringify([this.#state, this.#foreign])) this.#listener(0);
    }
  }
}
