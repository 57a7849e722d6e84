import { AF, type Message, type Neighbour, NetlinkError, NTF, NUD, neighbour } from '@outboard/netlink';
import type { OperationResult } from '../driver.js';
import { groupBy } from '../group-by.js';
import { DONE, missing, secondOf } from '../handlers.js';
import { resultOfFailure, type Step, sendSteps } from '../kernel/batch.js';
import type { Device } from '../kernel/device.js';
import type { Place } from '../kernel/place.js';
import { bridgeEntryKey, linkKey, NULL_MAC, neighbourKey, tunnelEntryKey } from '../realise/linux-keys.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import { DEVICE_PREFIXES } from '../realise/names.js';
import { type DeleteOperation, type Handler, type Observed, type PutOperation } from './handler.js';
import type { Places } from './places.js';
import { OUTBOARD_PROTOCOL } from './protocol.js';

/** Up to so many of a namespace are asked for one by one; for more, its tables are listed. */
const SINGLE_GETS = 64;

type EntrySpec = Extract<LinuxSpec, { kind: 'bridgeentry' | 'tunnelentry' | 'neighbour' }>;

/** What bridges and tunnels know: static forwarding entries, flood lists, permanent neighbours. */
export class Entries implements Handler {
  constructor(private readonly places: Places) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    const careful: number[] = [];
    for (const [index, operation] of operations.entries()) {
      const spec = operation.object.spec as EntrySpec;
      const found = this.#deviceOf(spec);
      if (found === undefined) {
        results[index] = missing(linkKey(deviceName(spec)));
        continue;
      }
      const { place, device } = found;
      // A neighbour may be somebody else's. Forwarding entries bear no mark, and in our bridges they are ours.
      const create = spec.kind === 'neighbour' && operation.action === 'create';
      if (create) careful.push(index);
      steps.push({ index, socket: place.route, message: putMessage(spec, device, create) });
    }
    for (const [index, failure] of await sendSteps(steps)) {
      const spec = operations[index]?.object.spec as EntrySpec;
      if (failure.code === 'EEXIST' && careful.includes(index)) results[index] = await this.#replace(spec);
      else if (failure.code === 'ENODEV') results[index] = missing(linkKey(deviceName(spec)));
      else results[index] = resultOfFailure(failure);
    }
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const steps: Step[] = [];
    for (const [index, operation] of operations.entries()) {
      const spec = operation.observed as EntrySpec;
      const found = this.#deviceOf(spec);
      // Without its device it is gone.
      if (found === undefined) continue;
      const message = removeMessage(spec, found.device);
      steps.push({ index, socket: found.place.route, message, tolerate: ['ENOENT', 'ENODEV'] });
    }
    for (const [index, failure] of await sendSteps(steps)) results[index] = resultOfFailure(failure);
    return results;
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') return (await Promise.all([...this.places.routers()].map(observeAll))).flat();
    const byPlace = groupBy(keys, (key) => this.places.withDevice(secondOf(key)));
    const found: Observed[] = [];
    for (const [place, own] of byPlace) {
      if (own.length > SINGLE_GETS || own.some(isFlood)) {
        const wanted = new Set(own);
        found.push(...(await observeAll(place)).filter(({ key }) => wanted.has(key)));
      } else for (const key of own) found.push(...(await observeOne(place, key)));
    }
    return found;
  }

  /** In place of something that is there already: what the kernel learned is nobody's, what was set is. */
  async #replace(spec: EntrySpec): Promise<OperationResult> {
    const found = this.#deviceOf(spec);
    if (found === undefined) return missing(linkKey(deviceName(spec)));
    const { place, device } = found;
    const key = keyOf(spec);
    const [existing] = await observeOne(place, key);
    if (existing?.ownership.kind === 'foreign') return existing.ownership;
    const failed = await sendSteps([
      { index: 0, socket: place.route, message: putMessage(spec, device, false) },
    ]);
    const failure = failed.get(0);
    return failure === undefined ? DONE : resultOfFailure(failure);
  }

  #deviceOf(spec: EntrySpec): { place: Place; device: Device } | undefined {
    const place = this.places.router(spec.namespace);
    const device = place?.device(deviceName(spec));
    return place === undefined || device === undefined ? undefined : { place, device };
  }
}

/** The device that a message is about: for a bridge's entry, the port to which it points. */
function deviceName(spec: EntrySpec): string {
  if (spec.kind === 'bridgeentry') return spec.port;
  return spec.kind === 'tunnelentry' ? spec.tunnel : spec.bridge;
}

function keyOf(spec: EntrySpec): string {
  if (spec.kind === 'bridgeentry') return bridgeEntryKey(spec.bridge, spec.mac);
  if (spec.kind === 'tunnelentry') return tunnelEntryKey(spec.tunnel, spec.mac, spec.destination);
  return neighbourKey(spec.bridge, spec.address);
}

const isFlood = (key: string): boolean => key.split('/', 3)[2] === 'flood';

