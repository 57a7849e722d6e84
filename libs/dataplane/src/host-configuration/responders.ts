import type { Clock, Random } from '@outboard/core';
import type { ObservedObject, OperationResult } from '../driver.js';
import { type DeleteOperation, DONE, type Handler, missing, type PutOperation } from '../handlers.js';
import { resultOfThrown } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { linkKey } from '../realise/linux-keys.js';
import { Responder } from './responder.js';
import { type ResponderSpec, responderKey } from './responder-spec.js';

/** Those who answer the ports of a DPU: one at each representor. They live as long as the driver does. */
export class Responders implements Handler<ResponderSpec> {
  readonly #byDevice = new Map<string, Responder>();

  constructor(
    private readonly place: Place,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async put(operations: readonly PutOperation<ResponderSpec>[]): Promise<readonly OperationResult[]> {
    return operations.map(({ object: { spec } }) => this.#put(spec));
  }

  async remove(operations: readonly DeleteOperation<ResponderSpec>[]): Promise<readonly OperationResult[]> {
    for (const { observed } of operations) this.#take(observed.device)?.retire();
    return operations.map(() => DONE);
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly ObservedObject<ResponderSpec>[]> {
    const wanted = keys === 'all' ? undefined : new Set(keys);
    const found: ObservedObject<ResponderSpec>[] = [];
    for (const [device, { spec, deviceIndex }] of this.#byDevice) {
      const key = responderKey(device);
      // Of a device that was made anew it hears nothing.
      if (wanted?.has(key) === false || this.place.device(device)?.index !== deviceIndex) continue;
      found.push({ key, spec, ownership: { kind: 'owned' } });
    }
    return found;
  }

  /** Without a word to the ports: the next driver goes on. */
  close(): void {
    for (const device of [...this.#byDevice.keys()]) this.#take(device)?.close();
  }

  #put(spec: ResponderSpec): OperationResult {
    const index = this.place.device(spec.device)?.index;
    if (index === undefined) return missing(linkKey(spec.device));
    const known = this.#byDevice.get(spec.device);
    if (known?.deviceIndex === index) {
      known.tell(spec);
      return DONE;
    }
    this.#take(spec.device)?.close();
    try {
      const { namespace } = this.place;
      const responder = Responder.open(spec, { namespace, device: index }, this.clock, this.random);
      this.#byDevice.set(spec.device, responder);
      return DONE;
    } catch (failure) {
      return resultOfThrown(failure);
    }
  }

  #take(device: string): Responder | undefined {
    const responder = this.#byDevice.get(device);
    this.#byDevice.delete(device);
    return responder;
  }
}
