import { type Message, type Qdisc, qdisc, TC_H, tokenBucket } from '@outboard/netlink';
import type { OperationResult } from '../driver.js';
import { DONE, missing } from '../handlers.js';
import { resultOfFailure, type Step, sendSteps } from '../kernel/batch.js';
import type { Device } from '../kernel/device.js';
import { bucketOf } from '../realise/bandwidth.js';
import { linkKey, rateKey } from '../realise/linux-keys.js';
import { peerOfVeth } from '../realise/names.js';
import {
  type DeleteOperation,
  type Handler,
  type Observed,
  observedOf,
  type PutOperation,
  specOf,
} from './handler.js';
import type { Places } from './places.js';

/** Our mark on queueing disciplines, `OB` in ASCII: with 0 they are the kernel's default, with others somebody else's. */
const HANDLE = 0x4f420000;
const QDISCS = {
  ...qdisc.dump(),
  family: qdisc.reading({ kind: true, options: { parms: true, rate64: true } }),
};
/** ENOENT, EINVAL: there is none of that handle. */
const GONE = ['ENOENT', 'EINVAL', 'ENODEV'];

/** The queueing discipline at the root of a device, by which it sends no faster than it may. */
export class Rates implements Handler {
  constructor(private readonly places: Pick<Places, 'dpu'>) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    const { dpu } = this.places;
    for (const [index, operation] of operations.entries()) {
      const { device: name, bytesPerSecond } = specOf(operation, 'rate');
      const device = dpu.device(name);
      if (device === undefined) {
        results[index] = missing(linkKey(name));
        continue;
      }
      const [standing] = operation.action === 'create' ? await this.#look([device]) : [];
      if (standing?.ownership.kind === 'foreign') results[index] = standing.ownership;
      else steps.push({ index, socket: dpu.route, message: putMessage(device, bytesPerSecond) });
    }
    for (const [index, failure] of await sendSteps(steps)) {
      const operation = operations[index];
      results[index] =
        failure.code === 'ENODEV' && operation !== undefined
          ? missing(linkKey(specOf(operation, 'rate').device))
          : resultOfFailure(failure);
    }
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const { dpu } = this.places;
    const steps = operations.flatMap((operation, index): Step[] => {
      const device = dpu.device(observedOf(operation, 'rate').device);
      if (device === undefined) return [];
      const message = qdisc.remove({ ifindex: device.index, parent: TC_H.ROOT, handle: HANDLE });
      return [{ index, socket: dpu.route, message, tolerate: GONE }];
    });
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    const { dpu } = this.places;
    if (keys === 'all') return this.#look([...dpu.devices()]);
    return this.#look(keys.flatMap((key) => dpu.device(key.slice(rateKey('').length)) ?? []));
  }

  /** The kernel lists those of all devices at once, or those of none. */
  async #look(devices: readonly Device[]): Promise<Observed[]> {
    if (devices.length === 0) return [];
    const byIndex = new Map(devices.map((device) => [device.index, device]));
    return this.places.dpu.route.dump(QDISCS, (each) => {
      const device = byIndex.get(each.ifindex);
      return device === undefined || !isRate(each) ? undefined : observed(device, each);
    });
  }
}

/** At the root, and not what the kernel puts there by itself. */
export const isRate = ({ parent, handle }: Pick<Qdisc, 'parent' | 'handle'>): boolean =>
  parent === TC_H.ROOT && handle !== 0;

function putMessage({ index: ifindex }: Device, bytesPerSecond: number): Message {
  const { burst, limit } = bucketOf(bytesPerSecond);
  return qdisc.replace({
    ifindex,
    parent: TC_H.ROOT,
    handle: HANDLE,
    kind: 'tbf',
    options: tokenBucket(bytesPerSecond, burst, limit),
  });
}

function observed({ name: device }: Device, { handle, kind, options }: Qdisc): Observed {
  const parms = kind === 'tbf' && options !== undefined && 'parms' in options ? options.parms : undefined;
  const rate64 = options !== undefined && 'rate64' in options ? options.rate64 : undefined;
  const bytesPerSecond = Number(rate64 ?? parms?.rate ?? 0);
  return {
    key: rateKey(device),
    spec: { kind: 'rate', device, bytesPerSecond, limit: parms?.limit ?? 0 },
    ...(peerOfVeth(device) !== undefined && { within: linkKey(device) }),
    ownership:
      handle === HANDLE
        ? { kind: 'owned' }
        : {
            kind: 'foreign',
            found: `the ${kind ?? 'queueing discipline'} ${(handle >>> 16).toString(16)}: at its root`,
          },
  };
}
