import { randomUUID } from 'node:crypto';
import type { StreamBus } from '@outboard/bus';
import { type Api, HEADERS, MAX_BODY_BYTES, subjects, type Verb } from '@outboard/contracts';
import { AppError, type Clock, err, ok, type Result } from '@outboard/core';
import { type AnyKind, kindToken, type ResourceJson } from '@outboard/model';
import type { ExplanationJson } from './output/explanation.js';

export interface ResourceList {
  readonly items: readonly ResourceJson[];
  readonly nextPageToken: string;
  readonly resourceVersion: string;
}

export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** What a service would change: rows by `Kind/tenant/name`, objects in the documents of DPUs, flows between ports. */
export interface Plan {
  readonly changed: readonly string[];
  readonly documents: readonly {
    readonly dpu: string;
    /** Keys. */
    readonly upserts: readonly string[];
    readonly deletes: readonly string[];
    /** As many of these as an answer has room for. */
    readonly objects?: readonly {
      readonly key: string;
      readonly before?: Readonly<Record<string, unknown>>;
      readonly after?: Readonly<Record<string, unknown>>;
    }[];
  }[];
  /** Absent: a kind that opens and closes nothing by itself. */
  readonly flows?: readonly PlannedFlow[];
  readonly flowTotal?: number;
}

/** Flows between ports of two sorts that begin or stop to be possible. */
export interface PlannedFlow {
  readonly change: 'BEGINS' | 'STOPS';
  readonly family: 4 | 6;
  readonly from: PlannedPorts;
  readonly to: PlannedPorts;
  readonly services: readonly {
    readonly protocol: string;
    readonly first?: number;
    readonly last?: number;
  }[];
}

export interface PlannedPorts {
  readonly network: string;
  /** The first of them. */
  readonly names: readonly string[];
  readonly total: number;
}

/** An object of a DPU's dataplane (outboard.network.v1alpha1.Layer1Object). */
export interface Layer1Item {
  readonly key: string;
  readonly type: string;
  readonly state: string;
  readonly message?: string;
  readonly wanted?: unknown;
  readonly observed?: unknown;
  readonly claims?: readonly {
    readonly owner: string;
    readonly object: string;
    readonly source: { readonly kind: string; readonly tenant: string; readonly name: string };
  }[];
  readonly claimTotal?: number;
}

/** Largest page that services give. */
const PAGE_SIZE = 500;
/** Stands where a kind does, on the subjects of requests for objects of layer 1. */
const LAYER1 = { api: 'network', kind: 'Layer1' } as const;
/** Milliseconds that one attempt waits for its answer. */
const ATTEMPT = 3_000;
/** Milliseconds between two attempts. */
const PAUSE = 100;

export const DEFAULT_DEADLINE = 10_000;

export interface ClientOptions {
  /** Of each call; undefined: `DEFAULT_DEADLINE`. */
  readonly timeoutMilliseconds: number | undefined;
  /** Whom changes are said to come from. */
  readonly requestedBy: string | undefined;
}

/**
 * Outboard's API as methods: every call is a request on the bus, as any other client would send it. A request is
 * repeated until its deadline when its answer may be lost or its service restarts; a change keeps its message id then,
 * by which the service recognises the repetition.
 */
export class OutboardClient {
  /** APIs that have answered: when nobody answers for one of these any more, its service restarts. */
  readonly #answering = new Set<Api>();

  constructor(
    readonly bus: StreamBus,
    private readonly clock: Clock,
    private readonly options: ClientOptions,
  ) {}

  get(kind: AnyKind, tenant: string, name: string): Promise<Result<ResourceJson, AppError>> {
    return this.#call(kind, tenant, 'get', { name });
  }

  /** Every page of a list, one after the other; `_` lists all tenants. */
  async *pages(
    kind: AnyKind,
    tenant: string,
    options: ListOptions = {},
  ): AsyncGenerator<Result<ResourceList, AppError>> {
    for (let pageToken = ''; ; ) {
      const parameters = { pageSize: PAGE_SIZE, pageToken, ...options };
      const page = await this.#call<ResourceList>(kind, tenant, 'list', parameters);
      yield page;
      if (!page.ok || page.value.nextPageToken === '') return;
      pageToken = page.value.nextPageToken;
    }
  }

  /** All pages as one list. */
  async list(
    kind: AnyKind,
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
  apply(kind: AnyKind, tenant: string, manifest: unknown): Promise<Result<ResourceJson, AppError>> {
    return this.#call(kind, tenant, 'apply', manifest, this.#changeHeaders());
  }

  /** What `apply` would do, without doing it. */
  plan(kind: AnyKind, tenant: string, manifest: unknown): Promise<Result<Plan, AppError>> {
    return this.#call(kind, tenant, 'plan', manifest);
  }

  delete(kind: AnyKind, tenant: string, name: string): Promise<Result<ResourceJson, AppError>> {
    return this.#call(kind, tenant, 'delete', { name }, this.#changeHeaders());
  }

  /** What becomes of a flow (outboard.network.v1alpha1.ExplainRequest). */
  explain(tenant: string, question: object): Promise<Result<ExplanationJson, AppError>> {
    return this.#call({ api: 'network', kind: 'Port' }, tenant, 'explain', question);
  }

  /** What a DPU's dataplane is made of: all pages. `_` asks for what is of all tenants. */
  async layer1(
    tenant: string,
    query: { readonly dpu: string; readonly type: string; readonly fieldSelector: string },
  ): Promise<Result<readonly Layer1Item[], AppError>> {
    const items: Layer1Item[] = [];
    for (let pageToken = ''; ; ) {
      const parameters = { ...query, pageSize: PAGE_SIZE, pageToken };
      const page = await this.#call<{ items?: readonly Layer1Item[]; nextPageToken?: string }>(
        LAYER1,
        tenant,
        'list',
        parameters,
      );
      if (!page.ok) return page;
      items.push(...(page.value.items ?? []));
      pageToken = page.value.nextPageToken ?? '';
      if (pageToken === '') return ok(items);
    }
  }

  #changeHeaders(): Readonly<Record<string, string>> {
    const { requestedBy } = this.options;
    return {
      [HEADERS.messageId]: randomUUID(),
      ...(requestedBy !== undefined && { [HEADERS.requestedBy]: requestedBy }),
    };
  }

  async #call<Value>(
    kind: { readonly api: Api; readonly kind: string },
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
    const until = this.clock.monotonic() + (this.options.timeoutMilliseconds ?? DEFAULT_DEADLINE);
    for (;;) {
      const deadlineMilliseconds = Math.max(1, Math.min(ATTEMPT, until - this.clock.monotonic()));
      const reply = await this.bus.request(subject, { headers, body }, { deadlineMilliseconds });
      if (reply.ok) {
        this.#answering.add(kind.api);
        return parseReply(reply.value.body, subject);
      }
      if (!this.#isWorthRepeating(reply.error, kind.api)) return reply;
      await this.clock.delay(PAUSE);
      if (this.clock.monotonic() >= until) return reply;
    }
  }

  #isWorthRepeating({ code, reason }: AppError, api: Api): boolean {
    if (reason === 'NO_RESPONDERS') return this.#answering.has(api);
    return code === 'DEADLINE_EXCEEDED' || reason === 'DISCONNECTED' || reason === 'TOO_MANY_REQUESTS';
  }
}

function parseReply<Value>(body: Uint8Array, subject: string): Result<Value, AppError> {
  try {
    return ok(JSON.parse(Buffer.from(body).toString()) as Value);
  } catch (cause) {
    return err(new AppError('INTERNAL', `the answer of ${subject} is not JSON`, { cause }));
  }
}
