import { link, type Message, upFlags } from '@outboard/netlink';
import type { ObservedObject, OperationResult } from '../driver.js';
import { type DeleteOperation, DONE, type Handler, missing, type PutOperation } from '../handlers.js';
import { linkKey } from '../realise/linux-keys.js';
import type { RepresentorSpec } from '../realise/linux-objects.js';
import { aliasOf, parseAlias } from '../realise/names.js';
import { resultOfFailure, type Step, sendSteps } from './batch.js';
import { type Device, ownershipOf } from './device.js';
import type { Place } from './place.js';

/** Up to so many are asked for one by one; for more, all are listed. */
const SINGLE_GETS = 64;

/** The devices of the DPU that are not ours: of those that are borrowed, only what we set is given back. */
export class Representors implements Handler<RepresentorSpec> {
  constructor(protected readonly place: Place) {}

  async put(operations: readonly PutOperation<RepresentorSpec>[]): Promise<readonly OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    for (const [index, { object, mark }] of operations.entries()) {
      const { spec } = object;
      let device = this.place.device(spec.name);
      // Of a device that is down, nobody is told that somebody put his mark on it, or took it away.
      if (device !== undefined && parseAlias(device.alias) === undefined)
        device = await this.place.lookAtDevice(spec.name);
      const ownership = device === undefined ? undefined : ownershipOf(device, true);
      if (ownership === undefined) results[index] = missing(linkKey(spec.name));
      else if (ownership.kind === 'foreign') results[index] = ownership;
      else
        steps.push({ index, socket: this.place.route, message: settle(spec, aliasOf(mark.owner, mark.key)) });
    }
    for (const [index, failure] of await sendSteps(steps)) {
      const name = operations[index]?.object.spec.name ?? '';
      results[index] = failure.code === 'ENODEV' ? missing(linkKey(name)) : resultOfFailure(failure);
    }
    return results;
  }

  /** Given back, they are down: nobody is attached to them. */
  async remove(operations: readonly DeleteOperation<RepresentorSpec>[]): Promise<readonly OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps = operations.flatMap(({ observed: { name } }, index): Step[] => {
      const device = this.place.device(name);
      if (device === undefined) return [];
      const message = settle({ kind: 'representor', name, mtu: device.mtu, up: false }, '');
      return [{ index, socket: this.place.route, message, tolerate: ['ENODEV'] }];
    });
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }

  async observe(keys: readonly string[] | 'all'): Promise<ObservedObject<RepresentorSpec>[]> {
    if (keys === 'all' || keys.length > SINGLE_GETS) {
      await this.place.lookAtDevices();
      const wanted = keys === 'all' ? undefined : new Set(keys);
      return [...this.place.devices()]
        .flatMap(observedRepresentor)
        .filter(({ key }) => wanted?.has(key) !== false);
    }
    const found = await Promise.all(
      keys.map((key) => this.place.lookAtDevice(key.slice(linkKey('').length))),
    );
    return found.flatMap((device) => (device === undefined ? [] : observedRepresentor(device)));
  }
}

export function observedRepresentor(device: Device): ObservedObject<RepresentorSpec>[] {
  const { name, mtu, up } = device;
  if (name === 'lo') return [];
  const spec = { kind: 'representor', name, mtu, up } as const;
  return [{ key: linkKey(name), spec, ownership: ownershipOf(device, true) }];
}

const settle = ({ name, mtu, up }: RepresentorSpec, ifalias: string): Message =>
  link.change({ ifname: name, ifalias, mtu, ...upFlags(up) });
