import { link } from '@outboard/netlink';
import type { OperationResult } from '../driver.js';
import { DONE, missing } from '../handlers.js';
import { resultOfFailure, type Step, sendSteps } from '../kernel/batch.js';
import { DELETION_GROUP, type Device, ownershipOf } from '../kernel/device.js';
import { isForwarding, setForwarding } from '../kernel/forwarding.js';
import type { Place } from '../kernel/place.js';
import { observedRepresentor } from '../kernel/representors.js';
import { linkKey, namespaceKey } from '../realise/linux-keys.js';
import type { ExitSpec, LinuxSpec, VethSpec } from '../realise/linux-objects.js';
import { aliasOf, DEVICE_PREFIXES, peerOfVeth, vethOfPeer } from '../realise/names.js';
import type { DeleteOperation, Handler, Observed, PutOperation } from './handler.js';
import { INGRESS_EXISTS, ingressQdisc } from './ingress.js';
import {
  createBridge,
  createGeneve,
  createTunnel,
  createVeth,
  createVlan,
  settle,
  settleBridgePort,
  settleVeth,
} from './link-messages.js';
import { isRouterDevice, type Places } from './places.js';

/** Up to so many are asked for one by one; for more, all of a namespace are listed. */
const SINGLE_GETS = 64;

/** What a device is as a port of a bridge before it is one. */
const NO_BRIDGE_PORT: NonNullable<Device['bridgePort']> = {
  learning: true,
  flood: true,
  neighbourSuppression: false,
  isolated: false,
};

type LinkSpec = Extract<
  LinuxSpec,
  { kind: 'bridge' | 'tunnel' | 'geneve' | 'vlan' | 'veth' | 'port' | 'exit' | 'door' }
>;

/** What one operation still needs: the device made, or only settled. */
interface Work {
  readonly index: number;
  readonly spec: LinkSpec;
  readonly alias: string;
  /** Where the device stands, or will. */
  readonly place: Place;
}

