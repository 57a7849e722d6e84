import { isIP } from 'node:net';
import { AppError, Problems } from '@outboard/core';
import { setSysctls } from '@outboard/ffi';
import {
  addressMessage,
  applyAll,
  defaultRouteMessage,
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

/** The part of a Port's status that the host's side needs; the status itself can be passed as it is. */
export interface PortStatus {
  /** Bytes. */
  readonly mtu: number;
  /** Absent or empty: the function keeps its own. */
  readonly macAddress?: string;
  readonly addresses: readonly PortAddress[];
}

export interface PortAddress {
  readonly ip: string;
  readonly prefixLength: number;
  /** Absent or empty: none. */
  readonly gateway?: string | undefined;
}

/** A function in a pod. */
export interface Attachment {
  readonly dpu: Dpu;
  readonly function: FunctionPlan;
  readonly status: PortStatus;
}

/**
 * In milliseconds, instead of 1000: when a path is there is not to be measured in seconds because a first request for
 * the neighbour was sent too early.
 */
const NEIGHBOUR_RETRY = '100';
const DEVICE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;
const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

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
      [...this.#attachments.values()].flatMap((each) => gateways(each.status).map(isIP)),
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
      const { ifiIndex } = await this.#socket.get(link.get({ ifname: device }));
      setSysctls(this.namespace, {
        [`net/ipv4/neigh/${device}/retrans_time_ms`]: NEIGHBOUR_RETRY,
        [`net/ipv6/neigh/${device}/retrans_time_ms`]: NEIGHBOUR_RETRY,
      });
      await applyAll(this.#socket, `configure ${what}`, [
        link.change({ ifiIndex, ...upFlags() }),
        ...status.addresses.map((each) => addressMessage(ifiIndex, each)),
        ...gateways(status)
          .filter((gateway) => !routed.has(isIP(gateway)))
          .map((gateway) => defaultRouteMessage(ifiIndex, gateway)),
      ]);
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
    if (!Number.isInteger(status.mtu) || status.mtu < 576 || status.mtu > 9216) {
      problems.add('mtu', 'must be 576 to 9216');
    }
    if (status.macAddress && !MAC.test(status.macAddress)) {
      problems.add('macAddress', 'must be six hexadecimal bytes with colons');
    }
    status.addresses.forEach(({ ip, prefixLength, gateway }, index) => {
      const version = isIP(ip);
      const bits = version === 6 ? 128 : 32;
      const path = `addresses[${index}]`;
      if (version === 0) problems.addMalformed(`${path}.ip`, 'must be an IP address');
      else if (!Number.isInteger(prefixLength) || prefixLength < 1 || prefixLength > bits) {
        problems.add(`${path}.prefixLength`, `must be 1 to ${bits}`);
      }
      if (gateway && isIP(gateway) !== version) {
        problems.add(`${path}.gateway`, 'must be an IP address of the same family');
      }
    });
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

const gateways = (status: PortStatus): string[] =>
  status.addresses.flatMap(({ gateway }) => (gateway ? [gateway] : []));
