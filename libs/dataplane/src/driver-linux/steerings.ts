import {
  directAction,
  type Filter,
  filter,
  filterInfo,
  type Message,
  redirectMatching,
  TC_CLSACT,
  TCA_BPF_FLAG_ACT_DIRECT,
} from '@outboard/netlink';
import type { OperationResult, RuleCounter } from '../driver.js';
import { DONE, missing, secondOf } from '../handlers.js';
import { resultOfFailure, type Step, sendSteps } from '../kernel/batch.js';
import type { Device } from '../kernel/device.js';
import type { Place } from '../kernel/place.js';
import { counterOfCookie } from '../realise/hop-counters.js';
import { linkKey, STEERING_PRIORITIES, steeringKey } from '../realise/linux-keys.js';
import type { SteeringSpec } from '../realise/linux-objects.js';
import { peerOfVeth } from '../realise/names.js';
import { type DeleteOperation, type Handler, type Observed, type PutOperation } from './handler.js';
import { INGRESS_EXISTS, ingressQdisc } from './ingress.js';
import type { Places } from './places.js';

const ETH_P_ALL = 3;

const KIND_OF_PRIORITY = new Map<number, SteeringSpec['kind']>(
  Object.entries(STEERING_PRIORITIES).map(([kind, priority]) => [priority, kind as SteeringSpec['kind']]),
);

/** The priorities at which filters are ours. */
export const isSteeringPriority = (priority: number): boolean => KIND_OF_PRIORITY.has(priority);

const priorityOf = ({ info }: { readonly info: number }): number => info >>> 16;

const where = ({ index: ifindex }: Device, key: string) => {
  const [, , priority = '', handle = ''] = key.split('/');
  return {
    ifindex,
    parent: TC_CLSACT.INGRESS,
    info: filterInfo(Number(priority), ETH_P_ALL),
    handle: Number.parseInt(handle, 16),
    kind: 'bpf',
  };
};

const GONE = ['ENOENT', 'EINVAL', 'ENODEV'];

/** Filters that send some of what comes in by a device another way than its gate. A change of one is one step for packets. */
export class Steerings implements Pick<Handler, 'put' | 'remove'> {
  constructor(private readonly places: Places) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    const { dpu } = this.places;
    for (const [index, { object }] of operations.entries()) {
      const spec = object.spec as SteeringSpec;
      const device = dpu.device(spec.device);
      const target = spec.target === '' ? undefined : dpu.device(spec.target);
      if (device === undefined || (target === undefined && spec.target !== '')) {
        results[index] = missing(linkKey(device === undefined ? spec.device : spec.target));
        continue;
      }
      const step = (message: Message, tolerate: readonly string[] = []): void => {
        steps.push({ index, socket: dpu.route, message, tolerate });
      };
      step(ingressQdisc(device.index), INGRESS_EXISTS);
      const ops = Buffer.from(spec.program, 'hex');
      const options =
        target === undefined
          ? directAction(ops)
          : redirectMatching(ops, target.index, Buffer.from(spec.cookie, 'hex'));
      step(filter.replace({ ...where(device, object.key), options }));
    }
    for (const [index, failure] of await sendSteps(steps)) {
      const { device = '' } = (operations[index]?.object.spec ?? {}) as Partial<SteeringSpec>;
      results[index] = failure.code === 'ENODEV' ? missing(linkKey(device)) : resultOfFailure(failure);
    }
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    const { dpu } = this.places;
    for (const [index, { key }] of operations.entries()) {
      const device = dpu.device(secondOf(key));
      if (device === undefined) continue;
      steps.push({
        index,
        socket: dpu.route,
        message: filter.remove(where(device, key)),
        tolerate: GONE,
      });
    }
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }
}

/** Those among the filters of a device. */
export function steeringsAmong(dpu: Place, device: Device, filters: readonly Filter[]): Observed[] {
  const found: Observed[] = [];
  for (const each of filters) {
    const kind = KIND_OF_PRIORITY.get(priorityOf(each));
    if (kind === undefined || each.handle === 0) continue;
    const key = steeringKey(device.name, priorityOf(each), each.handle);
    const { ops = new Uint8Array(), act = [], flags = 0 } = each.options ?? {};
    const [action] = act;
    const drops = (flags & TCA_BPF_FLAG_ACT_DIRECT) !== 0;
    const ifindex = action?.options?.parms?.ifindex ?? 0;
    const spec: SteeringSpec = {
      kind,
      device: device.name,
      program: Buffer.from(ops).toString('hex'),
      // What neither drops nor goes anywhere is nothing that is wanted.
      target: drops ? '' : (dpu.deviceAt(ifindex)?.name ?? '?'),
      cookie: cookieOf(each),
    };
    const within = peerOfVeth(device.name) === undefined ? {} : { within: linkKey(device.name) };
    found.push({ key, spec, ...within, ownership: { kind: 'owned' } });
  }
  return found;
}

/** What went through those among the filters of a device that are on the way from hop to hop. */
export function countersAmong(filters: readonly Filter[]): RuleCounter[] {
  return filters.flatMap((each) => {
    const cookie = cookieOf(each);
    const { basic, packets } = each.options?.act?.[0]?.stats ?? {};
    const isSteering = KIND_OF_PRIORITY.has(priorityOf(each)) && each.handle !== 0;
    if (!isSteering || cookie === '' || basic === undefined) return [];
    const counted = { packets: packets ?? BigInt(basic.packets), bytes: basic.bytes };
    return [{ name: counterOfCookie(cookie), ...counted }];
  });
}

const cookieOf = ({ options }: Filter): string =>
  Buffer.from(options?.act?.[0]?.cookie ?? []).toString('hex');
