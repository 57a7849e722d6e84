import { createHash } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import { create } from '@bufbuild/protobuf';
import type { Bus } from '@outboard/bus';
import {
  type AccelerationInventory,
  encodeBinary,
  InventoryReportSchema,
  subjects,
} from '@outboard/contracts';
import { AppError } from '@outboard/core';
import type { DiscoveredFunction, Driver, Spec } from '@outboard/dataplane';
import { AcknowledgedSender, type AcknowledgedSenderPorts } from './acknowledged-sender.js';
import type { WorkerIdentity } from './identity.js';

/** Functions come in groups (`sriov_numvfs`): what changes within this time is told together. */
const DEBOUNCE_MILLISECONDS = 50;
/**
 * After each inventory, for each function that it has: every attached port changes one, and each time all of them are
 * told, which costs both sides tens of microseconds a function.
 */
const PAUSE_MILLISECONDS_PER_FUNCTION = 1;
const RETRY_MILLISECONDS = 1_000;
/** Nobody tells that there is another number of processors or other memory, nor that a capability has come or gone. */
const REGULAR_MILLISECONDS = 60_000;
const MEBIBYTE = 1 << 20;
/** Functions that fit into one message with room to spare. */
export const MAX_FUNCTIONS = 1_000;

export interface InventoryPorts extends AcknowledgedSenderPorts {
  readonly identity: WorkerIdentity;
  readonly driver: Pick<
    Driver<Spec>,
    'name' | 'capabilities' | 'underlay' | 'uplinks' | 'functions' | 'watch'
  >;
  /** What the engines of this DPU can do, if applications can use them. */
  readonly acceleration?: AccelerationInventory | undefined;
}

/** Tells admin what this DPU is and has: at first, whenever that is seen to be another, and when it is asked for. */
export class Inventory implements Disposable {
  readonly #sender: AcknowledgedSender;
  #watching: Disposable | undefined;
  #debounce: Disposable | undefined;
  #regular: Disposable | undefined;
  #body: Uint8Array | undefined;
  #digest = new Uint8Array();
  #looking = false;
  /** Monotonic milliseconds. */
  #nextLook = 0;
  #closed = false;

  constructor(private readonly ports: InventoryPorts) {
    this.#sender = new AcknowledgedSender(subjects.dpu(ports.identity.dpu, 'inventory', 'admin'), ports);
  }

  /** SHA-256 of the inventory that was sent last; empty before the first. */
  get digest(): Uint8Array {
    return this.#digest;
  }

  /** Looks at once and from now on. */
  async start(): Promise<void> {
    this.#watching = this.ports.driver.watch(({ kind }) => {
      if (kind === 'functions' || kind === 'underlay' || kind === 'everything')
        this.#lookAfter(DEBOUNCE_MILLISECONDS);
    });
    this.#lookRegularly();
    await this.#look();
  }

  connected(bus: Bus): void {
    this.#sender.connected(bus);
  }

  /** Admin does not have it: sent again, unless it is on its way. */
  sendAgain(): void {
    if (this.#sender.isIdle) this.#send();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#watching?.[Symbol.dispose]();
    this.#debounce?.[Symbol.dispose]();
    this.#regular?.[Symbol.dispose]();
    this.#sender[Symbol.dispose]();
  }

  #lookRegularly(): void {
    if (this.#closed) return;
    this.#regular = this.ports.clock.schedule(REGULAR_MILLISECONDS, () => {
      this.#lookAfter(0);
      this.#lookRegularly();
    });
  }

  #lookAfter(milliseconds: number): void {
    if (this.#closed) return;
    const { clock } = this.ports;
    const delay = Math.max(milliseconds, this.#nextLook - clock.monotonic());
    this.#debounce ??= clock.schedule(delay, () => {
      this.#debounce = undefined;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    // One look at a time, so that an older one cannot end last.
    if (this.#looking) {
      this.#lookAfter(DEBOUNCE_MILLISECONDS);
      return;
    }
    this.#looking = true;
    try {
      this.#publish(await this.ports.driver.functions());
    } catch (failure) {
      this.ports.log.error({ err: AppError.from(failure) }, 'the functions of this DPU cannot be listed');
      this.#lookAfter(RETRY_MILLISECONDS);
    } finally {
      this.#looking = false;
    }
  }

  #publish(functions: readonly DiscoveredFunction[]): void {
    if (this.#closed) return;
    const { driver, identity, acceleration, clock, log } = this.ports;
    if (functions.length > MAX_FUNCTIONS) {
      log.error({ functions: functions.length }, `only the first ${MAX_FUNCTIONS} functions are reported`);
    }
    const underlay = driver.underlay();
    const { incarnation, serialNumber, host, workerVersion, kernelRelease, architecture } = identity;
    const report = create(InventoryReportSchema, {
      incarnation,
      serialNumber,
      host,
      workerVersion,
      kernelRelease,
      architecture,
      cpuMillicores: availableParallelism() * 1000,
      memoryMebibytes: Math.floor(totalmem() / MEBIBYTE),
      driver: driver.name,
      capabilities: driver.capabilities().map((capability) => ({ ...capability })),
      ...(underlay === undefined ? {} : { underlay }),
      ...(acceleration === undefined ? {} : { acceleration }),
      uplinks: (driver.uplinks?.() ?? []).map(({ name, ...uplink }) => ({ device: name, ...uplink })),
      functions: this.#identified(functions).sort(byPlace).slice(0, MAX_FUNCTIONS),
    });
    const body = encodeBinary(InventoryReportSchema, report);
    const digest = createHash('sha256').update(body).digest();
    if (digest.equals(this.#digest)) return;
    this.#body = body;
    this.#digest = digest;
    this.#nextLook = clock.monotonic() + functions.length * PAUSE_MILLISECONDS_PER_FUNCTION;
    log.info({ functions: functions.length, underlay }, 'inventory');
    this.#send();
  }

  /** As the host knows them. One whose physical function has no known address cannot be asked for from there. */
  #identified(functions: readonly DiscoveredFunction[]): DiscoveredFunction[] {
    const { pfMacAddress } = this.ports.identity;
    const identified = functions.map((each) =>
      pfMacAddress !== '' && each.pfNumber === 0 ? { ...each, pfMacAddress } : each,
    );
    return identified.filter((each) => {
      if (each.pfMacAddress !== '') return true;
      this.ports.log.warn({ netdev: each.netdev }, 'a function of unknown physical function is not reported');
      return false;
    });
  }

  #send(): void {
    const body = this.#body;
    if (body !== undefined) this.#sender.send({ encode: () => body });
  }
}

/** One order, so that the same functions have the same digest. */
function byPlace(left: DiscoveredFunction, right: DiscoveredFunction): number {
  return (
    left.controller - right.controller ||
    left.pfNumber - right.pfNumber ||
    (left.vfNumber ?? -1) - (right.vfNumber ?? -1) ||
    (left.sfNumber ?? -1) - (right.sfNumber ?? -1) ||
    (left.netdev < right.netdev ? -1 : 1)
  );
}
