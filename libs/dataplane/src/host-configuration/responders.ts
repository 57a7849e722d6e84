import type { Clock, Random } from '@outboard/core';
import type { ObservedObject, OperationResult } from '../driver.js';
import { type DeleteOperation, DONE, type Handler, missing, type PutOperation } from '../handlers.js';
import { resultOfThrown } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { linkKey } from '../realise/linux-keys.js';
import { Responder } from './responder.js';
import { type ResponderSpec, responderKey } from './responder-spec.js';

/** Those who answer the ports of a DPU: one at each representor, and at each VLAN of one that is a port. They live as long as the driver does. */
export class Responders implements Handler<ResponderSpec> {
  readonly #byKey = new Map<string, Responder>();

  constructor(
    private readonly place: Place,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async put(operations: readonly PutOperation<ResponderSpec>[]): Promise<readonly OperationResult[]> {
    return operations.map(({ object: { spec } }) => this.#put(spec));
  }

  async remove(operations: readonly DeleteOperation<ResponderSpec>[]): Promise<readonly OperationResult[]> {
    for (const { observed } of operations) this.#take(responderKey(observed))?.retire();
    return operations.map(() => DONE);
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly ObservedObject<ResponderSpec>[]> {
    const wanted = keys === 'all' ? undefined : new Set(keys);
    const found: ObservedObject<ResponderSpec>[] = [];
    for (const [key, { spec, deviceIndex }] of this.#byKey) {
      // Of a device that was made anew it hears nothing.
      if (wanted?.has(key) === false || this.place.device(spec.device)?.index !== deviceIndex) continue;
      found.push({ key, spec, ownership: { kind: 'owned' } });
    }
    return found;
  }

  /** Without a word to the ports: the next driver goes on. */
  close(): void {
    for (const key of [...this.#byKey.keys()]) this.#take(key)?.close();
  }

  #put(spec: ResponderSpec): OperationResult {
    const index = this.place.device(spec.device)?.index;
    if (index === undefined) return missing(linkKey(spec.device));
    const key = responderKey(spec);
    const known = this.#byKey.get(key);
    if (known?.deviceIndex === index) {
      known.tell(spec);
      return DONE;
    }
    this.#take(key)?.close();
    try {
      const { namespace } = this.place;
      const responder = Responder.open(spec, { namespace, device: index }, this.clock, this.random);
      this.#byKey.set(key, responder);
      return DONE;
    } catch (failure) {
      return resultOfThrown(failure);
    }
  }

  #take(key: string): Responder | undefined {
    const responder = this.#byKey.get(key);
    this.#byKey.delete(key);
    return responder;
  }
}
