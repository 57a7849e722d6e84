import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Bus, connectNats, inboxPrefixOf, roles } from '@outboard/bus';
import {
  decodeBinary,
  encodeBinary,
  HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  InventoryReportSchema,
  subjects,
} from '@outboard/contracts';
import { systemClock, unwrap } from '@outboard/core';
import type { Capability, DiscoveredFunction } from '@outboard/dataplane';
import { fleetDpu } from '@outboard/fleet-simulator';
import { type PlayedCounts, PlayedDocument, requestBytes } from './played-document.js';

/** As the workers of a simulated fleet have it. */
const UNDERLAY_MTU = 1_600;
const FIRST_HEARTBEAT_MILLISECONDS = 1_000;
const OWNERS = ['network', 'admin'];

/** What every played DPU has. */
export interface PlayedHardware {
  readonly driver: string;
  readonly capabilities: readonly Capability[];
  readonly functions: readonly DiscoveredFunction[];
}

/**
 * A DPU of which only the side to the bus is there: its own connection, its inventory, its heartbeats, its documents. No
 * service can tell it from one with a worker, but it has no dataplane and keeps nothing of what it is told.
 */
export class PlayedDpu {
  readonly #incarnation: string;
  #documents: readonly PlayedDocument[] = [];
  #inventory: Uint8Array = new Uint8Array();
  #isAdmitted = false;
  #next: Disposable | undefined;
  #closed = false;

  private constructor(
    private readonly bus: Bus,
    private readonly number: number,
    private readonly counts: PlayedCounts,
  ) {
    this.#incarnation = `boot-1-of-${fleetDpu(number).name}-played`;
  }

  static async start(servers: string, number: number, hardware: PlayedHardware, counts: PlayedCounts) {
    const role = roles.worker(fleetDpu(number).name);
    const bus = await connectNats({ servers, name: role.name, inboxPrefix: inboxPrefixOf(role) });
    const dpu = new PlayedDpu(bus, number, counts);
    await dpu.#start(hardware);
    return dpu;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#next?.[Symbol.dispose]();
    for (const document of this.#documents) document[Symbol.dispose]();
    await this.bus[Symbol.asyncDispose]();
  }

  get #name(): string {
    return fleetDpu(this.number).name;
  }

  async #start({ driver, capabilities, functions }: PlayedHardware): Promise<void> {
    const { serialNumber, pfMacAddress, underlayAddress } = fleetDpu(this.number);
    const report = create(InventoryReportSchema, {
      incarnation: this.#incarnation,
      serialNumber,
      host: `${this.#name}-host`,
      workerVersion: '0.1.0',
      kernelRelease: 'played',
      architecture: process.arch,
      cpuMillicores: 1_000,
      memoryMebibytes: 1_024,
      driver,
      capabilities: capabilities.map((capability) => ({ ...capability })),
      underlay: { device: 'up0', address: underlayAddress, mtu: UNDERLAY_MTU },
      functions: functions.map((each) => ({ ...each, pfMacAddress })),
    });
    this.#inventory = encodeBinary(InventoryReportSchema, report);
    this.#documents = OWNERS.map(
      (owner) => new PlayedDocument(this.bus, this.#name, this.#incarnation, owner, this.counts),
    );
    while (!this.#closed && !(await this.#tellInventory()))
      await systemClock.delay(FIRST_HEARTBEAT_MILLISECONDS);
    for (const document of this.#documents) await document.start();
    await this.#beat();
  }

  async #tellInventory(): Promise<boolean> {
    return (await this.#request('inventory', this.#inventory)) !== undefined;
  }

  async #beat(): Promise<void> {
    const request = create(HeartbeatRequestSchema, {
      incarnation: this.#incarnation,
      inventoryDigest: createHash('sha256').update(this.#inventory).digest(),
      settled: true,
    });
    const reply = await this.#request('heartbeat', encodeBinary(HeartbeatRequestSchema, request));
    let interval = FIRST_HEARTBEAT_MILLISECONDS;
    if (reply !== undefined) {
      const { leaseMilliseconds, inventoryWanted, admitted } = unwrap(
        decodeBinary(HeartbeatResponseSchema, reply),
      );
      interval = leaseMilliseconds / 3;
      if (inventoryWanted) await this.#tellInventory();
      if (admitted && !this.#isAdmitted) for (const document of this.#documents) void document.synchronise();
      this.#isAdmitted = admitted;
    }
    if (!this.#closed) this.#next = systemClock.schedule(interval, () => void this.#beat());
  }

  #request(channel: 'inventory' | 'heartbeat', body: Uint8Array): Promise<Uint8Array | undefined> {
    return requestBytes(this.bus, subjects.dpu(this.#name, channel, 'admin'), body);
  }
}
