import type { Bus, Received, Subscription } from '@outboard/bus';
import { type Api, HEADERS, parseResourceSubject, subjects } from '@outboard/contracts';
import { AppError, type Clock, err, ok, type Random, type Result } from '@outboard/core';
import {
  type AnyResource,
  decodeResource,
  findKindByToken,
  type KindName,
  kindToken,
  SYSTEM_TENANT,
} from '@outboard/model';
import { keyText } from './key-text.js';
import { isTemporary } from './temporary.js';

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
  /** Takes changes over, at most 256 at once; what it refuses comes again. Being told the same twice is normal. */
  take(changes: readonly ProjectedChange[]): Promise<Result<void, AppError>>;
  /** What is projected now, for finding what the other service has no more. */
  known(): Iterable<Omit<ProjectedChange, 'resource'>>;
}

const MAX_BATCH = 256;
/** Changes that wait before the stream is slowed down. */
const MAX_ARRIVED = 10_000;
const PAGE_SIZE = 500;
const DEADLINE_MILLISECONDS = 5_000;
/** Between two listings, for what no message told. */
const LIST_EVERY_MILLISECONDS = 5 * 60_000;
/** After a listing that failed (the other service may be starting), or when the own store takes nothing. */
const FIRST_RETRY_MILLISECONDS = 500;
const LAST_RETRY_MILLISECONDS = 30_000;

/** What a listing says: the resources, and the keys of those that cannot be read here, which are there all the same. */
interface Listing {
  readonly resources: readonly AnyResource[];
  readonly unreadable: ReadonlySet<string>;
}

/**
 * Resources of another service, followed: its state stream tells every change, and its own list, at start and every
 * five minutes, what the stream did not tell. Only the list may say that something is gone without a tombstone: a
 * stream that was lost and is empty says nothing.
 */
export class ResourceProjection implements AsyncDisposable {
  readonly #options: ResourceProjectionOptions;
  #watching: Subscription | undefined;
  #closed = false;
  /** Arrived, not taken over yet. The newest of a resource counts. */
  readonly #arrived = new Map<string, ProjectedChange>();
  #taking: Promise<void> | undefined;
  #takeTimer: Disposable | undefined;
  #takeFailures = 0;
  #listing = false;
  #listAgain = false;
  #listTimer: Disposable | undefined;
  #listFailures = 0;
  /** What messages told since the running listing began: newer than what it will say. */
  readonly #told = new Set<string>();

  constructor(options: ResourceProjectionOptions) {
    this.#options = options;
  }

  /** Resolves when changes are followed; what is there already arrives from then on. Rejects without the stream. */
  async start(): Promise<void> {
    const { bus, api } = this.#options;
    this.#watching = await bus.watch(
      { stream: 'OUTBOARD_STATE', filterSubject: subjects.allStates(api), from: 'last-per-subject' },
      { message: (received) => this.#message(received), restart: () => this.#listAfter(0) },
    );
    this.#listAfter(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#listTimer?.[Symbol.dispose]();
    this.#takeTimer?.[Symbol.dispose]();
    await this.#watching?.[Symbol.asyncDispose]();
    await this.#taking;
  }

  #message({ subject, headers, body }: Received): Promise<void> | undefined {
    const address = parseResourceSubject(subject);
    const kind = address && findKindByToken(address.kind)?.kind;
    if (!address || !kind || !this.#options.kinds.includes(kind)) return undefined;
    const { tenant, name } = address;
    const isDeleted = headers[HEADERS.operation] === 'delete';
    const resource = isDeleted ? ok(undefined) : decodeResource(body);
    if (!resource.ok) return undefined;
    const change = { kind, tenant, name, resource: resource.value };
    const key = keyText(change);
    if (this.#listing) this.#told.add(key);
    this.#arrived.set(key, change);
    this.#takeOver();
    return this.#arrived.size < MAX_ARRIVED ? undefined : this.#taking;
  }

  /** One batch at a time, each with everything that arrived meanwhile. */
  #takeOver(): void {
    if (this.#closed || this.#taking || this.#takeTimer || this.#arrived.size === 0) return;
    this.#taking = this.#takeAll();
  }

  async #takeAll(): Promise<void> {
    while (this.#arrived.size > 0) {
      const batch: [string, ProjectedChange][] = [];
      for (const entry of this.#arrived) if (batch.push(entry) === MAX_BATCH) break;
      for (const [key] of batch) this.#arrived.delete(key);
      if (await this.#take(batch)) {
        this.#takeFailures = 0;
        continue;
      }
      for (const [key, change] of batch) if (!this.#arrived.has(key)) this.#arrived.set(key, change);
      this.#takeTimer = this.#options.clock.schedule(this.#backoff(this.#takeFailures++), () => {
        this.#takeTimer = undefined;
        this.#takeOver();
      });
      break;
    }
    // In the same turn as the last look at what has arrived: what comes later starts anew.
    this.#taking = undefined;
  }

