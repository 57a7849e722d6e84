import type { Received } from '@outboard/bus';
import {
  decodeJson,
  HEADERS,
  ListRequestSchema,
  MAX_BODY_BYTES,
  NameRequestSchema,
  parseJsonText,
  parseRequestSubject,
  type RequestAddress,
  type ResourceAddress,
} from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import {
  findKind,
  findKindByToken,
  type KindName,
  parseManifest,
  parseName,
  SYSTEM_TENANT,
} from '@outboard/model';
import type { Command } from './domain.js';

/** A request to the API of a service, parsed. */
export type Request =
  | { readonly verb: 'get'; readonly kind: KindName; readonly tenant: string; readonly name: string }
  | ListRequest
  | { readonly verb: 'plan'; readonly command: Command }
  | {
      readonly verb: 'change';
      /** As on the subject: `create`, `update`, `apply` or `delete`. */
      readonly operation: string;
      readonly command: Command;
      readonly address: ResourceAddress;
    };

/** A page of a list. Tenant `_` asks for the resources of all tenants. */
export interface ListRequest {
  readonly verb: 'list';
  readonly kind: KindName;
  readonly tenant: string;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 500;

/** The command of an intent on one of these kinds: the subject names the resource, the header what to do with it. */
export function parseIntent(
  kinds: readonly KindName[],
  address: ResourceAddress,
  operation: string,
  body: Uint8Array,
): Result<Command, AppError> {
  const kind = kindAt(kinds, address);
  if (!kind.ok) return kind;
  const oversize = checkSize(body);
  if (oversize) return err(oversize);
  switch (operation) {
    case 'apply':
      return parseApply(address, undefined, body);
    case 'delete':
      return parseDelete(kind.value, address, body);
    default: {
      const description = `must be apply or delete, not ${JSON.stringify(operation.slice(0, 32))}`;
      return err(AppError.invalid([{ field: HEADERS.operation, description }]));
    }
  }
}

/** A request on `rpc.<tenant>.<api>.<kind>.<verb>`, for one of these kinds. */
export function parseRequest(
  kinds: readonly KindName[],
  { subject, headers, body }: Received,
): Result<Request, AppError> {
  const address = parseRequestSubject(subject);
  if (!address) return err(unknownSubject(subject));
  const kind = kindAt(kinds, address);
  if (!kind.ok) return kind;
  const oversize = checkSize(body);
  if (oversize) return err(oversize);
  const { tenant, verb } = address;
  switch (verb) {
    case 'get': {
      const named = parseNamed(body);
      return named.ok ? ok({ verb, kind: kind.value, tenant, name: named.value.name }) : named;
    }
    case 'list':
      return parseList(kind.value, tenant, body);
    case 'plan': {
      const command =
        headers[HEADERS.operation] === 'delete'
          ? parseNamedDelete(kind.value, address, body)
          : parseNamedApply(address, undefined, body);
      return command.ok ? ok({ verb, command: command.value }) : command;
    }
    case 'create':
    case 'update':
    case 'apply':
    case 'delete': {
      const existence = verb === 'create' || verb === 'update' ? verb : undefined;
      const command =
        verb === 'delete'
          ? parseNamedDelete(kind.value, address, body)
          : parseNamedApply(address, existence, body);
      if (!command.ok) return command;
      const name =
        command.value.operation === 'delete' ? command.value.name : command.value.intent.metadata.name;
      return ok({ verb: 'change', operation: verb, command: command.value, address: { ...address, name } });
    }
    default:
      return err(unknownSubject(subject));
  }
}

/** The name in a manifest stands for the one that the subject of an intent has. */
function parseNamedApply(
  address: RequestAddress,
  existence: 'create' | 'update' | undefined,
  body: Uint8Array,
): Result<Command, AppError> {
  const problems = new Problems();
  const json = parseJsonText(body, problems);
  if (problems.total > 0) return err(problems.toError());
  const { metadata } = (json ?? {}) as { metadata?: { name?: unknown } | null };
  const name = typeof metadata?.name === 'string' ? metadata.name : '';
  return parseApply({ ...address, name }, existence, json);
}

function parseApply(
  address: ResourceAddress,
  existence: 'create' | 'update' | undefined,
  input: unknown,
): Result<Command, AppError> {
  const intent = parseManifest(input, address);
  if (!intent.ok) return intent;
  return ok({ operation: 'apply', intent: intent.value, ...(existence && { existence }) });
}

function parseNamedDelete(
  kind: KindName,
  address: RequestAddress,
  body: Uint8Array,
): Result<Command, AppError> {
  const named = parseNamed(body);
  return named.ok ? parseDelete(kind, { ...address, name: named.value.name }, body) : named;
}

/** The body may be empty: the subject names the resource; or tell the revision that the caller has seen. */
function parseDelete(
  kind: KindName,
  { tenant, name }: ResourceAddress,
  body: Uint8Array,
): Result<Command, AppError> {
  // An apply checks this with the rest of its manifest.
  const misplaced = checkTenant(kind, tenant);
  if (misplaced) return err(misplaced);
  const request = body.length === 0 ? undefined : decodeJson(NameRequestSchema, body);
  if (request && !request.ok) return err(request.error.toError());
  const given = request?.value.name ?? '';
  if (given !== '' && given !== name) {
    return err(AppError.invalid([{ field: 'name', description: `must be ${name}, as in the subject` }]));
  }
  const resourceVersion = request?.value.resourceVersion ?? '';
  return ok({ operation: 'delete', kind, tenant, name, ...(resourceVersion !== '' && { resourceVersion }) });
}

function parseNamed(body: Uint8Array): Result<{ name: string }, AppError> {
  const request = decodeJson(NameRequestSchema, body);
  if (!request.ok) return err(request.error.toError());
  const name = parseName(request.value.name);
  return name.ok
    ? ok({ name: name.value })
    : err(AppError.invalid([{ field: 'name', description: name.error }]));
}

function parseList(kind: KindName, tenant: string, body: Uint8Array): Result<Request, AppError> {
  const request = body.length === 0 ? undefined : decodeJson(ListRequestSchema, body);
  if (request && !request.ok) return err(request.error.toError());
  const { pageSize = 0, pageToken = '', labelSelector = '', fieldSelector = '' } = request?.value ?? {};
  if (pageSize > MAX_PAGE_SIZE) {
    return err(AppError.invalid([{ field: 'pageSize', description: `must be 1-${MAX_PAGE_SIZE}` }]));
  }
  const size = pageSize === 0 ? DEFAULT_PAGE_SIZE : pageSize;
  return ok({ verb: 'list', kind, tenant, pageSize: size, pageToken, labelSelector, fieldSelector });
}

function kindAt(
  kinds: readonly KindName[],
  { api, kind }: { readonly api: string; readonly kind: string },
): Result<KindName, AppError> {
  const found = findKindByToken(kind);
  if (found?.api === api && kinds.includes(found.kind)) return ok(found.kind);
  return err(new AppError('UNIMPLEMENTED', `${api} has no kind ${kind}`, { reason: 'UNKNOWN_KIND' }));
}

/** What belongs to no tenant is changed under `_` only, which no tenant may send to. */
function checkTenant(kind: KindName, tenant: string): AppError | undefined {
  if (findKind(kind)?.scope === 'tenant' || tenant === SYSTEM_TENANT) return undefined;
  const description = `must be ${SYSTEM_TENANT} in the subject: a ${kind} belongs to no tenant`;
  return AppError.invalid([{ field: 'metadata.tenant', description }]);
}

function checkSize(body: Uint8Array): AppError | undefined {
  if (body.length <= MAX_BODY_BYTES) return undefined;
  const description = `has ${body.length} bytes; must be at most ${MAX_BODY_BYTES}`;
  return AppError.invalid([{ field: '', description }], { reason: 'BODY_TOO_LARGE' });
}

const unknownSubject = (subject: string): AppError =>
  new AppError('UNIMPLEMENTED', `${subject} is no request of this API`, { reason: 'UNKNOWN_VERB' });