/** Devices: bridges, tunnels, VLANs, veths, and their peers as ports; looks at borrowed ones, too. */
export class Links implements Handler {
  constructor(private readonly places: Pick<Places, 'dpu' | 'router' | 'routers' | 'withDevice'>) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const works: Work[] = [];
    for (const [index, operation] of operations.entries()) {
      const spec = operation.object.spec as LinkSpec;
      const home = 'namespace' in spec && !isOuterEnd(spec) ? spec.namespace : '';
      const place = home === '' ? this.places.dpu : this.places.router(home);
      if (place === undefined) results[index] = missing(namespaceKey(home));
      else works.push({ index, spec, alias: aliasOf(operation.mark.owner, operation.mark.key), place });
    }
    const report = (failed: ReadonlyMap<number, OperationResult>): void => {
      for (const [index, result] of failed) results[index] = result;
    };
    report(await this.#recreate(works));
    report(await this.#create(works.filter(({ index }) => results[index] === DONE)));
    report(await this.#settle(works.filter(({ index }) => results[index] === DONE)));
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const doomed: { index: number; place: Place; device: Device }[] = [];
    for (const [index, { observed }] of operations.entries()) {
      const { kind, name } = observed as LinkSpec;
      const place = this.places.withDevice(name);
      const device = place?.device(name);
      if (place === undefined || device === undefined) continue;
      // A port, or a door, is the other end of a veth and goes with it.
      if ((kind === 'port' || kind === 'door') && this.#vethOf(device) !== undefined) continue;
      doomed.push({ index, place, device });
    }
    for (const [index, failure] of await removeDevices(doomed)) results[index] = failure;
    return results;
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    if (keys === 'all') {
      const places = [this.places.dpu, ...this.places.routers()];
      await Promise.all(places.map((place) => place.lookAtDevices()));
      return places.flatMap((place) =>
        [...place.devices()].flatMap((device) => this.#observed(place, device)),
      );
    }
    const names = keys.map((key) => key.slice(linkKey('').length));
    if (names.length > SINGLE_GETS) {
      const wanted = new Set(keys);
      return (await this.observe('all')).filter(({ key }) => wanted.has(key));
    }
    const found: Observed[] = [];
    // Inner ends first: where their pairs lead is part of what outer ends are.
    for (const name of names.sort((one, other) => Number(isOuterName(one)) - Number(isOuterName(other)))) {
      for (const place of isRouterDevice(name) ? this.places.routers() : [this.places.dpu]) {
        // Of a router's device only its home is asked; which that is was told by events, or by the last look at all.
        if (place !== this.places.dpu && place.device(name) === undefined) continue;
        const device = await place.lookAtDevice(name);
        if (device === undefined) continue;
        if (isOuterName(name) && !names.includes(peerOfVeth(name) ?? '')) await this.#lookAtPeer(name);
        found.push(...this.#observed(place, device));
      }
    }
    return found;
  }

  /** What the kernel tells of an inner end that is born, it tells before the two ends know of each other. */
  async #lookAtInnerEnds(works: readonly Work[]): Promise<void> {
    const pairs = works.flatMap(({ spec }) => (isOuterEnd(spec) ? [spec] : []));
    const places = new Set(pairs.flatMap(({ namespace }) => this.places.router(namespace) ?? []));
    for (const place of places) place.drain();
    if (pairs.length > SINGLE_GETS) await Promise.all([...places].map((place) => place.lookAtDevices()));
    else for (const { name } of pairs) await this.#lookAtPeer(name);
  }

  async #lookAtPeer(veth: string): Promise<void> {
    const peer = peerOfVeth(veth) ?? '';
    await this.places.withDevice(peer)?.lookAtDevice(peer);
  }

  /** What cannot be changed in place is taken away first. */
  async #recreate(works: readonly Work[]): Promise<ReadonlyMap<number, OperationResult>> {
    const doomed: { index: number; place: Place; device: Device }[] = [];
    for (const { index, spec } of works) {
      const place = this.places.withDevice(spec.name);
      const device = place?.device(spec.name);
      if (place === undefined || device === undefined) continue;
      if (ownershipOf(device).kind === 'owned' && !this.#canBecome(place, device, spec))
        doomed.push({ index, place, device });
    }
    const failed = await removeDevices(doomed);
    for (const { place } of doomed) place.drain();
    return failed;
  }

  #canBecome(place: Place, device: Device, spec: LinkSpec): boolean {
    switch (spec.kind) {
      case 'bridge':
        return device.kind === 'bridge' && place.name === spec.namespace;
      case 'tunnel':
        return (
          place.name === spec.namespace &&
          device.vxlan?.vni === spec.vni &&
          device.vxlan.local === spec.local &&
          device.vxlan.port === spec.destinationPort
        );
      case 'geneve':
        return (
          place.name === spec.namespace &&
          device.geneve?.vni === spec.vni &&
          device.geneve.remote === spec.remote &&
          device.geneve.port === spec.destinationPort
        );
      case 'vlan':
        return (
          place.name === spec.namespace &&
          device.vlanId === spec.vlanId &&
          this.places.dpu.deviceAt(device.peer)?.name === spec.uplink
        );
      case 'veth':
      case 'exit':
        return device.kind === 'veth' && this.#peerOf(device)?.place.name === spec.namespace;
      case 'port':
      case 'door':
        return this.#vethOf(device) !== undefined;
    }
  }

  /** Makes what is not there. A name that is taken is looked at: ours is as good as new, another's is left alone. */
  async #create(works: readonly Work[]): Promise<ReadonlyMap<number, OperationResult>> {
    const results = new Map<number, OperationResult>();
    const steps: Step[] = [];
    for (const { index, spec, place } of works) {
      const existing = place.device(spec.name);
      if (existing !== undefined) {
        const ownership = ownershipOf(existing);
        if (ownership.kind === 'foreign') results.set(index, ownership);
        continue;
      }
      const step = this.#createStep(index, spec, place);
      if ('kind' in step) results.set(index, step);
      else steps.push(step);
    }
    const failed = await sendSteps(steps);
    for (const place of new Set(works.map(({ place }) => place))) place.drain();
    await this.#lookAtInnerEnds(works.filter(({ index }) => steps.some((step) => step.index === index)));
    for (const [index, failure] of failed) {
      const work = works.find((each) => each.index === index);
      const existing = failure.code === 'EEXIST' ? await work?.place.lookAtDevice(work.spec.name) : undefined;
      const ownership = existing === undefined ? undefined : ownershipOf(existing);
      if (ownership?.kind === 'owned') continue;
      results.set(index, ownership?.kind === 'foreign' ? ownership : resultOfFailure(failure));
    }
    return results;
  }

  #createStep(index: number, spec: LinkSpec, place: Place): Step | OperationResult {
    switch (spec.kind) {
      case 'bridge':
        return { index, socket: place.route, message: createBridge(spec) };
      case 'tunnel':
      case 'geneve':
      case 'vlan': {
        const bridge = place.device(spec.bridge);
        if (bridge === undefined) return missing(linkKey(spec.bridge));
        const message = this.#bornInRouter(spec, place, bridge);
        return 'kind' in message ? message : { index, socket: this.places.dpu.route, message };
      }
      case 'veth':
      case 'exit': {
        const home = this.places.router(spec.namespace)?.namespace;
        if (home === undefined) return missing(namespaceKey(spec.namespace));
        return { index, socket: place.route, message: createVeth(spec, home.descriptor) };
      }
      case 'port':
      case 'door':
        return missing(linkKey(vethOfPeer(spec.name) ?? spec.name));
    }
  }

