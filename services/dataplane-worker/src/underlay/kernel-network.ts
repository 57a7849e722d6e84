import { AppError } from '@outboard/core';
import { parseAlias } from '@outboard/dataplane/contract';
import {
  AF,
  address,
  IFF,
  type Link,
  link,
  type Message,
  NetlinkError,
  type NetlinkEvent,
  NetlinkMonitor,
  NetlinkSocket,
  type NetworkNamespace,
  RT_TABLE,
  RTEXT_FILTER,
  route,
  upFlags,
} from '@outboard/netlink';
import { addressMessageOf, addressSettingOf } from './address-messages.js';
import type { ObservedDevice, ObservedNetwork } from './observed-network.js';
import type { Step } from './plan-change.js';
import { routeMessageOf, routeSettingOf } from './route-messages.js';
import { keyOf, type Setting, textOf } from './settings.js';
import type { UnderlayKernel } from './underlay-change.js';

export interface KernelNetworkOptions {
  /** The DPU's; the process's own if absent. */
  readonly namespace?: NetworkNamespace;
  /**
   * Devices whose addresses and routes another one has for them, as the port of a switch's bridge: that one's name by
   * the device's. Their MTU is set on both.
   */
  readonly standIns?: ReadonlyMap<string, string>;
}

/** The network of a DPU in its kernel, by rtnetlink. */
export class KernelNetwork implements UnderlayKernel, Disposable {
  readonly #socket: NetlinkSocket;
  readonly #standIns: ReadonlyMap<string, string>;
  readonly #names = new Map<number, string>();
  readonly #indexes = new Map<string, number>();

  constructor(private readonly options: KernelNetworkOptions = {}) {
    const { namespace, standIns = new Map() } = options;
    this.#socket = NetlinkSocket.open(namespace === undefined ? {} : { namespace });
    this.#standIns = standIns;
  }

  async observe(): Promise<ObservedNetwork> {
    const links = await this.#socket.dump(link.dump({ extMask: RTEXT_FILTER.SKIP_STATS }));
    this.#noteNames(links);
    const settings = new Map<string, Setting>();
    const put = (setting: Setting | undefined): void => {
      if (setting !== undefined) settings.set(keyOf(setting), setting);
    };
    const devices = new Map<string, ObservedDevice>();
    for (const each of links) {
      const device = each.ifname ?? '';
      devices.set(device, deviceOf(each));
      put({ kind: 'mtu', device, mtu: each.mtu ?? 0 });
      put({ kind: 'state', device, up: (each.ifiFlags & IFF.UP) !== 0 });
      put({ kind: 'master', device, master: this.#names.get(each.master ?? 0) ?? '' });
    }
    const nameAt = (index: number): string => this.#standsFor(this.#names.get(index) ?? '');
    for (const each of await this.#socket.dump(address.dump())) put(addressSettingOf(each, nameAt));
    for (const rtmFamily of [AF.INET, AF.INET6])
      for (const each of await this.#socket.dump(route.dump({ rtmFamily, rtmTable: RT_TABLE.MAIN })))
        put(routeSettingOf(each, nameAt));
    return { devices, settings };
  }

  async apply(steps: readonly Step[]): Promise<void> {
    for (const step of steps)
      for (const message of this.#messagesOf(step)) {
        try {
          await this.#socket.send(message);
        } catch (failure) {
          if (!(failure instanceof NetlinkError)) throw failure;
          if (step.action === 'remove' && ABSENT.has(failure.code)) continue;
          const why =
            failure.kernelMessage === '' ? failure.code : `${failure.kernelMessage} (${failure.code})`;
          const what = step.action === 'set' ? textOf(step.setting) : `removal of ${textOf(step.setting)}`;
          throw new AppError('FAILED_PRECONDITION', `${what}: ${why}`);
        }
      }
  }

  watch(onChange: () => void, isOfInterest: (device: string) => boolean): Disposable {
    const isOurs = (index: number): boolean => isOfInterest(this.#standsFor(this.#names.get(index) ?? ''));
    const concerns = ({ family, value }: NetlinkEvent): boolean => {
      switch (family) {
        case 'link':
          return isOfInterest(this.#standsFor(value.ifname ?? '')) || isOurs(value.ifiIndex);
        case 'address':
          return isOurs(value.ifaIndex);
        case 'route':
          return routeSettingOf(value, (index) => this.#names.get(index) ?? '') !== undefined;
        default:
          return false;
      }
    };
    const { namespace } = this.options;
    const monitor = NetlinkMonitor.open({
      ...(namespace && { namespace }),
      groups: ['link', 'ipv4Ifaddr', 'ipv6Ifaddr', 'ipv4Route', 'ipv6Route'],
      exceptRoutesOf: this.#socket,
      onEvents: (events) => {
        if (events.some(concerns)) onChange();
      },
      onOverrun: onChange,
    });
    return monitor;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #messagesOf({ action, setting }: Step): readonly Message[] {
    switch (setting.kind) {
      case 'mtu':
        return [setting.device, ...this.#standInOf(setting.device)].map((device) =>
          link.change({ ifiIndex: this.#indexOf(device), mtu: setting.mtu }),
        );
      case 'state':
        return [link.change({ ifiIndex: this.#indexOf(setting.device), ...upFlags(setting.up) })];
      case 'master': {
        const master = setting.master === '' ? 0 : this.#indexOf(setting.master);
        return [link.change({ ifiIndex: this.#indexOf(setting.device), master })];
      }
      case 'address':
        return [addressMessageOf(action, setting, this.#indexOfHolder(setting.device))];
      case 'route':
        return [routeMessageOf(action, setting, (device) => this.#indexOfHolder(device))];
    }
  }

  #standInOf(device: string): readonly string[] {
    const standIn = this.#standIns.get(device);
    return standIn === undefined ? [] : [standIn];
  }

  /** The device whose addresses those of `name` are. */
  #standsFor(name: string): string {
    for (const [device, standIn] of this.#standIns) if (standIn === name) return device;
    return name;
  }

  #indexOfHolder(device: string): number {
    return this.#indexOf(this.#standIns.get(device) ?? device);
  }

  #indexOf(device: string): number {
    const index = this.#indexes.get(device);
    if (index === undefined) throw new AppError('FAILED_PRECONDITION', `there is no device ${device}`);
    return index;
  }

  #noteNames(links: readonly Link[]): void {
    this.#names.clear();
    this.#indexes.clear();
    for (const { ifiIndex, ifname = '' } of links) {
      this.#names.set(ifiIndex, ifname);
      this.#indexes.set(ifname, ifiIndex);
    }
  }
}

/** What is to go is not there. */
const ABSENT: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'ESRCH', 'ENOENT', 'ENODEV']);

function deviceOf({ minMtu, maxMtu, ifalias }: Link): ObservedDevice {
  const mark = parseAlias(ifalias);
  return { minimumMtu: minMtu, maximumMtu: maxMtu, usedFor: mark && `${mark.key} of ${mark.owner}` };
}
