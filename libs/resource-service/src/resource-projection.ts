import type { Bus, Received, Subscription } from '@outboard/bus';
import { type Api, HEADERS, parseResourceSubject, subjects } from '@outboard/contracts';
import { type AppError, type Clock, ok, type Random, type Result } from '@outboard/core';
import {
  type AnyResource,
  decodeResource,
  findKindByToken,
  type KindName,
  kindToken,
  type ResourceJson,
  SYSTEM_TENANT,
} from '@outboard/model';
import { keyText } from './rows.js';

/** A resource of another service as it is now; `resource` undefined: it is gone. */
export interface ProjectedChange {
  readonly kind: KindName;
  readonly tenant: string;
  readonly name: string;
  readonly resource: AnyResource | undefined;
}

export interface ResourceProjectionOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly api: Api;
  readonly kinds: readonly KindName[];
  /** Takes changes over, at most `MAX_BATCH` at once; what it refuses comes again. Telling the same twice is normal. */
  take(changes: readonly ProjectedChange[]): Promise<Result<void, AppError>>;
  /** What is projected now, for finding what the other service has no more. */
  known(): Iterable<Omit<ProjectedChange, 'resource'>>;
}

const MAX_BATCH = 256;
const PAGE_SIZE = 500;
const DEADLINE_MILLISECONDS = 5_000;
/** Between two listings, for what no message told. */
const LIST_EVERY_MILLISECONDS = 5 * 60_000;
/** After a listing that failed: the other service may be starting. */
const FIRST_RETRY_MILLISECONDS = 500;
const LAST_RETRY_MILLISECONDS = 30_000;

/**
 * Resources of another service, followed: its state stream tells every change, and its own list, at start and every
 * five minutes, what the stream did not tell. Only the list may say that something is gone without a tombstone: a
 * stream that was lost and is empty says nothing.
 */
export class ResourceProjection implements AsyncDisposable {
  readonly #options: ResourceProjectionOptions;
  #watching: Subscription | undefined;
  #timer: Disposable | undefined;
  #closed = false;
  /** Arrived, not taken over yet. The newest of a resource counts. */
  readonly #arrived = new Map<string, ProjectedChange>();
  #taking: Promise<void> | undefined;
  /** What messages told since the running listing began: newer than what it will say. */
  readonly #told = new Set<string>();
  #failures = 0;

  constructor(options: ResourceProjectionOptions) {
    this.#options = options;
  }

  /** Resolves when changes are followed; what is there already arrives from then on. */
  async start(): Promise<void> {
    const { bus, api } = this.#options;
    this.#watching = await bus.watch(
      { stream: 'OUTBOARD_STATE', filterSubject: subjects.allStates(api), from: 'last-per-subject' },
      { message: (received) => this.#message(received), restart: () => this.#listSoon(0) },
    );
    this.#listSoon(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#watching?.[Symbol.asyncDispose]();
    await this.#taking;
  }

  #message({ subject, headers, body }: Received): Promise<void> | void {
    const address = parseResourceSubject(subject);
    const kind = address && findKindByToken(address.kind)?.kind;
    if (!address || !kind || !this.#options.kinds.includes(kind)) return;
    const { tenant, name } = address;
    const isDeleted = headers[HEADERS.operation] === 'delete';
    const resource = isDeleted ? ok(undefined) : decodeResource(body);
    if (!resource.ok) return;
    const change = { kind, tenant, name, resource: resource.value };
    this.#told.add(keyText(change));
    this.#arrived.set(keyText(change), change);
    return this.#takeOver();
  }

  /** One batch at a time, each with everything that arrived meanwhile. */
  #takeOver(): Promise<void> {
    this.#taking ??= this.#takeAll().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  async #takeAll(): Promise<void> {
    while (this.#arrived.size > 0) {
      const batch = [...this.#arrived].slice(0, MAX_BATCH);
      for (const [key] of batch) this.#arrived.delete(key);
      const taken = await this.#options.take(batch.map(([, change]) => change));
      if (taken.ok) continue;
      for (const [key, change] of batch) if (!this.#arrived.has(key)) this.#arrived.set(key, change);
      this.#listSoon(FIRST_RETRY_MILLISECONDS);
      return;
    }
  }

  #listSoon(milliseconds: number): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#closed) return;
    this.#timer = this.#options.clock.schedule(milliseconds, () => void this.#listNow());
  }

  async #listNow(): Promise<void> {
    const { random } = this.#options;
    this.#told.clear();
    const listed = await this.#list();
    if (!listed.ok) {
      const backoff = Math.min(LAST_RETRY_MILLISECONDS, FIRST_RETRY_MILLISECONDS * 2 ** this.#failures++);
      this.#listSoon(backoff * (0.5 + random.fraction() / 2));
      return;
    }
    this.#failures = 0;
    for (const [key, change] of this.#differences(listed.value)) {
      if (!this.#told.has(key)) this.#arrived.set(key, change);
    }
    this.#listSoon(LIST_EVERY_MILLISECONDS);
    await this.#takeOver();
  }

  /** What is listed, and the removal of what is known but not listed. */
  #differences(listed: readonly AnyResource[]): Map<string, ProjectedChange> {
    const changes = new Map<string, ProjectedChange>();
    for (const { kind, tenant, name } of this.#options.known()) {
      const removal = { kind, tenant, name, resource: undefined };
      changes.set(keyText(removal), removal);
    }
    for (const resource of listed) {
      const { kind, metadata } = resource;
      const change = { kind, tenant: metadata.tenant, name: metadata.name, resource };
      changes.set(keyText(change), change);
    }
    return changes;
  }

  async #list(): Promise<Result<readonly AnyResource[], AppError>> {
    const resources: AnyResource[] = [];
    for (const kind of this.#options.kinds) {
      let pageToken = '';
      do {
        const page = await this.#page(kind, pageToken);
        if (!page.ok) return page;
        for (const item of page.value.items) {
          const resource = decodeResource(item);
          if (resource.ok) resources.push(resource.value);
        }
        pageToken = page.value.nextPageToken;
      } while (pageToken !== '' && !this.#closed);
    }
    return ok(resources);
  }

  async #page(
    kind: KindName,
    pageToken: string,
  ): Promise<Result<{ items: ResourceJson[]; nextPageToken: string }, AppError>> {
    const { bus, api } = this.#options;
    const token = kindToken({ kind });
    const body = Buffer.from(JSON.stringify({ pageSize: PAGE_SIZE, pageToken }));
    const reply = await bus.request(
      subjects.rpc(SYSTEM_TENANT, api, token, 'list'),
      { headers: {}, body },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
  }
}
