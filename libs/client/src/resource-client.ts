import { randomUUID } from 'node:crypto';
import type { Bus } from '@outboard/bus';
import { type Api, HEADERS, MAX_BODY_BYTES, subjects, type Verb } from '@outboard/contracts';
import { AppError, type Clock, err, ok, type Result } from '@outboard/core';
import { kindToken, type ResourceJson } from '@outboard/model';

/** Which resources a request is about; a kind of the model is one. */
export interface ResourceKind {
  readonly api: Api;
  readonly kind: string;
}

export interface ResourceList {
  readonly items: readonly ResourceJson[];
  readonly nextPageToken: string;
  readonly resourceVersion: string;
}

export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** Largest page that services give. */
export const PAGE_SIZE = 500;
/** Milliseconds that one attempt waits for its answer. */
const ATTEMPT = 3_000;
/** Milliseconds between two attempts. */
const PAUSE = 100;

export const DEFAULT_DEADLINE = 10_000;

export interface CallOptions {
  /** Of each call; absent: `DEFAULT_DEADLINE`. */
  readonly timeoutMilliseconds?: number | undefined;
  /** Whom changes are said to come from; absent: nobody is named. */
  readonly requestedBy?: string | undefined;
  /** W3C trace context of changes; absent: none. */
  readonly traceparent?: string | undefined;
}

/**
 * Outboard's resources as methods: every call is a request on the bus, as any other client would send it. A request is
 * repeated until its deadline when its answer may be lost or its service restarts; a change keeps its message id then,
 * by which the service recognises the repetition.
 */
export class ResourceClient<Connection extends Pick<Bus, 'request'> = Bus> {
  /** APIs that have answered: when nobody answers for one of these any more, its service restarts. */
  readonly #answering: Set<Api>;

  constructor(
    readonly bus: Connection,
    private readonly clock: Clock,
    private readonly options: CallOptions = {},
    answering: Set<Api> = new Set(),
  ) {
    this.#answering = answering;
  }

  /** The same with other options; what is known of who answers is shared. */
  with(options: CallOptions): ResourceClient<Connection> {
    return new ResourceClient(this.bus, this.clock, { ...this.options, ...options }, this.#answering);
  }

  get(kind: ResourceKind, tenant: string, name: string): Promise<Result<ResourceJson, AppError>> {
    return this.call(kind, tenant, 'get', { name });
  }

  /** Every page of a list, one after the other; `_` lists all tenants. */
  async *pages(
    kind: ResourceKind,
    tenant: string,
    options: ListOptions = {},
  ): AsyncGenerator<Result<ResourceList, AppError>> {
    for (let pageToken = ''; ; ) {
      const parameters = { pageSize: PAGE_SIZE, pageToken, ...options };
      const page = await this.call<ResourceList>(kind, tenant, 'list', parameters);
      yield page;
      if (!page.ok || page.value.nextPageToken === '') return;
      pageToken = page.value.nextPageToken;
    }
  }

  /** All pages as one list. */
  async list(
    kind: ResourceKind,
    tenant: string,
    options: ListOptions = {},
  ): Promise<Result<readonly ResourceJson[], AppError>> {
    const items: ResourceJson[] = [];
    for await (const page of this.pages(kind, tenant, options)) {
      if (!page.ok) return page;
      items.push(...page.value.items);
    }
    return ok(items);
  }

  /** Creates or updates. */
  apply(kind: ResourceKind, tenant: string, manifest: unknown): Promise<Result<ResourceJson, AppError>> {
    return this.call(kind, tenant, 'apply', manifest, this.#changeHeaders());
  }

  delete(kind: ResourceKind, tenant: string, name: string): Promise<Result<ResourceJson, AppError>> {
    return this.call(kind, tenant, 'delete', { name }, this.#changeHeaders());
  }

  #changeHeaders(): Readonly<Record<string, string>> {
    const { requestedBy, traceparent } = this.options;
    return {
      [HEADERS.messageId]: randomUUID(),
      ...(requestedBy !== undefined && { [HEADERS.requestedBy]: requestedBy }),
      ...(traceparent !== undefined && { [HEADERS.traceparent]: traceparent }),
    };
  }

  /** Any request on `rpc.<tenant>.<api>.<kind>.<verb>`; its answer is taken for what the caller says it is. */
  async call<Value>(
    kind: ResourceKind,
    tenant: string,
    verb: Verb,
    parameters: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Result<Value, AppError>> {
    const body = Buffer.from(JSON.stringify(parameters));
    if (body.length > MAX_BODY_BYTES) {
      const description = `has ${body.length} bytes as JSON; must be at most ${MAX_BODY_BYTES}`;
      return err(AppError.invalid([{ field: '', description }], { reason: 'BODY_TOO_LARGE' }));
    }
    const subject = subjects.rpc(tenant, kind.api, kindToken(kind), verb);
    const limit = this.options.timeoutMilliseconds ?? DEFAULT_DEADLINE;
    const until = this.clock.monotonic() + limit;
    for (;;) {
      const deadlineMilliseconds = Math.ceil(Math.max(1, Math.min(ATTEMPT, until - this.clock.monotonic())));
      const reply = await this.bus.request(subject, { headers, body }, { deadlineMilliseconds });
      if (reply.ok) {
        this.#answering.add(kind.api);
        return parseReply(reply.value.body, subject);
      }
      if (!this.#isWorthRepeating(reply.error, kind.api)) return reply;
      await this.clock.delay(PAUSE);
      if (this.clock.monotonic() >= until) return err(inAll(reply.error, subject, limit));
    }
  }

  #isWorthRepeating({ code, reason }: AppError, api: Api): boolean {
    if (reason === 'NO_RESPONDERS') return this.#answering.has(api);
    return code === 'DEADLINE_EXCEEDED' || reason === 'DISCONNECTED' || reason === 'TOO_MANY_REQUESTS';
  }
}

/** The last attempt tells of itself alone. */
const inAll = (error: AppError, subject: string, milliseconds: number): AppError =>
  error.code === 'DEADLINE_EXCEEDED'
    ? new AppError(error.code, `no answer from ${subject} within ${milliseconds} ms`, {
        cause: error,
        metadata: error.metadata,
        ...(error.reason !== undefined && { reason: error.reason }),
      })
    : error;

function parseReply<Value>(body: Uint8Array, subject: string): Result<Value, AppError> {
  try {
    return ok(JSON.parse(Buffer.from(body).toString()) as Value);
  } catch (cause) {
    return err(new AppError('INTERNAL', `the answer of ${subject} is not JSON`, { cause }));
  }
}
