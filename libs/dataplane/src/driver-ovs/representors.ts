import type { OperationResult } from '../driver.js';
import type { PutOperation } from '../handlers.js';
import { Representors } from '../kernel/representors.js';
import type { RepresentorSpec } from '../realise/linux-objects.js';
import { deafen } from './underlay.js';

/** Devices that the kernel must not listen to: their packets are the switch's. */
export class DeafRepresentors extends Representors {
  override put(operations: readonly PutOperation<RepresentorSpec>[]): Promise<readonly OperationResult[]> {
    for (const { object } of operations) deafen(this.place.namespace, object.spec.name);
    return super.put(operations);
  }
}