  /** Asked for in the DPU's namespace, where packets leave; the device is born in the router's, as a port of the bridge. */
  #bornInRouter(
    spec: Extract<LinkSpec, { kind: 'tunnel' | 'geneve' | 'vlan' }>,
    place: Place,
    bridge: Device,
  ): Step['message'] | OperationResult {
    const home = place.namespace?.descriptor ?? -1;
    if (spec.kind === 'tunnel') return createTunnel(spec, home, bridge.index);
    if (spec.kind === 'geneve') return createGeneve(spec, home, bridge.index);
    const uplink = this.places.dpu.device(spec.uplink);
    if (uplink === undefined) return missing(linkKey(spec.uplink));
    return createVlan(spec, home, bridge.index, uplink.index);
  }

  async #settle(works: readonly Work[]): Promise<ReadonlyMap<number, OperationResult>> {
    const results = new Map<number, OperationResult>();
    const steps: Step[] = [];
    for (const { index, spec, alias, place } of works) {
      const add = (...messages: Step['message'][]): void => {
        for (const message of messages) steps.push({ index, socket: place.route, message });
      };
      if (spec.kind === 'bridge') add(settle(spec, alias, { address: spec.mac }));
      else if (spec.kind === 'veth') {
        const device = place.device(spec.name);
        if (device?.up === false)
          steps.push({
            index,
            socket: place.route,
            message: ingressQdisc(device.index),
            tolerate: INGRESS_EXISTS,
          });
        add(settleVeth(spec, alias));
      } else if (spec.kind === 'exit' || spec.kind === 'door') add(settle(spec, alias));
      else {
        const bridge = place.device(spec.bridge);
        if (bridge === undefined) results.set(index, missing(linkKey(spec.bridge)));
        else add(settle(spec, alias, { master: bridge.index }), settleBridgePort(spec));
      }
    }
    for (const { spec, place } of works) {
      if (spec.kind === 'exit') setForwarding(place, spec.name, spec.forwarding);
    }
    for (const [index, failure] of await sendSteps(steps)) {
      const spec = works.find((work) => work.index === index)?.spec;
      const gone = failure.code === 'ENODEV' && spec !== undefined;
      results.set(index, gone ? missing(linkKey(spec.name)) : resultOfFailure(failure));
    }
    return results;
  }

  /** The other end of a veth of ours, if it is what its name says. */
  #peerOf(veth: Device): { place: Place; device: Device } | undefined {
    const name = peerOfVeth(veth.name) ?? '';
    const place = this.places.withDevice(name);
    const device = place?.device(name);
    return place !== undefined && device?.peer === veth.index ? { place, device } : undefined;
  }

  #vethOf(port: Device): Device | undefined {
    const veth = this.places.dpu.device(vethOfPeer(port.name) ?? '');
    return veth?.index === port.peer ? veth : undefined;
  }

  #observed(place: Place, device: Device): Observed[] {
    if (place === this.places.dpu && peerOfVeth(device.name) === undefined)
      return observedRepresentor(device);
    const described = this.#describe(place, device);
    return described === undefined
      ? []
      : [{ key: linkKey(device.name), ownership: ownershipOf(device), ...described }];
  }

  #describe(place: Place, device: Device): { spec: LinkSpec; within?: string } | undefined {
    const { name, mtu, up } = device;
    const { name: namespace } = place;
    const bridge = place.deviceAt(device.master)?.name ?? '';
    const { learning, flood, neighbourSuppression, isolated } = device.bridgePort ?? NO_BRIDGE_PORT;
    const peer = place === this.places.dpu ? peerOfVeth(name) : undefined;
    if (peer !== undefined) {
      const pair = { name, namespace: this.#peerOf(device)?.place.name ?? '', peer, mtu, up };
      if (!name.startsWith(DEVICE_PREFIXES.exit)) return { spec: { kind: 'veth', ...pair } };
      return { spec: { kind: 'exit', ...pair, forwarding: isForwarding(place, name) } };
    }
    if (name.startsWith(DEVICE_PREFIXES.bridge))
      return { spec: { kind: 'bridge', namespace, name, mac: device.address, mtu, up } };
    if (name.startsWith(DEVICE_PREFIXES.tunnel)) {
      const { vni = 0, local = '', port: destinationPort = 0 } = device.vxlan ?? {};
      const port = { bridge, learning, flood, neighbourSuppression };
      return { spec: { kind: 'tunnel', namespace, name, vni, local, destinationPort, mtu, up, ...port } };
    }
    if (name.startsWith(DEVICE_PREFIXES.geneve)) {
      const { vni = 0, remote = '', port: destinationPort = 0 } = device.geneve ?? {};
      const port = { bridge, learning, flood, neighbourSuppression, isolated };
      return { spec: { kind: 'geneve', namespace, name, vni, remote, destinationPort, mtu, up, ...port } };
    }
    if (name.startsWith(DEVICE_PREFIXES.vlan)) {
      const uplink = this.places.dpu.deviceAt(device.peer)?.name ?? '';
      const { vlanId } = device;
      return { spec: { kind: 'vlan', namespace, name, bridge, uplink, vlanId, mtu, up, learning, flood } };
    }
    const veth = vethOfPeer(name);
    if (name.startsWith(DEVICE_PREFIXES.door) && veth !== undefined) {
      return { spec: { kind: 'door', namespace, name, mtu, up }, within: linkKey(veth) };
    }
    if (veth !== undefined) {
      const within = linkKey(veth);
      return { spec: { kind: 'port', namespace, name, bridge, mtu, up, learning, flood }, within };
    }
    return undefined;
  }
}

