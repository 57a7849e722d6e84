import type { ObservedObject, OperationResult } from '../driver.js';
import { type DeleteOperation, DONE, type Handler, type PutOperation } from '../handlers.js';
import type { Refusal } from './openflow/client.js';
import { addMeter, changeMeter, describeMeters, readMeters, removeMeter } from './openflow/meters.js';
import { type MeterSpec, meterKey } from './realise/ovs-objects.js';
import type { Switch } from './switch.js';

/** OFPET_METER_MOD_FAILED with OFPMMFC_METER_EXISTS, UNKNOWN_METER. */
const REFUSED = { EXISTS: '12.1', UNKNOWN: '12.2' };

/** How much ports may send and receive. All meters that the integration bridge has are ours. */
export class Meters implements Handler<MeterSpec> {
  constructor(private readonly vswitch: Switch) {}

  async put(operations: readonly PutOperation<MeterSpec>[]): Promise<readonly OperationResult[]> {
    // Whether it is there already or not: one of the two is refused.
    const messages = operations.flatMap(({ object: { spec } }) => [addMeter(spec), changeMeter(spec)]);
    return this.#outcomes(operations.length, await this.vswitch.client.send(messages), 2, REFUSED.EXISTS);
  }

  async remove(operations: readonly DeleteOperation<MeterSpec>[]): Promise<readonly OperationResult[]> {
    const messages = operations.map(({ observed }) => removeMeter(observed.id));
    return this.#outcomes(operations.length, await this.vswitch.client.send(messages), 1, REFUSED.UNKNOWN);
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly ObservedObject<MeterSpec>[]> {
    const wanted = keys === 'all' ? undefined : new Set(keys);
    const parts = await this.vswitch.client.request(describeMeters());
    return parts.flatMap(readMeters).flatMap((meter) => {
      const key = meterKey(meter.id);
      const spec = { kind: 'meter', ...meter } as const;
      return wanted?.has(key) === false ? [] : [{ key, spec, ownership: { kind: 'owned' } as const }];
    });
  }

  #outcomes(
    count: number,
    refusals: readonly Refusal[],
    messagesEach: number,
    expected: string,
  ): OperationResult[] {
    const results: OperationResult[] = Array.from({ length: count }, () => DONE);
    for (const { index, code, message } of refusals)
      if (code !== expected)
        results[Math.floor(index / messagesEach)] = { kind: 'failed', error: { code, message } };
    return results;
  }
}