  /**
   * False: nothing can be taken over at present. A change that never can be must not keep the others from it: it is
   * left out, and comes again with the next listing.
   */
  async #take(batch: readonly [string, ProjectedChange][]): Promise<boolean> {
    const taken = await this.#options.take(batch.map(([, change]) => change));
    if (taken.ok) return true;
    if (isTemporary(taken.error)) return false;
    if (batch.length === 1) return true;
    for (const entry of batch) if (!(await this.#take([entry]))) return false;
    return true;
  }

  #listAfter(milliseconds: number): void {
    this.#listTimer?.[Symbol.dispose]();
    if (this.#closed) return;
    this.#listTimer = this.#options.clock.schedule(milliseconds, () => void this.#list());
  }

  async #list(): Promise<void> {
    this.#listAgain = this.#listing;
    if (this.#listing) return;
    this.#listing = true;
    const listed = await this.#listAll();
    this.#listing = false;
    if (listed.ok) {
      this.#listFailures = 0;
      for (const [key, change] of this.#differences(listed.value)) {
        if (!this.#told.has(key)) this.#arrived.set(key, change);
      }
      this.#takeOver();
    }
    this.#told.clear();
    if (this.#listAgain) this.#listAfter(0);
    else this.#listAfter(listed.ok ? LIST_EVERY_MILLISECONDS : this.#backoff(this.#listFailures++));
  }

  /** What is listed, and the removal of what is known but not listed. */
  #differences({ resources, unreadable }: Listing): Map<string, ProjectedChange> {
    const changes = new Map<string, ProjectedChange>();
    for (const { kind, tenant, name } of this.#options.known()) {
      const removal = { kind, tenant, name, resource: undefined };
      if (!unreadable.has(keyText(removal))) changes.set(keyText(removal), removal);
    }
    for (const resource of resources) {
      const { kind, metadata } = resource;
      const change = { kind, tenant: metadata.tenant, name: metadata.name, resource };
      changes.set(keyText(change), change);
    }
    return changes;
  }

  async #listAll(): Promise<Result<Listing, AppError>> {
    const resources: AnyResource[] = [];
    const unreadable = new Set<string>();
    for (const kind of this.#options.kinds) {
      let pageToken = '';
      do {
        const page = await this.#page(kind, pageToken);
        if (!page.ok) return page;
        for (const item of page.value.items) {
          const resource = decodeResource(item);
          if (resource.ok) resources.push(resource.value);
          else unreadable.add(keyText({ kind, ...identityOf(item) }));
        }
        pageToken = page.value.nextPageToken;
      } while (pageToken !== '');
    }
    return ok({ resources, unreadable });
  }

  async #page(
    kind: KindName,
    pageToken: string,
  ): Promise<Result<{ items: readonly unknown[]; nextPageToken: string }, AppError>> {
    const { bus, api } = this.#options;
    if (this.#closed) return err(new AppError('CANCELLED', 'nobody follows any more'));
    const body = Buffer.from(JSON.stringify({ pageSize: PAGE_SIZE, pageToken }));
    const reply = await bus.request(
      subjects.rpc(SYSTEM_TENANT, api, kindToken({ kind }), 'list'),
      { headers: {}, body },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    return reply.ok ? parsePage(reply.value.body) : reply;
  }

  #backoff(failures: number): number {
    const longest = Math.min(LAST_RETRY_MILLISECONDS, FIRST_RETRY_MILLISECONDS * 2 ** failures);
    return longest * (0.5 + this.#options.random.fraction() / 2);
  }
}

function parsePage(body: Uint8Array): Result<{ items: readonly unknown[]; nextPageToken: string }, AppError> {
  try {
    // An answer without items is none: taken for an empty list, it would remove everything.
    const { items, nextPageToken = '' } = JSON.parse(Buffer.from(body).toString());
    if (Array.isArray(items) && typeof nextPageToken === 'string') return ok({ items, nextPageToken });
  } catch {
    // Told below.
  }
  return err(new AppError('INTERNAL', 'the answer is no page of a list'));
}

/** The name of what cannot be read, as far as that can be. */
function identityOf(item: unknown): { tenant: string; name: string } {
  const { metadata } = (item ?? {}) as { metadata?: { tenant?: unknown; name?: unknown } | null };
  return { tenant: String(metadata?.tenant), name: String(metadata?.name) };
}