/** Ends in the DPU's namespace name that of their peer. */
const isOuterEnd = (spec: LinkSpec): spec is VethSpec | ExitSpec =>
  spec.kind === 'veth' || spec.kind === 'exit';
const isOuterName = (name: string): boolean => peerOfVeth(name) !== undefined;

/** Deletes devices, all of a namespace at once: the kernel waits as long for fifty as for one. Off the main thread. */
async function removeDevices(
  doomed: readonly { readonly index: number; readonly place: Place; readonly device: Device }[],
): Promise<ReadonlyMap<number, OperationResult>> {
  const results = new Map<number, OperationResult>();
  for (const place of new Set(doomed.map((each) => each.place))) {
    const own = doomed.filter((each) => each.place === place);
    const gone = { socket: place.route, tolerate: ['ENODEV'] };
    const steps: Step[] = own.map(({ index, device }) => ({
      ...gone,
      index,
      message: link.change({ ifiIndex: device.index, group: DELETION_GROUP }),
    }));
    const [first] = own;
    if (own.length > 1) steps.push({ ...gone, index: -1, message: link.remove({ group: DELETION_GROUP }) });
    else if (first !== undefined) {
      steps.length = 0;
      steps.push({ ...gone, index: first.index, message: link.remove({ ifiIndex: first.device.index }) });
    }
    const failed = await sendSteps(steps, { offThread: true });
    const common = failed.get(-1);
    for (const { index } of own) {
      const failure = failed.get(index) ?? common;
      if (failure !== undefined) results.set(index, resultOfFailure(failure));
    }
  }
  return results;
}
