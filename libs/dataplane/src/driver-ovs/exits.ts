import { link, upFlags } from '@outboard/netlink';
import type { ObservedObject, OperationResult } from '../driver.js';
import { type DeleteOperation, DONE, type Handler, missing, type PutOperation } from '../handlers.js';
import { resultOfFailure, type Step, sendSteps } from '../kernel/batch.js';
import { NO_HOST } from '../kernel/device.js';
import { isForwarding, setForwarding } from '../kernel/forwarding.js';
import type { Place } from '../kernel/place.js';
import { EXIT_DEVICE, type ExitSpec, exitKey, portKey } from './realise/ovs-objects.js';

/** What the kernel does with devices that are ports of the switch. They come and go with these. */
export class Exits implements Handler<ExitSpec> {
  constructor(private readonly place: Place) {}

  async put(operations: readonly PutOperation<ExitSpec>[]): Promise<readonly OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    for (const [index, { object }] of operations.entries()) {
      const { name, mac, up, forwarding } = object.spec;
      if ((await this.place.lookAtDevice(name)) === undefined) {
        results[index] = missing(portKey(name));
        continue;
      }
      setForwarding(this.place, name, forwarding);
      // The kernel looks at the flags first: a device that goes up gets an address.
      for (const what of [{ address: mac, ...NO_HOST }, upFlags(up)])
        steps.push({ index, socket: this.place.route, message: link.change({ ifname: name, ...what }) });
    }
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }

  async remove(operations: readonly DeleteOperation<ExitSpec>[]): Promise<readonly OperationResult[]> {
    const steps = operations.map(({ observed: { name } }, index): Step => {
      setForwarding(this.place, name, false);
      const message = link.change({ ifname: name, ...upFlags(false) });
      return { index, socket: this.place.route, message, tolerate: ['ENODEV'] };
    });
    const failed = await sendSteps(steps);
    return operations.map((_, index) => {
      const failure = failed.get(index);
      return failure === undefined ? DONE : resultOfFailure(failure);
    });
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly ObservedObject<ExitSpec>[]> {
    const names = keys === 'all' ? [EXIT_DEVICE] : keys.map((key) => key.slice(exitKey('').length));
    const found: ObservedObject<ExitSpec>[] = [];
    for (const name of names) {
      const device = await this.place.lookAtDevice(name);
      if (device === undefined) continue;
      const { address: mac, up } = device;
      const forwarding = isForwarding(this.place, name);
      found.push({
        key: exitKey(name),
        spec: { kind: 'exit', name, mac, up, forwarding },
        ownership: { kind: 'owned' },
        within: portKey(name),
      });
    }
    return found;
  }
}
