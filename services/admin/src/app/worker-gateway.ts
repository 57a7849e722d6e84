import { createHash } from 'node:crypto';
import type { Message, Received } from '@outboard/bus';
import {
  decodeBinary,
  HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  InventoryReportSchema,
  InventoryResponseSchema,
} from '@outboard/contracts';
import { type AppError, type Clock, err, type Result } from '@outboard/core';
import { binaryReply, dpuOf, type ResourceService } from '@outboard/resource-service';
import { toDomainChanges } from '../domain/admin-domain.js';
import { type Inventory, isConnected } from '../domain/inventory.js';
import { parseInventoryReport } from '../domain/inventory-report.js';
import { Leases } from '../domain/leases.js';

export interface WorkerGatewayOptions {
  readonly service: ResourceService;
  readonly inventory: Inventory;
  readonly clock: Clock;
  readonly leaseMilliseconds: number;
}

/** The side of this service that workers talk to: registration, heartbeats, and what happens when these stop. */
export class WorkerGateway implements Disposable {
  readonly #options: WorkerGatewayOptions;
  readonly #leases: Leases;
  /** SHA-256 of the inventory that each DPU sent last; unknown after a start, so that it is asked for again. */
  readonly #inventoryDigests = new Map<string, string>();
  #timer: Disposable | undefined;

  constructor(options: WorkerGatewayOptions) {
    this.#options = options;
    this.#leases = new Leases(options.leaseMilliseconds);
  }

  /** DPUs that were connected when this service stopped get a whole lease to show themselves again. */
  start(): void {
    for (const dpu of this.#options.inventory.dpus()) {
      if (isConnected(dpu)) this.#renew(dpu.metadata.name);
    }
  }

  async heartbeat(received: Received): Promise<Result<Message, AppError>> {
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    const request = decodeBinary(HeartbeatRequestSchema, received.body);
    if (!request.ok) return request;
    const digest = Buffer.from(request.value.inventoryDigest).toString('hex');
    const known = this.#inventoryDigests.get(dpu.value) === digest && this.#options.inventory.dpu(dpu.value);
    if (known && this.#renew(dpu.value)) {
      const written = await this.#options.service.change((context) =>
        toDomainChanges(this.#options.inventory.connected(dpu.value, context)),
      );
      if (!written.ok) return written;
    }
    return binaryReply(HeartbeatResponseSchema, {
      leaseMilliseconds: this.#options.leaseMilliseconds,
      inventoryWanted: !known,
    });
  }

  async inventory(received: Received): Promise<Result<Message, AppError>> {
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    const report = decodeBinary(InventoryReportSchema, received.body);
    if (!report.ok) return report;
    const facts = parseInventoryReport(report.value);
    if (!facts.ok) return facts;
    let refusal: AppError | undefined;
    const written = await this.#options.service.change((context) => {
      const registered = this.#options.inventory.register(dpu.value, facts.value, context);
      if (registered.ok) return toDomainChanges(registered.value);
      refusal = registered.error;
      return [];
    });
    if (!written.ok) return written;
    if (refusal) return err(refusal);
    this.#inventoryDigests.set(dpu.value, createHash('sha256').update(received.body).digest('hex'));
    this.#renew(dpu.value);
    return binaryReply(InventoryResponseSchema, {});
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #renew(dpu: string): boolean {
    const renewed = this.#leases.renew(dpu, this.#options.clock.monotonic());
    if (!this.#timer) this.#schedule();
    return renewed;
  }

  #schedule(): void {
    const { clock } = this.#options;
    const next = this.#leases.next();
    this.#timer =
      next === undefined
        ? undefined
        : clock.schedule(Math.max(1, next - clock.monotonic()), () => {
            this.#timer = undefined;
            void this.#expire();
          });
  }

  async #expire(): Promise<void> {
    const { service, inventory, clock } = this.#options;
    const ended = this.#leases.expire(clock.monotonic());
    if (ended.length > 0) {
      const written = await service.change((context) =>
        toDomainChanges(ended.flatMap((dpu) => inventory.expired(dpu, context))),
      );
      // What could not be written is tried again when a lease of these would end again.
      if (!written.ok) for (const dpu of ended) this.#leases.renew(dpu, clock.monotonic());
    }
    if (!this.#timer) this.#schedule();
  }
}
