import { AppError, Problems } from '@outboard/core';
import {
  AF,
  address,
  applyAll,
  link,
  linkByName,
  NetlinkSocket,
  type NetworkNamespace,
  upFlags,
} from '@outboard/netlink';
import { dpuMessages, functionMessage } from './links.js';
import type { Machine } from './machine.js';
import { stopChecksumOffload } from './offload.js';
import { type DpuPlan, type FunctionPlan, type HostPlan, hostIndexOf } from './plan.js';
import { checkPortStatus, configureDevice, type PortStatus } from './port-status.js';

/** Where traffic can start and end: pods, hosts, DPUs, the control namespace. Probes work between any two. */
export interface Endpoint {
  readonly name: string;
  readonly namespace: NetworkNamespace;
  /** Its IP addresses; probes that are given an endpoint as destination use the first of a family. */
  readonly addresses: readonly string[];
}

/** A server: holds the functions of its DPUs until pods take them. */
export class Host implements Endpoint {
  readonly socket: NetlinkSocket;

  constructor(
    readonly name: string,
    readonly namespace: NetworkNamespace,
    /** Undefined: it is on no management network. */
    readonly plan?: HostPlan,
  ) {
    this.socket = NetlinkSocket.open({ namespace });
  }

  get addresses(): readonly string[] {
    return this.plan?.management.addresses.map(({ ip }) => ip) ?? [];
  }

  /**
   * Configures the PF of one of its DPUs as its Port's status says, where it is: the host itself, and every pod on its
   * network, reaches the port's network by it. The first gateway of each family becomes a default route of the host.
   * Throws AppError: INVALID_ARGUMENT with the fields of the status, FAILED_PRECONDITION (DPU of another host, PF in use).
   */
  async connect(dpu: Dpu, status: PortStatus): Promise<void> {
    const problems = new Problems();
    checkPortStatus(status, problems);
    if (problems.total > 0) throw problems.toError();
    if (dpu.host !== this) {
      throw new AppError(
        'FAILED_PRECONDITION',
        `${dpu.name} is in host ${dpu.host.name}, not in ${this.name}`,
      );
    }
    const own = dpu.function(undefined);
    dpu.claim(own, `host ${this.name}`);
    const { hostDevice } = own;
    const what = `${hostDevice} of host ${this.name}`;
    try {
      await dpu.hostDevice(own);
      const { mtu } = status;
      const macAddress = status.macAddress || own.macAddress;
      await applyAll(this.socket, what, [link.change({ ifname: hostDevice, address: macAddress, mtu })]);
      await configureDevice(this, what, hostDevice, status);
    } catch (failure) {
      await this.disconnect(dpu);
      throw failure;
    }
  }

  /** The PF is as it was before. */
  async disconnect(dpu: Dpu): Promise<void> {
    const own = dpu.function(undefined);
    const there = await linkByName(this.socket, own.hostDevice);
    if (there !== undefined) {
      const { ifiIndex } = there;
      const addresses = await this.socket.dump(address.dump());
      const down = { ifiIndex, ...upFlags(false), address: own.macAddress, mtu: dpu.mtu };
      await applyAll(this.socket, `${own.hostDevice} of host ${this.name}`, [
        // Those of IPv6, and all routes, go with the device's state.
        ...addresses
          .filter(({ ifaIndex, ifaFamily }) => ifaIndex === ifiIndex && ifaFamily === AF.INET)
          .map((each) => address.remove(each)),
        link.change(down),
      ]);
    }
    dpu.free(own);
  }

  close(): void {
    this.socket.close();
    this.namespace.close();
  }
}

/** A DPU: its underlay and management devices, and the representors of its functions. */
export class Dpu implements Endpoint {
  #namespace: NetworkNamespace;
  #socket: NetlinkSocket;
  readonly #holders = new Map<FunctionPlan, string>();

