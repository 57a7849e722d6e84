import { AppError } from '@outboard/core';
import type { NetworkJournal, NetworkState } from '../underlay/network-state.js';
import type { ObservedDevice, ObservedNetwork } from '../underlay/observed-network.js';
import type { Step } from '../underlay/plan-change.js';
import { isWithin } from '../underlay/prefixes.js';
import { byKey, keyOf, type Setting } from '../underlay/settings.js';
import type { UnderlayKernel } from '../underlay/underlay-change.js';

const DEVICE: ObservedDevice = { minimumMtu: 68, maximumMtu: 9_216, usedFor: undefined };

export const address = (device: string, text: string): Setting => ({
  kind: 'address',
  device,
  address: text,
});
export const mtu = (device: string, bytes: number): Setting => ({ kind: 'mtu', device, mtu: bytes });
export const state = (device: string, up: boolean): Setting => ({ kind: 'state', device, up });
export const route = (destination: string, device: string, gateway: string, metric = 0): Setting => ({
  kind: 'route',
  destination,
  metric,
  device,
  gateway,
});

/** Stops everything at a point that a test has chosen, as the death of the process does. */
export class Fate {
  #left = Number.POSITIVE_INFINITY;
  isDead = false;
  #died: () => void = () => {};
  /** Resolves when it has happened. */
  readonly death = new Promise<void>((resolve) => {
    this.#died = resolve;
  });
  points = 0;

  /** Lets so many points pass. */
  dieAfter(points: number): this {
    this.#left = points;
    return this;
  }

  async point(): Promise<void> {
    this.points++;
    if (!this.isDead && --this.#left >= 0) return;
    this.isDead = true;
    this.#died();
    await new Promise(() => {});
  }
}

/** A kernel in memory: what goes takes along what stands upon it. */
export class MemoryNetwork implements UnderlayKernel {
  readonly devices = new Map<string, ObservedDevice>();
  readonly settings: Map<string, Setting>;
  /** Every step that was carried out, as `<action> <key>`. */
  readonly steps: string[] = [];
  /** Keys of settings that it refuses to make. */
  readonly refusals = new Set<string>();
  fate = new Fate();
  #onChange: () => void = () => {};

  constructor(devices: readonly string[], settings: readonly Setting[]) {
    for (const device of devices) this.devices.set(device, DEVICE);
    this.settings = byKey(settings);
  }

  get keys(): readonly string[] {
    return [...this.settings.values()].map((setting) => JSON.stringify(setting)).sort();
  }

  has(setting: Setting): boolean {
    return JSON.stringify(this.settings.get(keyOf(setting))) === JSON.stringify(setting);
  }

  async observe(): Promise<ObservedNetwork> {
    return { devices: new Map(this.devices), settings: new Map(this.settings) };
  }

  async apply(steps: readonly Step[]): Promise<void> {
    for (const { action, setting } of steps) {
      await this.fate.point();
      const key = keyOf(setting);
      if (this.refusals.has(key)) throw new AppError('FAILED_PRECONDITION', `${key}: refused (EINVAL)`);
      this.steps.push(`${action} ${key}`);
      if (action === 'set') this.settings.set(key, setting);
      else this.settings.delete(key);
      this.#takeAlong(setting);
    }
  }

  watch(onChange: () => void): Disposable {
    this.#onChange = onChange;
    return { [Symbol.dispose]: () => {} };
  }

  /** Somebody else does this. */
  meddle(action: 'set' | 'remove', setting: Setting): void {
    if (action === 'set') this.settings.set(keyOf(setting), setting);
    else this.settings.delete(keyOf(setting));
    this.#onChange();
  }

  plug(device: string, ...settings: Setting[]): void {
    this.devices.set(device, DEVICE);
    for (const setting of settings) this.settings.set(keyOf(setting), setting);
    this.#onChange();
  }

  #takeAlong(gone: Setting): void {
    for (const [key, other] of this.settings) {
      if (other.kind !== 'route' || other.device !== gone.device) continue;
      const isDown = gone.kind === 'state' && !gone.up;
      if (isDown || !this.#leadsTo(other.device ?? '', other.gateway)) this.settings.delete(key);
    }
  }

  #leadsTo(device: string, gateway: string | undefined): boolean {
    if (gateway === undefined) return true;
    return [...this.settings.values()].some(
      (each) => each.kind === 'address' && each.device === device && isWithin(each.address, gateway),
    );
  }
}

/** A disk in memory: what was written is there after any death. */
export class MemoryJournal implements NetworkJournal {
  state: NetworkState | undefined;
  fate = new Fate();
  isDiskFull = false;

  async read(): Promise<NetworkState | undefined> {
    return this.state;
  }

  async write(written: NetworkState): Promise<void> {
    await this.fate.point();
    if (this.isDiskFull) throw new Error('ENOSPC');
    this.state = JSON.parse(JSON.stringify(written));
    await this.fate.point();
  }
}
