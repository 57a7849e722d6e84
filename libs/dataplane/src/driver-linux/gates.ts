import {
  type Filter,
  filter,
  filterInfo,
  IFF,
  link,
  type Message,
  matchAll,
  redirectAll,
  TC_CLSACT,
  TCA_CLS_FLAGS,
} from '@outboard/netlink';
import type { DriverObject, OperationResult } from '../driver.js';
import { DONE, missing } from '../handlers.js';
import { resultOfFailure, type Step, sendSteps } from '../kernel/batch.js';
import type { Device } from '../kernel/device.js';
import type { Place } from '../kernel/place.js';
import { gateKey, linkKey } from '../realise/linux-keys.js';
import type { GateSpec, LinuxSpec } from '../realise/linux-objects.js';
import { peerOfVeth } from '../realise/names.js';
import type { Offload } from '../realise/offload.js';
import {
  type DeleteOperation,
  type Handler,
  type Observed,
  observedOf,
  type PutOperation,
  specOf,
} from './handler.js';
import { INGRESS_EXISTS, ingressQdisc } from './ingress.js';
import type { Places } from './places.js';

/** The priority of our filters: our mark on them. Filters of others before it go first. */
const GATE_PRIORITY = 200;
const ETH_P_ALL = 3;
const ETH_P_8021Q = 0x8100;
/** Goes first: what it matches is left to the device, as a filter without an action lets it pass. */
const PASS_PRIORITY = GATE_PRIORITY - 1;
/** The first filter of the first hash table of u32: `800::800`. */
const GATE_HANDLE = 0x80000800;

const where = ({ index: ifindex }: Device) => ({
  ifindex,
  parent: TC_CLSACT.INGRESS,
  info: filterInfo(GATE_PRIORITY, ETH_P_ALL),
  handle: GATE_HANDLE,
  kind: 'u32',
});

/** All filters there; u32 numbers the hash table of a second priority as it likes. */
const wherePasses = ({ index: ifindex }: Device) => ({
  ifindex,
  parent: TC_CLSACT.INGRESS,
  info: filterInfo(PASS_PRIORITY, ETH_P_8021Q),
  kind: 'u32',
});

/** A filter, not one of u32's hash tables. */
const isNode = ({ kind, handle }: Filter): boolean => kind === 'u32' && (handle & 0xfff) !== 0;

/** REQUIRED: the kernel refuses it where there is no hardware for it. */
const FLAGS: Readonly<Record<Offload, number>> = {
  PREFERRED: 0,
  REQUIRED: TCA_CLS_FLAGS.SKIP_SW,
  NEVER: TCA_CLS_FLAGS.SKIP_HW,
};

/** Some kernels take a filter that is to be in hardware only, and then have it nowhere: that is none of these. */
function placeOf(flags: number): Offload | undefined {
  if (flags & TCA_CLS_FLAGS.SKIP_SW) return flags & TCA_CLS_FLAGS.IN_HW ? 'REQUIRED' : undefined;
  return flags & TCA_CLS_FLAGS.SKIP_HW ? 'NEVER' : 'PREFERRED';
}

const offloadIn = ({ observed }: Extract<PutOperation, { action: 'update' }>): Offload | undefined =>
  observed.kind === 'gate' ? observed.offload : undefined;

function resultOf(
  failure: { code: string; message: string },
  { device, offload }: GateSpec,
): OperationResult {
  if (failure.code === 'ENODEV') return missing(linkKey(device));
  const result = resultOfFailure(failure);
  if (offload !== 'REQUIRED' || (result.kind !== 'unsupported' && failure.code !== 'EINVAL')) return result;
  return { kind: 'unsupported', why: `cannot be in hardware: ${device} takes no filters (${failure.code})` };
}

const setPromiscuous = ({ index: ifiIndex }: Device, on: boolean): Message =>
  link.change({ ifiIndex, ifiFlags: on ? IFF.PROMISC : 0, ifiChange: IFF.PROMISC });

/** ENOENT: no filter. EINVAL: no qdisc. */
const GONE = ['ENOENT', 'EINVAL', 'ENODEV'];

/** Makes what the filters will be attached to, where there is a device already; whoever puts the filters tells what is wrong. */
export function prepareGates(dpu: Place, objects: readonly DriverObject<LinuxSpec>[]): void {
  const messages = objects.flatMap(({ spec }) => {
    const device = spec.kind === 'gate' ? dpu.device(spec.device) : undefined;
    return device === undefined ? [] : [ingressQdisc(device.index)];
  });
  if (messages.length > 0) dpu.route.batch(messages).catch(() => undefined);
}

