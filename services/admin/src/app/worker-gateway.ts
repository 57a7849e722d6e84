import { createHash } from 'node:crypto';
import type { Message, Received } from '@outboard/bus';
import {
  ConfirmRequestSchema,
  ConfirmResponseSchema,
  decodeBinary,
  HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  type InventoryReport,
  InventoryReportSchema,
  InventoryResponseSchema,
} from '@outboard/contracts';
import { AppError, type Clock, err, ok, type Result } from '@outboard/core';
import {
  type Dpu,
  isAdmitted,
  isConnected,
  isRetired,
  type LifecycleStatus,
  type Name,
} from '@outboard/model';
import {
  type Actor,
  binaryReply,
  type DomainContext,
  dpuOf,
  type ResourceService,
} from '@outboard/resource-service';
import type { AdminDomain } from '../domain/admin-domain.js';
import type { Told } from '../domain/dpu-lifecycle.js';
import type { PoolOf } from '../domain/function-discovery.js';
import type { Inventory, InventoryChange } from '../domain/inventory.js';
import { parseFunctionsChange, parseInventoryReport } from '../domain/inventory-report.js';
import { Leases } from '../domain/leases.js';
import { awaitsBoot, awaitsDocuments } from '../domain/lifecycle/advance.js';
import { toldRebootProblem } from '../domain/lifecycle/states.js';
import { retiredDpu, unknownInventory } from '../domain/refusals.js';

/** Characters of what a worker says of a reboot. */
const MAX_PROBLEM = 256;

type InventoryDecision = (
  base: string | undefined,
  context: DomainContext,
) => Result<readonly InventoryChange[], AppError>;

export interface WorkerGatewayOptions {
  readonly service: ResourceService;
  readonly inventory: Inventory;
  readonly domain: AdminDomain;
  readonly clock: Clock;
  readonly leaseMilliseconds: number;
}

/** The side of this service that workers talk to: registration, heartbeats, and what happens when these stop. */
export class WorkerGateway implements Disposable {
  readonly #options: WorkerGatewayOptions;
  readonly #leases: Leases;
  /**
   * SHA-256 of the report of its inventory that each DPU sent last, whole or a change; unknown after a start, so that it is
   * asked for again.
   */
  readonly #inventoryDigests = new Map<string, string>();
  /** DPUs of which something that their worker has told is being written. */
  readonly #proceeding = new Set<string>();
  #timer: Disposable | undefined;
  #closed = false;

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

  /** Renews the lease of the boot that has registered; any other has to register first. */
  async heartbeat(received: Received): Promise<Result<Message, AppError>> {
    const { inventory, leaseMilliseconds } = this.#options;
    const name = dpuOf(received);
    if (!name.ok) return name;
    const request = decodeBinary(HeartbeatRequestSchema, received.body);
    if (!request.ok) return request;
    const { incarnation, inventoryDigest, settled = true, rebootProblem } = request.value;
    const dpu = inventory.dpu(name.value);
    if (dpu && isRetired(dpu)) return err(retiredDpu(name.value));
    const isRegistered = dpu !== undefined && dpu.status.incarnation === incarnation;
    if (isRegistered) {
      this.#renew(name.value);
      const written = isConnected(dpu)
        ? ok(undefined)
        : await this.#setConnected(`dpu/${name.value}`, [name.value], true);
      if (!written.ok) return written;
      const told = { settled, rebootProblem: rebootProblem.slice(0, MAX_PROBLEM) };
      this.#proceed(name.value, told);
    }
    const digest = Buffer.from(inventoryDigest).toString('hex');
    const inventoryWanted = !isRegistered || this.#inventoryDigests.get(name.value) !== digest;
    const now = isRegistered ? inventory.dpu(name.value) : undefined;
    return binaryReply(HeartbeatResponseSchema, {
      leaseMilliseconds,
      inventoryWanted,
      rebootRequest: rebootRequestOf(now),
      admitted: now !== undefined && isAdmitted(now),
    });
  }

  async inventory(received: Received): Promise<Result<Message, AppError>> {
    const { service, domain } = this.#options;
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    const report = decodeBinary(InventoryReportSchema, received.body);
    if (!report.ok) return report;
    const decide = this.#decisionOf(dpu.value, report.value);
    if (!decide.ok) return decide;
    const written = await service.change(`dpu/${dpu.value}`, (context) => {
      const base = this.#inventoryDigests.get(dpu.value);
      // Until it is written nobody can say which of both is known, and so nothing can be based on either.
      this.#inventoryDigests.delete(dpu.value);
      const changes = decide.value(base, context);
      return changes.ok ? ok(domain.followed(changes.value, context)) : changes;
    });
    if (!written.ok) return written;
    this.#inventoryDigests.set(dpu.value, createHash('sha256').update(received.body).digest('hex'));
    this.#renew(dpu.value);
    return binaryReply(InventoryResponseSchema, {});
  }

