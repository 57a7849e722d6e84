import type { Bus, Message, Received, Subscription } from '@outboard/bus';
import { HEADERS, parseResourceSubject, subjects } from '@outboard/contracts';
import type { Clock } from '@outboard/core';
import { decodeResource, type Name } from '@outboard/model';
import type { InventoryChange } from '@outboard/planner';
import type { ResourceService } from '@outboard/resource-service';
import type { NetworkDomain } from '../domain/network-domain.js';
import { dpuRecordOf, functionRecordOf } from '../domain/projection.js';

/** Between two comparisons with what admin has, for what no message told. */
const LIST_EVERY_MILLISECONDS = 5 * 60_000;
/** Changes that are taken over in one piece of work. */
const MAX_BATCH = 256;

const KINDS = { dpu: 'Dpu', function: 'Function' } as const;

/** Follows the DPUs and functions of admin. What is projected is stored: this service plans alone, too. */
export class InventoryProjection implements AsyncDisposable {
  #watching: Subscription | undefined;
  #timer: Disposable | undefined;
  /** What the running watch has shown since it (re)started: what is projected but not among it is gone. */
  #seen = new Set<string>();
  /** Arrived, not taken over yet. The newest of a resource counts. */
  readonly #arrived = new Map<string, InventoryChange>();
  #taking: Promise<void> | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly service: ResourceService,
    private readonly domain: NetworkDomain,
  ) {}

  async start(): Promise<void> {
    await this.#watch();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    await this.#watching?.[Symbol.asyncDispose]();
    await this.#taking;
  }

  /** Lists and follows: a last-value watch tells everything that is there first. */
  async #watch(): Promise<void> {
    const before = this.#watching;
    this.#seen = new Set();
    this.#watching = await this.bus.watch(
      { stream: 'OUTBOARD_STATE', filterSubject: subjects.allStates('admin'), from: 'last-per-subject' },
      { message: (received) => this.#take(received), current: () => this.#dropUnseen() },
    );
    await before?.[Symbol.asyncDispose]();
    this.#timer = this.clock.schedule(LIST_EVERY_MILLISECONDS, () => void this.#watch());
  }

  #take(received: Received): Promise<void> {
    const change = changeOf(received);
    if (!change) return Promise.resolve();
    const key = keyOf(change);
    if (change.operation === 'put') this.#seen.add(key);
    else this.#seen.delete(key);
    this.#arrived.set(key, change);
    return this.#takeOver();
  }

  #dropUnseen(): void {
    for (const { kind, name } of this.domain.inventory()) {
      const key = `${kind}/${name}`;
      if (!this.#seen.has(key)) this.#arrived.set(key, { operation: 'remove', kind, name });
    }
    void this.#takeOver();
  }

  /** One piece of work at a time, each with everything that arrived meanwhile. */
  #takeOver(): Promise<void> {
    this.#taking ??= (async () => {
      while (this.#arrived.size > 0) {
        const batch = [...this.#arrived].slice(0, MAX_BATCH);
        for (const [key] of batch) this.#arrived.delete(key);
        const changes = batch.map(([, change]) => change);
        const written = await this.service.change((context) => this.domain.project(changes, context));
        if (written.ok) continue;
        // Kept, unless something newer has arrived; the next message or listing tries again.
        for (const [key, change] of batch) if (!this.#arrived.has(key)) this.#arrived.set(key, change);
        break;
      }
      this.#taking = undefined;
    })();
    return this.#taking;
  }
}

function changeOf({ subject, headers, body }: Received & Message): InventoryChange | undefined {
  const address = parseResourceSubject(subject);
  const kind = KINDS[address?.kind as keyof typeof KINDS];
  if (!address || !kind) return undefined;
  const removal = { operation: 'remove', kind, name: address.name as Name } as const;
  if (headers[HEADERS.operation] === 'delete') return removal;
  const resource = decodeResource(body);
  if (!resource.ok) return undefined;
  if (resource.value.kind === 'Dpu') return { operation: 'put', record: dpuRecordOf(resource.value) };
  if (resource.value.kind !== 'Function') return undefined;
  const record = functionRecordOf(resource.value);
  return record ? { operation: 'put', record } : removal;
}

const keyOf = (change: InventoryChange): string =>
  change.operation === 'put'
    ? `${change.record.kind}/${change.record.name}`
    : `${change.kind}/${change.name}`;
