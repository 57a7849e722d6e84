import { createHash } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Bus } from '@outboard/bus';
import {
  type AccelerationInventory,
  encodeBinary,
  FunctionNumbersSchema,
  InventoryReportSchema,
  subjects,
} from '@outboard/contracts';
import { AppError } from '@outboard/core';
import type { DiscoveredFunction, Driver, Spec } from '@outboard/dataplane';
import { AcknowledgedSender, type AcknowledgedSenderPorts } from './acknowledged-sender.js';
import { byNumber, changesOf, type FunctionChanges, type FunctionsByNumber } from './function-changes.js';
import type { WorkerIdentity } from './identity.js';

/** Functions come in groups (`sriov_numvfs`): what changes within this time is told together. */
const DEBOUNCE_MILLISECONDS = 50;
/** After each look, for each function that was there: every attached port changes one, and all are looked through. */
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

type ReportInit = MessageInitShape<typeof InventoryReportSchema>;

/** What this DPU is and has, as it was seen. */
interface Seen {
  readonly all: ReportInit;
  /** Everything but the functions, encoded. */
  readonly rest: Uint8Array;
  /** Undefined: changes of them cannot be told. */
  readonly functions: FunctionsByNumber | undefined;
}

/**
 * Tells admin what this DPU is and has: at first, whenever that is seen to be another, and when it is asked for. Of
 * functions it tells what has changed, as long as it knows what admin has.
 */
export class Inventory implements Disposable {
  readonly #sender: AcknowledgedSender;
  #watching: Disposable | undefined;
  #debounce: Disposable | undefined;
  #regular: Disposable | undefined;
  #seen: Seen | undefined;
  /** What admin has acknowledged last; undefined: it may have another, as far as is known here. */
  #acknowledged: { readonly seen: Seen; readonly digest: Uint8Array } | undefined;
  #digest = new Uint8Array();
  /** Functions as they are told, by what the driver gives: of what did not change the same is told. */
  readonly #identified = new WeakMap<DiscoveredFunction, DiscoveredFunction>();
  #looking = false;
  /** Monotonic milliseconds. */
  #nextLook = 0;
  #closed = false;

  constructor(private readonly ports: InventoryPorts) {
    this.#sender = new AcknowledgedSender(subjects.dpu(ports.identity.dpu, 'inventory', 'admin'), ports);
  }

  /** SHA-256 of the report that was sent last; empty before the first. */
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
    this.#acknowledged = undefined;
    this.#sender.connected(bus);
  }

  /** Admin does not have it: sent again as a whole, unless it is on its way. */
  sendAgain(): void {
    if (!this.#sender.isIdle) return;
    this.#acknowledged = undefined;
    this.#send();
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
    const rest: ReportInit = {
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
    };
    const told = this.#withIdentity(functions).sort(byPlace).slice(0, MAX_FUNCTIONS);
    const seen = { all: { ...rest, functions: told }, rest: encode(rest), functions: byNumber(told) };
    if (this.#seen && isSame(this.#seen, seen)) return;
    this.#seen = seen;
    this.#nextLook = clock.monotonic() + functions.length * PAUSE_MILLISECONDS_PER_FUNCTION;
    log.info({ functions: functions.length, underlay }, 'inventory');
    this.#send();
  }

  /** As the host knows them. One whose physical function has no known address cannot be asked for from there. */
  #withIdentity(functions: readonly DiscoveredFunction[]): DiscoveredFunction[] {
    const { pfMacAddress } = this.ports.identity;
    const told: DiscoveredFunction[] = [];
    for (const each of functions) {
      const named = pfMacAddress === '' || each.pfNumber !== 0 ? each : this.#identified.get(each);
      const identified = named ?? { ...each, pfMacAddress };
      if (named === undefined) this.#identified.set(each, identified);
      if (identified.pfMacAddress !== '') told.push(identified);
      else
        this.ports.log.warn(
          { netdev: each.netdev },
          'a function of unknown physical function is not reported',
        );
    }
    return told;
  }

  #send(): void {
    const seen = this.#seen;
    if (seen === undefined) return;
    let digest = this.#digest;
    this.#sender.send({
      encode: () => {
        const body = this.#encode(seen);
        digest = createHash('sha256').update(body).digest();
        this.#digest = digest;
        return body;
      },
      acknowledged: () => {
        this.#acknowledged = { seen, digest };
      },
    });
  }

  /** What makes what admin has what is seen. Until it has acknowledged that, nobody knows which of both it has. */
  #encode(seen: Seen): Uint8Array {
    const known = this.#acknowledged;
    this.#acknowledged = undefined;
    const change = known && changeOf(known.seen, seen);
    if (known === undefined || change === undefined) return encode(seen.all);
    const gone = change.gone.map((each) => create(FunctionNumbersSchema, each));
    const { incarnation } = this.ports.identity;
    return encode({ incarnation, change: { base: known.digest, changed: [...change.changed], gone } });
  }
}

const encode = (report: ReportInit): Uint8Array =>
  encodeBinary(InventoryReportSchema, create(InventoryReportSchema, report));

function isSame(before: Seen, after: Seen): boolean {
  const change = changeOf(before, after);
  if (change !== undefined) return change.changed.length + change.gone.length === 0;
  return Buffer.compare(encode(before.all), encode(after.all)) === 0;
}

/** What has changed of the functions; undefined: more than that has. */
function changeOf(before: Seen, after: Seen): FunctionChanges | undefined {
  if (before.functions === undefined || after.functions === undefined) return undefined;
  return Buffer.compare(before.rest, after.rest) === 0
    ? changesOf(before.functions, after.functions)
    : undefined;
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
