import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { AppError } from '@outboard/core';
import { link, NetlinkSocket, NetworkNamespace, upFlags } from '@outboard/netlink';
import { Dpu, Host, Machine, machineProgram, Pod, Program, planTestbed } from '@outboard/testbed';
import type { WantedPod } from './wanted-pods.js';

export interface VirtualDpuOptions {
  readonly name: string;
  readonly serialNumber: string;
  readonly pfMacAddress: string;
  /** How many virtual functions; the physical one comes besides. */
  readonly functions: number;
  /** The address of this container in the underlay: it tells which device that is. */
  readonly underlayAddress: string;
}

export const UNDERLAY_DEVICE = 'up0';
const HOST_NAMESPACE = 'host';
/** Above the indexes that an engine gives to the devices of containers, however many it has made. */
const FIRST_INDEX = 1 << 24;

/**
 * A DPU and the server that it is in, for a container that stands for both. The container's network is the DPU's: here
 * are the underlay and the representors. The server has a namespace of its own with the functions, and so has each pod.
 */
export class VirtualDpu {
  readonly #pods = new Map<string, { readonly wanted: WantedPod; readonly pod: Pod }>();

  private constructor(
    private readonly dpu: Dpu,
    private readonly host: Host,
  ) {}

  /** Throws AppError INVALID_ARGUMENT, NOT_FOUND (no device has the underlay address), INTERNAL with the kernel's refusal. */
  static async create({ underlayAddress, ...specification }: VirtualDpuOptions): Promise<VirtualDpu> {
    const [planned] = planTestbed({ name: 'container', dpus: [specification] }).dpus;
    if (planned === undefined) throw new AppError('INTERNAL', 'a plan for one DPU has none');
    const functions = planned.functions.map((own) => ({ ...own, index: FIRST_INDEX + own.index }));
    const mtu = await nameUnderlay(underlayAddress);
    const host = new Host(planned.host, NetworkNamespace.create(HOST_NAMESPACE));
    // The container is the machine already: nothing is started on another one.
    const machine = new Machine(new Program({ ...machineProgram(planned.name), logFile: '/dev/null' }));
    const dpu = new Dpu({ ...planned, functions }, host, NetworkNamespace.open('self'), mtu, machine);
    for (const own of functions) await dpu.hostDevice(own);
    return new VirtualDpu(dpu, host);
  }

  /** The names of the pods that there are. */
  get pods(): ReadonlySet<string> {
    return new Set(this.#pods.keys());
  }

  /** Removes pods that are not wanted any more, then makes what is missing. Throws the first failure; the rest is done. */
  async setPods(wanted: ReadonlyMap<string, WantedPod>): Promise<void> {
    const failures: unknown[] = [];
    const attempt = (action: Promise<void>): Promise<void> =>
      action.catch((failure) => void failures.push(failure));
    for (const [name, { wanted: present }] of this.#pods) {
      if (JSON.stringify(wanted.get(name)) !== JSON.stringify(present)) await attempt(this.#remove(name));
    }
    for (const pod of wanted.values()) if (!this.#pods.has(pod.name)) await attempt(this.#add(pod));
    if (failures.length > 0) throw failures[0];
  }

  async #add(wanted: WantedPod): Promise<void> {
    const pod = await Pod.create(wanted.name, this.host, wanted.name);
    this.#pods.set(wanted.name, { wanted, pod });
    try {
      // ping(8) without CAP_NET_RAW, as in any container.
      pod.namespace.run(() => writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647'));
      await pod.attach(this.dpu, wanted.vfNumber, wanted.status);
    } catch (failure) {
      await this.#remove(wanted.name);
      throw failure;
    }
  }

  async #remove(name: string): Promise<void> {
    const pod = this.#pods.get(name)?.pod;
    if (pod === undefined) return;
    await pod.detach();
    this.#pods.delete(name);
    pod.close();
    NetworkNamespace.remove(name);
  }
}

/**
 * Gives the device of the underlay its usual name: which of a container's devices belongs to which network is up to the
 * engine. Returns its MTU in bytes.
 */
async function nameUnderlay(address: string): Promise<number> {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some((each) => each.address === address),
  );
  if (found === undefined) throw new AppError('NOT_FOUND', `no device has the underlay address ${address}`);
  const socket = NetlinkSocket.open();
  try {
    const { ifiIndex, mtu } = await socket.get(link.get({ ifname: found[0] }));
    // A device is renamed while it is down; its addresses stay.
    await socket.send(link.change({ ifiIndex, ...upFlags(false) }));
    await socket.send(link.change({ ifiIndex, ifname: UNDERLAY_DEVICE, ...upFlags() }));
    return mtu ?? 1500;
  } finally {
    socket.close();
  }
}