/** Redirects of everything that comes in by a device: what joins a representor and a veth, at the price of neither bridge nor move. */
export class Gates implements Pick<Handler, 'put' | 'remove'> {
  constructor(private readonly places: Places) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    const { dpu } = this.places;
    for (const [index, operation] of operations.entries()) {
      const {
        device: name,
        target: targetName,
        passTagged,
        promiscuous,
        offload,
      } = specOf(operation, 'gate');
      const device = dpu.device(name);
      const target = dpu.device(targetName);
      if (device === undefined || target === undefined) {
        results[index] = missing(linkKey(device === undefined ? name : targetName));
        continue;
      }
      const step = (message: Message, tolerate: readonly string[] = []): void => {
        steps.push({ index, socket: dpu.route, message, tolerate });
      };
      // The qdisc may be another's: it is used, and left when we go.
      step(ingressQdisc(device.index), INGRESS_EXISTS);
      step(filter.remove(wherePasses(device)), GONE);
      // Where a filter is cannot be changed in place.
      if (operation.action === 'update' && offloadIn(operation) !== offload)
        step(filter.remove(where(device)), GONE);
      const options = redirectAll(target.index, FLAGS[offload ?? 'PREFERRED']);
      step(filter.replace({ ...where(device), options }));
      if (passTagged) step(filter.create({ ...wherePasses(device), options: matchAll() }));
      if (promiscuous) step(setPromiscuous(device, true));
    }
    for (const [index, failure] of await sendSteps(steps)) {
      const operation = operations[index];
      if (operation !== undefined) results[index] = resultOf(failure, specOf(operation, 'gate'));
    }
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    const { dpu } = this.places;
    for (const [index, operation] of operations.entries()) {
      const { device: name, promiscuous, passTagged } = observedOf(operation, 'gate');
      const device = dpu.device(name);
      if (device === undefined) continue;
      if (promiscuous && passTagged)
        steps.push({ index, socket: dpu.route, message: setPromiscuous(device, false), tolerate: GONE });
      for (const place of [where(device), wherePasses(device)]) {
        steps.push({ index, socket: dpu.route, message: filter.remove(place), tolerate: GONE });
      }
    }
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }
}

/** The gate among the filters of a device, or what stands in its place. */
export function gateAmong(dpu: Place, device: Device, filters: readonly Filter[]): Observed[] {
  const key = gateKey(device.name);
  const own = filters.filter(({ info, handle }) => info >>> 16 === GATE_PRIORITY && handle !== 0);
  const gate = own.find(({ handle, kind }) => handle === GATE_HANDLE && kind === 'u32');
  const within = peerOfVeth(device.name) === undefined ? {} : { within: linkKey(device.name) };
  if (gate === undefined) {
    const [other] = own.filter(({ kind }) => kind !== 'u32');
    if (other === undefined) return [];
    const spec = { kind: 'gate', device: device.name, target: '' } as const;
    const found = `a ${other.kind ?? ''} filter of priority ${GATE_PRIORITY}`;
    return [{ key, spec, ...within, ownership: { kind: 'foreign', found } }];
  }
  const [action] = gate.options?.act ?? [];
  const target = dpu.deviceAt(action?.options?.parms?.ifindex ?? 0)?.name ?? '';
  const keys = gate.options?.sel?.keys ?? [];
  // Anything but "all of it, redirected" is no gate, however it came to be.
  const intact = action?.kind === 'mirred' && keys.every(({ mask }) => mask === 0) && own.length <= 2;
  const passTagged = filters.some((each) => each.info >>> 16 === PASS_PRIORITY && isNode(each));
  const { name, promiscuous } = device;
  const flags = gate.options?.flags ?? 0;
  const offload = placeOf(flags);
  const spec = {
    kind: 'gate',
    device: name,
    target: intact ? target : '',
    passTagged,
    promiscuous,
    ...(offload && { offload }),
  } as const;
  const inHardware = flags & TCA_CLS_FLAGS.IN_HW ? ({ inHardware: true } as const) : {};
  return [{ key, spec, ...within, ...inHardware, ownership: { kind: 'owned' } }];
}
