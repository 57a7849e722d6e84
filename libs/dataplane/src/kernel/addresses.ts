import { type Address, AF, address, IFA_F, type Message } from '@outboard/netlink';
import type { ObservedObject, OperationResult } from '../driver.js';
import { groupBy } from '../group-by.js';
import {
  type DeleteOperation,
  DONE,
  type Handler,
  missing,
  type PutOperation,
  secondOf,
} from '../handlers.js';
import { addressKey, linkKey } from '../realise/linux-keys.js';
import type { AddressSpec } from '../realise/linux-objects.js';
import { isAddressedDevice } from '../realise/names.js';
import { resultOfFailure, type Step, sendSteps } from './batch.js';
import type { Device } from './device.js';
import type { Place, PlaceSet } from './place.js';

/** Up to so many devices of a namespace are asked for one by one; for more, all of its addresses are listed. */
const SINGLE_DEVICES = 16;

/** Addresses of gateways and ways out. On devices of ours all are ours. */
export class Addresses implements Handler<AddressSpec> {
  constructor(private readonly places: PlaceSet) {}

  async put(operations: readonly PutOperation<AddressSpec>[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    for (const [index, operation] of operations.entries()) {
      const spec = operation.object.spec;
      const place = this.places.at(spec.namespace);
      const device = place?.device(spec.device);
      if (place === undefined || device === undefined) results[index] = missing(linkKey(spec.device));
      else steps.push({ index, socket: place.route, message: putMessage(spec, device) });
    }
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }

  async remove(operations: readonly DeleteOperation<AddressSpec>[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    for (const [index, operation] of operations.entries()) {
      const spec = operation.observed;
      const place = this.places.at(spec.namespace);
      const device = place?.device(spec.device);
      // Without its device it is gone.
      if (place === undefined || device === undefined) continue;
      const message = address.remove(bodyOf(spec, device));
      steps.push({ index, socket: place.route, message, tolerate: ['EADDRNOTAVAIL', 'ENODEV'] });
    }
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }

  async observe(keys: readonly string[] | 'all'): Promise<ObservedObject<AddressSpec>[]> {
    if (keys === 'all') return (await Promise.all([...this.places.all()].map(observeAll))).flat();
    const wanted = new Set(keys);
    const found: ObservedObject<AddressSpec>[] = [];
    for (const [place, own] of groupBy(keys, (key) => this.places.withDevice(secondOf(key))))
      found.push(...(await observeDevices(place, new Set(own.map(secondOf)))));
    return found.filter(({ key }) => wanted.has(key));
  }
}

function bodyOf({ address: text, peer }: AddressSpec, { index: ifaIndex }: Device) {
  const slash = text.indexOf('/');
  const own = text.slice(0, slash);
  const ipv6 = own.includes(':');
  return {
    ifaFamily: ipv6 ? AF.INET6 : AF.INET,
    ifaPrefixlen: Number(text.slice(slash + 1)),
    ifaIndex,
    address: peer ?? own,
    ...(ipv6 && peer === undefined ? {} : { local: own }),
  };
}

/** The same address is on every DPU: to look for duplicates would find them. */
const putMessage = (spec: AddressSpec, device: Device): Message =>
  address.replace({ ...bodyOf(spec, device), flags: IFA_F.NODAD });

async function observeAll(place: Place): Promise<ObservedObject<AddressSpec>[]> {
  const addresses = await place.route.dump(address.dump());
  return addresses.flatMap((each) => observedAddress(place, each) ?? []);
}

async function observeDevices(
  place: Place,
  names: ReadonlySet<string>,
): Promise<ObservedObject<AddressSpec>[]> {
  if (names.size > SINGLE_DEVICES) return observeAll(place);
  const found: ObservedObject<AddressSpec>[] = [];
  for (const name of names) {
    const device = place.device(name);
    if (device === undefined) continue;
    const addresses = await place.route.dump(address.dump({ ifaIndex: device.index }));
    found.push(...addresses.flatMap((each) => observedAddress(place, each) ?? []));
  }
  return found;
}

/** An address message as one of ours; undefined for those of devices that get none of us. */
export function observedAddress(place: Place, message: Address): ObservedObject<AddressSpec> | undefined {
  const device = place.deviceAt(message.ifaIndex);
  const own = message.local ?? message.address;
  if (device === undefined || own === undefined || !isAddressedDevice(device.name)) return undefined;
  const text = `${own}/${message.ifaPrefixlen}`;
  const peer = message.local !== message.address && message.local !== undefined ? message.address : undefined;
  return {
    key: addressKey(device.name, text),
    spec: {
      kind: 'address',
      namespace: place.name,
      device: device.name,
      address: text,
      ...(peer && { peer }),
    },
    within: linkKey(device.name),
    ownership: { kind: 'owned' },
  };
}