  constructor(
    readonly plan: DpuPlan,
    readonly host: Host,
    namespace: NetworkNamespace,
    /** Of the functions until a pod changes it: the underlay's. */
    readonly mtu: number,
    /** What programs on the DPU see as their computer. */
    readonly machine: Machine,
  ) {
    this.#namespace = namespace;
    this.#socket = NetlinkSocket.open({ namespace });
  }

  /** Another one after each reboot. */
  get namespace(): NetworkNamespace {
    return this.#namespace;
  }

  /** Of the present namespace. */
  get socket(): NetlinkSocket {
    return this.#socket;
  }

  get name(): string {
    return this.plan.name;
  }

  /** Underlay first. */
  get addresses(): readonly string[] {
    return [...this.plan.underlay.addresses, ...this.plan.management.addresses].map(({ ip }) => ip);
  }

  /** Undefined means the PF. Throws AppError NOT_FOUND. */
  function(vfNumber: number | undefined): FunctionPlan {
    const found = this.plan.functions.find((each) => each.vfNumber === vfNumber);
    if (found !== undefined) return found;
    throw new AppError('NOT_FOUND', `${this.name} has no function ${vfNumber} (it has ${this.vfCount} VFs)`);
  }

  get vfCount(): number {
    return this.plan.functions.length - 1;
  }

  /** Reserves a function. Throws AppError FAILED_PRECONDITION that names the holder. */
  claim(own: FunctionPlan, holder: string): void {
    const other = this.#holders.get(own);
    if (other !== undefined) {
      throw new AppError('FAILED_PRECONDITION', `${own.representor} of ${this.name} is used by ${other}`);
    }
    this.#holders.set(own, holder);
  }

  free(own: FunctionPlan): void {
    this.#holders.delete(own);
  }

  /** Configures its own devices and makes its functions: the first start. */
  async boot(): Promise<void> {
    const { descriptor } = this.host.namespace;
    await applyAll(this.socket, `DPU ${this.name}`, [
      ...dpuMessages(this.plan),
      ...this.plan.functions.map((own) => functionMessage(own, this.mtu, descriptor)),
    ]);
    for (const own of this.plan.functions) this.#finish(own);
  }

  /**
   * Goes on in a new namespace, which has none of the old one's state. The devices are moved there: unlike new ones
   * they leave their other ends, in pods, on hosts and in the fabric, as they are.
   */
  async reboot(next: NetworkNamespace): Promise<void> {
    const { underlay, management, provider, functions } = this.plan;
    const cables = new Set([underlay, management, provider].map((each) => each?.device));
    const representors = new Set(functions.map((own) => own.representor));
    const links = await this.#socket.dump(link.dump());
    const moves = links.flatMap(({ ifiIndex, ifname = '' }) => {
      const down = { ifiIndex, ...upFlags(false), netNsFd: next.descriptor };
      if (representors.has(ifname)) return [link.change({ ...down, ifalias: '', mtu: this.mtu })];
      return cables.has(ifname) ? [link.change(down)] : [];
    });
    await applyAll(this.#socket, `reboot DPU ${this.name}`, moves, { offThread: true });
    this.close();
    this.#namespace = next;
    this.#socket = NetlinkSocket.open({ namespace: next });
    await applyAll(this.socket, `DPU ${this.name}`, dpuMessages(this.plan));
  }

  /** Index of a function's device on the host; a function that was deleted is made anew. */
  async hostDevice(own: FunctionPlan): Promise<number> {
    const there = await linkByName(this.host.socket, own.hostDevice);
    if (there !== undefined) return there.ifiIndex;
    const { descriptor } = this.host.namespace;
    await applyAll(this.socket, `make ${own.representor} of ${this.name}`, [
      functionMessage(own, this.mtu, descriptor),
    ]);
    this.#finish(own);
    return hostIndexOf(own);
  }

  #finish({ hostDevice }: FunctionPlan): void {
    if (!this.plan.checksumOffload) stopChecksumOffload(this.host.namespace, hostDevice);
  }

  close(): void {
    this.socket.close();
    this.namespace.close();
  }
}
