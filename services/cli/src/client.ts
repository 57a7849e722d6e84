import { randomUUID } from 'node:crypto';
import type { Bus } from '@outboard/bus';
import { HEADERS, MAX_BODY_BYTES, subjects, type Verb } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import { type AnyKind, kindToken, type ResourceJson, SYSTEM_TENANT } from '@outboard/model';

export interface ResourceList {
  readonly items: readonly ResourceJson[];
  readonly nextPageToken: string;
  readonly resourceVersion: string;
}

export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly pageSize?: number;
}

const PAGE_SIZE = 500;

/** Outboard's API as methods: every call is one request on the bus, as any other client would send it. */
export class OutboardClient {
  constructor(
    private readonly bus: Bus,
    private readonly deadlineMilliseconds = 5_000,
  ) {}

  get(kind: AnyKind, tenant: string, name: string): Promise<Result<ResourceJson, AppError>> {
    return this.#call(kind, tenant, 'get', { name });
  }

  /** One page; `nextPageToken` leads to the next one. */
  listPage(
    kind: AnyKind,
    tenant: string,
    options: ListOptions & { readonly pageToken?: string },
  ): Promise<Result<ResourceList, AppError>> {
    return this.#call(kind, tenant, 'list', { pageSize: PAGE_SIZE, ...options });
  }

  /** Every page, one after the other. */
  async *list(kind: AnyKind, tenant: string, options: ListOptions = {}): AsyncIterable<ResourceJson> {
    for (let pageToken = ''; ; ) {
      const page = await this.listPage(kind, tenant, { ...options, pageToken });
      if (!page.ok) throw page.error;
      yield* page.value.items;
      pageToken = page.value.nextPageToken;
      if (pageToken === '') return;
    }
  }

  /** Creates or updates. Repeated with the same message id until it is answered, or the deadline has passed. */
  apply(kind: AnyKind, tenant: string, manifest: unknown): Promise<Result<ResourceJson, AppError>> {
    return this.#change(kind, tenant, 'apply', manifest);
  }

  /** What `apply` would do, without doing it. */
  plan(kind: AnyKind, tenant: string, manifest: unknown): Promise<Result<unknown, AppError>> {
    return this.#call(kind, tenant, 'plan', manifest);
  }

  delete(kind: AnyKind, tenant: string, name: string): Promise<Result<ResourceJson, AppError>> {
    return this.#change(kind, tenant, 'delete', { name });
  }

  async #change(
    kind: AnyKind,
    tenant: string,
    verb: Verb,
    body: unknown,
  ): Promise<Result<ResourceJson, AppError>> {
    const headers = { [HEADERS.messageId]: randomUUID() };
    const first = await this.#call<ResourceJson>(kind, tenant, verb, body, headers);
    // The answer may be lost after the change was made: asked again with the same id, it is the same answer.
    if (first.ok || first.error.code !== 'DEADLINE_EXCEEDED') return first;
    return this.#call(kind, tenant, verb, body, headers);
  }

  async #call<Value>(
    kind: AnyKind,
    tenant: string,
    verb: Verb,
    parameters: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Result<Value, AppError>> {
    const body = Buffer.from(JSON.stringify(parameters));
    if (body.length > MAX_BODY_BYTES) {
      const description = `has ${body.length} bytes; must be at most ${MAX_BODY_BYTES}`;
      return err(AppError.invalid([{ field: '', description }], { reason: 'BODY_TOO_LARGE' }));
    }
    const subject = subjects.rpc(scopeOf(kind, tenant), kind.api, kindToken(kind), verb);
    const reply = await this.bus.request(
      subject,
      { headers, body },
      { deadlineMilliseconds: this.deadlineMilliseconds },
    );
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString()) as Value) : reply;
  }
}

/** Resources of the system belong to no tenant, whatever tenant the user works in. */
export const scopeOf = (kind: AnyKind, tenant: string): string =>
  kind.scope === 'system' ? SYSTEM_TENANT : tenant;
