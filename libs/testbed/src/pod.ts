import { isIP } from 'node:net';
import { AppError, Problems } from '@outboard/core';
import { setSysctls } from '@outboard/ffi';
import {
  addressMessage,
  applyAll,
  type Link,
  link,
  linkByName,
  NetlinkSocket,
  NetworkNamespace,
  type Request,
  upFlags,
} from '@outboard/netlink';
import { LOOPBACK, loopbackUp } from './links.js';
import type { Dpu, Endpoint, Host } from './places.js';
import type { FunctionPlan } from './plan.js';
import { checkPortStatus, configureDevice, gatewaysOf, type PortStatus } from './port-status.js';

/** A function in a pod. */
export interface Attachment {
  readonly dpu: Dpu;
  readonly function: FunctionPlan;
  readonly status: PortStatus;
}

const DEVICE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;

/** A pod: a namespace on a host, and the functions that it was given. Does what the host's CNI does. */
export class Pod implements Endpoint {
  readonly #socket: NetlinkSocket;
  readonly #attachments = new Map<string, Attachment>();

  private constructor(
    readonly name: string,
    readonly host: Host,
    readonly namespace: NetworkNamespace,
  ) {
    this.#socket = NetlinkSocket.open({ namespace });
  }

  /** Makes the namespace of an empty pod. Throws AppError INVALID_ARGUMENT or ALREADY_EXISTS (its name). */
  static async create(name: string, host: Host, namespaceName: string): Promise<Pod> {
    const namespace = NetworkNamespace.create(namespaceName);
    // Addresses come from the port's status alone: none is made up from router advertisements, none is tentative.
    setSysctls(namespace, {
      'net/ipv6/conf/default/accept_ra': '0',
      'net/ipv6/conf/default/accept_dad': '0',
    });
    const pod = new Pod(name, host, namespace);
    await applyAll(pod.#socket, `pod ${name}`, [loopbackUp()]);
    return pod;
  }

  /** The IP addresses of all its devices, in the order of attachment. */
  get addresses(): readonly string[] {
    return [...this.#attachments.values()].flatMap(({ status }) => status.addresses.map(({ ip }) => ip));
  }

  /** By device name. */
  get attachments(): ReadonlyMap<string, Attachment> {
    return this.#attachments;
  }

  /**
   * Moves a function (the PF, if `vfNumber` is undefined) into the pod and configures it as its Port's status says.
   * The first gateway of each family becomes the pod's default route.
   * Throws AppError: INVALID_ARGUMENT with the fields of the status, NOT_FOUND, FAILED_PRECONDITION (function of
   * another host, function or device in use), INTERNAL with the kernel's refusal; then the function is back.
   */
  async attach(dpu: Dpu, vfNumber: number | undefined, status: PortStatus, device = 'eth0'): Promise<void> {
    const own = dpu.function(vfNumber);
    this.#check(dpu, own, status, device);
    const routed = new Set(
      [...this.#attachments.values()].flatMap((each) => gatewaysOf(each.status).map(isIP)),
    );
    // Reserved before the first await: two attachments at once must not both pass the check.
    dpu.claim(own, `${device} of pod ${this.name}`);
    this.#attachments.set(device, { dpu, function: own, status });
    try {
      const move: Request<Link> = link.change({
        ifiIndex: await dpu.hostDevice(own),
        netNsFd: this.namespace.descriptor,
        ifname: device,
        address: status.macAddress || own.macAddress,
        mtu: status.mtu,
      });
      const what = `${own.hostDevice} as ${device} of pod ${this.name}`;
      await applyAll(this.host.socket, `move ${what}`, [move], { offThread: true });
      await configureDevice(
        { socket: this.#socket, namespace: this.namespace },
        what,
        device,
        status,
        gatewaysOf(status).filter((gateway) => !routed.has(isIP(gateway))),
      );
    } catch (failure) {
      await this.detach(device);
      throw failure;
    }
  }

  /** Gives a function back to its host as it was. One that has vanished is made anew when it is next attached. */
  async detach(device = 'eth0'): Promise<void> {
    const attachment = this.#attachments.get(device);
    if (attachment === undefined) return;
    const { dpu, function: own } = attachment;
    const there = await linkByName(this.#socket, device);
    if (there !== undefined) {
      const move: Request<Link> = link.change({
        ifiIndex: there.ifiIndex,
        ...upFlags(false),
        netNsFd: this.host.namespace.descriptor,
        ifname: own.hostDevice,
        address: own.macAddress,
        mtu: dpu.mtu,
      });
      await applyAll(this.#socket, `return ${device} of pod ${this.name}`, [move], { offThread: true });
    }
    this.#attachments.delete(device);
    dpu.free(own);
  }

  /** Gives the pod an address that no function of it has: what others are routed to it for. */
  async addAddress(ip: string): Promise<void> {
    const prefixLength = isIP(ip) === 6 ? 128 : 32;
    const messages = [addressMessage(LOOPBACK, { ip, prefixLength })];
    await applyAll(this.#socket, `address ${ip} of pod ${this.name}`, messages);
  }

  /** Closes the handles; what is attached stays where it is. */
  close(): void {
    this.#socket.close();
    this.namespace.close();
  }

  #check(dpu: Dpu, own: FunctionPlan, status: PortStatus, device: string): void {
    const problems = new Problems();
    if (!DEVICE.test(device)) problems.add('device', `must match ${DEVICE.source}`);
    checkPortStatus(status, problems);
    if (problems.total > 0) throw problems.toError();
    if (this.#attachments.has(device)) {
      throw new AppError('FAILED_PRECONDITION', `pod ${this.name} already has ${device}`);
    }
    if (dpu.host !== this.host) {
      throw new AppError(
        'FAILED_PRECONDITION',
        `${own.representor} of ${dpu.name} belongs to host ${dpu.host.name}, pod ${this.name} is on ${this.host.name}`,
      );
    }
  }
}
