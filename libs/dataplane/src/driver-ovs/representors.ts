import type { OperationResult } from '../driver.js';
import type * as linux from '../driver-linux/handler.js';
import type { Links } from '../driver-linux/links.js';
import type { Place } from '../driver-linux/place.js';
import type { RepresentorSpec } from '../realise/linux-objects.js';
import type { DeleteOperation, Handler, Observed, PutOperation } from './handler.js';
import { deafen } from './underlay.js';

/** The borrowed devices of the DPU, which the kernel must not listen to: their packets are the switch's. */
export class Representors implements Handler {
  constructor(
    private readonly links: Links,
    private readonly place: Place,
  ) {}

  put(operations: readonly PutOperation[]): Promise<readonly OperationResult[]> {
    for (const { object } of operations) deafen(this.place.namespace, (object.spec as RepresentorSpec).name);
    return this.links.put(operations as readonly linux.PutOperation[]);
  }

  remove(operations: readonly DeleteOperation[]): Promise<readonly OperationResult[]> {
    return this.links.remove(operations as readonly linux.DeleteOperation[]);
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly Observed[]> {
    const found = await this.links.observe(keys);
    return found.flatMap(({ spec, ...rest }) => (spec.kind === 'representor' ? [{ ...rest, spec }] : []));
  }
}