  /** What follows from a report, by the digest of the one that was written last. */
  #decisionOf(dpu: Name, report: InventoryReport): Result<InventoryDecision, AppError> {
    const { inventory, domain } = this.#options;
    const poolOf: PoolOf = (...place) => domain.poolOf(...place);
    const { change, incarnation } = report;
    if (change === undefined) {
      const facts = parseInventoryReport(dpu, report);
      return facts.ok ? ok((_, context) => inventory.register(dpu, facts.value, context, poolOf)) : facts;
    }
    const changes = parseFunctionsChange(dpu, change);
    if (!changes.ok) return changes;
    const based = Buffer.from(change.base).toString('hex');
    return ok((base, context) =>
      base === based
        ? inventory.changeFunctions(dpu, incarnation, changes.value, context, poolOf)
        : err(unknownInventory(dpu)),
    );
  }

  /** A DPU whose network was changed asks whether it reaches us: the answer is good for this one question. */
  async confirm(received: Received): Promise<Result<Message, AppError>> {
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    const request = decodeBinary(ConfirmRequestSchema, received.body);
    if (!request.ok) return request;
    const { uid, generation, nonce } = request.value;
    const isKnown = await this.#options.service.query(
      () => this.#options.inventory.dpu(dpu.value) !== undefined,
    );
    if (!isKnown) {
      return err(new AppError('NOT_FOUND', `no Dpu ${dpu.value}`, { reason: 'UNKNOWN_DPU' }));
    }
    return binaryReply(ConfirmResponseSchema, { uid, generation, nonce });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** The lease does not wait for that: what could not be written is told again with the next heartbeat. */
  #proceed(dpu: string, told: Told): void {
    const { service, inventory, domain } = this.#options;
    if (this.#proceeding.has(dpu) || !isNews(inventory.dpu(dpu)?.status.lifecycle, told)) return;
    this.#proceeding.add(dpu);
    const decided = service.change(`dpu/${dpu}`, (context) =>
      ok(domain.followed(inventory.proceed(dpu, context, told), context)),
    );
    void decided.finally(() => this.#proceeding.delete(dpu));
  }

  #renew(dpu: string): void {
    this.#leases.renew(dpu, this.#options.clock.monotonic());
    if (!this.#timer) this.#schedule();
  }

  #schedule(): void {
    const { clock } = this.#options;
    const next = this.#closed ? undefined : this.#leases.next();
    this.#timer =
      next === undefined
        ? undefined
        : clock.schedule(Math.max(1, next - clock.monotonic()), () => {
            this.#timer = undefined;
            void this.#expire();
          });
  }

  async #expire(): Promise<void> {
    const { clock } = this.#options;
    const ended = this.#leases.expire(clock.monotonic());
    const written = ended.length === 0 ? ok(undefined) : await this.#setConnected('system', ended, false);
    // What could not be written is tried again when a lease of these would end again.
    if (!written.ok) for (const dpu of ended) this.#leases.renew(dpu, clock.monotonic());
    if (!this.#timer) this.#schedule();
  }

  /** The lease of a DPU may have ended or been renewed since this was asked for: what it is by then counts. */
  #setConnected(actor: Actor, dpus: readonly string[], connected: boolean): Promise<Result<void, AppError>> {
    const { service, inventory, domain } = this.#options;
    return service.change(actor, (context) => {
      const still = dpus.filter((dpu) => this.#leases.isRunning(dpu) === connected);
      const changes = still.flatMap((dpu) => inventory.setConnected(dpu, connected, context));
      return ok(domain.followed(changes, context));
    });
  }
}

/** Whether a DPU gets on by what its worker tells: heartbeats write nothing otherwise. */
function isNews(lifecycle: LifecycleStatus | undefined, { settled, rebootProblem }: Told): boolean {
  if (lifecycle === undefined) return true;
  if (awaitsBoot(lifecycle)) return rebootProblem !== toldRebootProblem(lifecycle);
  return settled && awaitsDocuments(lifecycle);
}

/**
 * Asks the boot that has to end, not the one that follows. Each attempt is another request: one that has failed is not
 * asked for until it is tried again.
 */
function rebootRequestOf(dpu: Dpu | undefined): string {
  const { lifecycle, incarnation } = dpu?.status ?? {};
  if (lifecycle?.state !== 'REBOOTING' || lifecycle.endingIncarnation !== incarnation) return '';
  const { rebootRequest = '', retryRequest, failures } = lifecycle;
  const attempt = [retryRequest ?? [], failures > 0 ? `attempt ${failures + 1}` : []].flat();
  return [rebootRequest, ...attempt].join(', ');
}
