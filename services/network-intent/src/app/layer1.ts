import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import type { Bus, Message, Received } from '@outboard/bus';
import {
  decodeBinary,
  decodeJson,
  encodeBinary,
  encodeJson,
  InspectRequestSchema,
  InspectResponseSchema,
  type ListLayer1Request,
  ListLayer1RequestSchema,
  ListLayer1ResponseSchema,
  MAX_BODY_BYTES,
  parseRequestSubject,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import { type Name, parseName, parseSelector, type Requirement, SYSTEM_TENANT } from '@outboard/model';

/** The worker may answer what it is asked for two seconds: then its server forgets that it may. */
const DEADLINE_MILLISECONDS = 1_500;
const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 500;
const MAX_TYPE_LENGTH = 63;
/** Longer than any key of a driver's object, encoded. */
const MAX_TOKEN_LENGTH = 2048;
const FIELDS = ['state', 'owner', 'source.kind', 'source.tenant', 'source.name'];

const RULE = 'must be a page token of this list, as it was given';

/** Everything that a page is asked for, parsed. */
interface Layer1Query {
  readonly dpu: Name;
  readonly type: string;
  readonly requirements: readonly Requirement[];
  readonly after: string;
  readonly pageSize: number;
  /** Of the question: a token is good for the very same one only. */
  readonly print: string;
}

/**
 * `rpc.<tenant>.network.layer1.list`: what has become of this service's documents, as the DPU's worker tells it. A tenant
 * gets what its own intents want; `_`, which no tenant may send to, asks for everything.
 */
export class Layer1 {
  constructor(
    private readonly bus: Bus,
    private readonly knowsDpu: (dpu: Name) => Promise<boolean>,
  ) {}

  async list({ subject, body }: Received): Promise<Result<Message, AppError>> {
    const { tenant = '' } = parseRequestSubject(subject) ?? {};
    const query = parseQuery(tenant, body);
    if (!query.ok) return query;
    const { dpu, type, requirements, after, pageSize, print } = query.value;
    if (!(await this.knowsDpu(dpu))) {
      return err(new AppError('NOT_FOUND', `no Dpu ${dpu}`, { reason: 'NOT_FOUND' }));
    }
    const request = create(InspectRequestSchema, {
      type,
      tenant: tenant === SYSTEM_TENANT ? '' : tenant,
      requirements: requirements.map(({ key, value, equal }) => ({ field: key, value, equal })),
      after,
      pageSize,
    });
    const reply = await this.bus.request(
      subjects.dpu(dpu, 'inspect', 'network'),
      { headers: {}, body: encodeBinary(InspectRequestSchema, request) },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    if (!reply.ok) return err(failureOf(dpu, reply.error));
    const page = decodeBinary(InspectResponseSchema, reply.value.body);
    if (!page.ok) return page;
    const { objects: items, more } = page.value;
    const last = more ? items.at(-1)?.key : undefined;
    const nextPageToken = last === undefined ? '' : tokenOf(print, last);
    const response = create(ListLayer1ResponseSchema, { items, nextPageToken });
    return ok({ headers: {}, body: Buffer.from(encodeJson(ListLayer1ResponseSchema, response)) });
  }
}

function parseQuery(tenant: string, body: Uint8Array): Result<Layer1Query, AppError> {
  if (body.length > MAX_BODY_BYTES) {
    const description = `has ${body.length} bytes; must be at most ${MAX_BODY_BYTES}`;
    return err(AppError.invalid([{ field: '', description }], { reason: 'BODY_TOO_LARGE' }));
  }
  const request = decodeJson(ListLayer1RequestSchema, body);
  if (!request.ok) return err(request.error.toError());
  const { dpu, type, pageSize, pageToken, fieldSelector } = request.value;
  const print = fingerprint(tenant, request.value);
  const problems = new Problems();
  const name = parseName(dpu);
  if (!name.ok) problems.add('dpu', name.error);
  if (type.length > MAX_TYPE_LENGTH) problems.add('type', `must be at most ${MAX_TYPE_LENGTH} characters`);
  if (pageSize > MAX_PAGE_SIZE) problems.add('pageSize', `must be 1-${MAX_PAGE_SIZE}`);
  const requirements = parseSelector(FIELDS, fieldSelector);
  if (!requirements.ok) problems.add('fieldSelector', requirements.error);
  const after = pageToken === '' ? '' : keyIn(pageToken, print);
  if (after === undefined) problems.add('pageToken', RULE);
  if (!name.ok || !requirements.ok || after === undefined || problems.total > 0) {
    return err(problems.toError());
  }
  const size = pageSize === 0 ? DEFAULT_PAGE_SIZE : pageSize;
  return ok({ dpu: name.value, type, requirements: requirements.value, after, pageSize: size, print });
}

function fingerprint(tenant: string, { dpu, type, fieldSelector }: ListLayer1Request): string {
  const text = JSON.stringify([tenant, dpu, type, fieldSelector]);
  return createHash('sha256').update(text).digest().subarray(0, 8).toString('base64url');
}

const tokenOf = (print: string, key: string): string => `${print}.${Buffer.from(key).toString('base64url')}`;

/** The key in a token; undefined for a token of another question. */
function keyIn(token: string, print: string): string | undefined {
  if (token.length > MAX_TOKEN_LENGTH || !token.startsWith(`${print}.`)) return undefined;
  return Buffer.from(token.slice(print.length + 1), 'base64url').toString();
}

/** A worker's refusal is about the request; everything else means that it cannot be asked now. */
function failureOf(dpu: Name, error: AppError): AppError {
  if (error.code === 'INVALID_ARGUMENT') return error;
  return new AppError('UNAVAILABLE', `the worker of ${dpu} does not answer: ${error.message}`, {
    reason: 'WORKER_UNAVAILABLE',
    metadata: { dpu },
  });
}