function putMessage(spec: EntrySpec, { index: ndmIfindex }: Device, create: boolean): Message {
  switch (spec.kind) {
    case 'bridgeentry':
      return neighbour.replace({
        ndmFamily: AF.BRIDGE,
        ndmIfindex,
        ndmState: NUD.NOARP,
        ndmFlags: NTF.MASTER,
        lladdr: spec.mac,
      });
    case 'tunnelentry': {
      const { mac: lladdr, destination: dst } = spec;
      const body = {
        ndmFamily: AF.BRIDGE,
        ndmIfindex,
        ndmState: NUD.PERMANENT,
        ndmFlags: NTF.SELF,
        lladdr,
        dst,
      };
      return lladdr === NULL_MAC ? neighbour.append(body) : neighbour.replace(body);
    }
    case 'neighbour': {
      const { address: dst, mac: lladdr } = spec;
      const ndmFamily = dst.includes(':') ? AF.INET6 : AF.INET;
      const body = {
        ndmFamily,
        ndmIfindex,
        ndmState: NUD.PERMANENT,
        dst,
        lladdr,
        protocol: OUTBOARD_PROTOCOL,
      };
      return create ? neighbour.create(body) : neighbour.replace(body);
    }
  }
}

function removeMessage(spec: EntrySpec, { index: ndmIfindex }: Device): Message {
  switch (spec.kind) {
    case 'bridgeentry':
      return neighbour.remove({
        ndmFamily: AF.BRIDGE,
        ndmIfindex,
        ndmFlags: NTF.MASTER,
        lladdr: spec.mac,
      });
    case 'tunnelentry':
      return neighbour.remove({
        ndmFamily: AF.BRIDGE,
        ndmIfindex,
        ndmFlags: NTF.SELF,
        lladdr: spec.mac,
        dst: spec.destination,
      });
    case 'neighbour':
      return neighbour.remove({
        ndmFamily: spec.address.includes(':') ? AF.INET6 : AF.INET,
        ndmIfindex,
        dst: spec.address,
      });
  }
}

async function observeOne(place: Place, key: string): Promise<Observed[]> {
  const [kind, deviceName = '', ...rest] = key.split('/');
  const device = place.device(deviceName);
  if (device === undefined) return [];
  const ndmIfindex = device.index;
  const [value = ''] = rest;
  const request =
    kind === 'neighbour'
      ? neighbour.get({ ndmFamily: value.includes(':') ? AF.INET6 : AF.INET, ndmIfindex, dst: value })
      : neighbour.get({ ndmFamily: AF.BRIDGE, ndmIfindex, ndmFlags: NTF.SELF, lladdr: value });
  try {
    const found = observedOf(place, await place.route.get(request));
    return found?.key === key ? [found] : [];
  } catch (failure) {
    if (failure instanceof NetlinkError && (failure.code === 'ENOENT' || failure.code === 'ENODEV'))
      return [];
    throw failure;
  }
}

/** All of a namespace, in two dumps. */
async function observeAll(place: Place): Promise<Observed[]> {
  const dumpOf = (ndmFamily: number): Promise<Observed[]> =>
    place.route.dump(neighbour.dump({ ndmFamily }), (entry) => observedOf(place, entry));
  return (await dumpOf(AF.BRIDGE)).concat(await dumpOf(AF.UNSPEC));
}

/** A neighbour message as one of ours, or as something that stands where ours might; undefined: of no interest. */
export function observedOf(place: Place, entry: Neighbour): Observed | undefined {
  const { ndmFamily, ndmIfindex, ndmState, ndmFlags, lladdr: mac = '', dst } = entry;
  const { name: namespace } = place;
  const inHardware = ndmFlags & NTF.OFFLOADED ? ({ inHardware: true } as const) : {};
  const device = place.deviceAt(ndmIfindex);
  if (device === undefined) return undefined;
  if (ndmFamily !== AF.BRIDGE) {
    if (!device.name.startsWith(DEVICE_PREFIXES.bridge) || dst === undefined) return undefined;
    const spec = { kind: 'neighbour', namespace, bridge: device.name, address: dst, mac } as const;
    const key = neighbourKey(device.name, dst);
    const within = linkKey(device.name);
    if (entry.protocol === OUTBOARD_PROTOCOL)
      return { key, spec, within, ...inHardware, ownership: { kind: 'owned' } };
    if ((ndmState & NUD.PERMANENT) === 0) return undefined;
    return {
      key,
      spec,
      within,
      ownership: { kind: 'foreign', found: 'a permanent neighbour without our mark' },
    };
  }
  const within = linkKey(device.name);
  if (entry.master !== undefined) {
    const bridge = place.deviceAt(entry.master)?.name;
    // Others are the bridge's own (permanent) or learned.
    if (bridge === undefined || ndmState !== NUD.NOARP) return undefined;
    const spec = { kind: 'bridgeentry', namespace, bridge, mac, port: device.name } as const;
    return { key: bridgeEntryKey(bridge, mac), spec, within, ...inHardware, ownership: { kind: 'owned' } };
  }
  const ofTunnel = (ndmFlags & NTF.SELF) !== 0 && device.name.startsWith(DEVICE_PREFIXES.tunnel);
  if (!ofTunnel || dst === undefined || (ndmState & NUD.PERMANENT) === 0) return undefined;
  const spec = { kind: 'tunnelentry', namespace, tunnel: device.name, mac, destination: dst } as const;
  return {
    key: tunnelEntryKey(device.name, mac, dst),
    spec,
    within,
    ...inHardware,
    ownership: { kind: 'owned' },
  };
}
