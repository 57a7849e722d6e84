import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Bus, Message, Received } from '@outboard/bus';
import {
  CountersRequestSchema,
  type CountersResponse,
  CountersResponseSchema,
  decodeBinary,
  decodeJson,
  encodeBinary,
  encodeJson,
  ListHopCountersResponseSchema,
  ListRuleCountersRequestSchema,
  ListRuleCountersResponseSchema,
  MAX_BODY_BYTES,
  parseRequestSubject,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import { type Name, parseName } from '@outboard/model';

/** The worker may answer what it is asked for two seconds: then its server forgets that it may. */
const DEADLINE_MILLISECONDS = 1_500;
const DEFAULT_PAGE_SIZE = 32;
/** DPUs that are asked at once. */
const MAX_PAGE_SIZE = 100;

/** A policy or a chain, and the DPUs that have it, in the order of their names. */
export interface CountedPlaces {
  readonly uid: string;
  readonly dpus: readonly Name[];
  /** Of a chain. */
  readonly hops?: readonly string[];
}

/** What is counted of a kind, and how it is told. */
interface Counted {
  readonly kind: 'SecurityPolicy' | 'ServiceChain';
  questionOf(places: CountedPlaces): MessageInitShape<typeof CountersRequestSchema>;
  textOf(items: readonly DpuCounters[], nextPageToken: string): string;
}

interface DpuCounters extends Partial<Pick<CountersResponse, 'rules' | 'hops'>> {
  readonly dpu: string;
  readonly message?: string;
}

export const RULES: Counted = {
  kind: 'SecurityPolicy',
  questionOf: ({ uid: policyUid }) => ({ policyUid }),
  textOf: (items, nextPageToken) =>
    encodeJson(
      ListRuleCountersResponseSchema,
      create(ListRuleCountersResponseSchema, {
        items: items.map(({ dpu, rules = [], message = '' }) => ({ dpu, rules, message })),
        nextPageToken,
      }),
    ),
};

export const HOPS: Counted = {
  kind: 'ServiceChain',
  questionOf: ({ uid: chainUid, hops = [] }) => ({ chainUid, hops: [...hops] }),
  textOf: (items, nextPageToken) =>
    encodeJson(
      ListHopCountersResponseSchema,
      create(ListHopCountersResponseSchema, {
        items: items.map(({ dpu, hops = [], message = '' }) => ({ dpu, hops, message })),
        nextPageToken,
      }),
    ),
};

/** `rpc.<tenant>.network.<kind>.counters`: what the workers have counted of a policy's rules, or of a chain's hops. */
export class Counters {
  constructor(
    private readonly bus: Bus,
    private readonly counted: Counted,
    private readonly placesOf: (tenant: string, name: Name) => Promise<CountedPlaces | undefined>,
  ) {}

  async list({ subject, body }: Received): Promise<Result<Message, AppError>> {
    const { tenant = '' } = parseRequestSubject(subject) ?? {};
    const query = parseQuery(body);
    if (!query.ok) return query;
    const { name, after, pageSize } = query.value;
    const places = await this.placesOf(tenant, name);
    if (places === undefined)
      return err(
        new AppError('NOT_FOUND', `no ${this.counted.kind} ${tenant}/${name}`, { reason: 'NOT_FOUND' }),
      );
    const left = places.dpus.filter((dpu) => dpu > after);
    const page = left.slice(0, pageSize);
    const items = await Promise.all(page.map((dpu) => this.#ask(dpu, places)));
    const nextPageToken = left.length > page.length ? (page.at(-1) ?? '') : '';
    return ok({ headers: {}, body: Buffer.from(this.counted.textOf(items, nextPageToken)) });
  }

  async #ask(dpu: Name, places: CountedPlaces): Promise<DpuCounters> {
    const request = create(CountersRequestSchema, this.counted.questionOf(places));
    const reply = await this.bus.request(
      subjects.dpu(dpu, 'counters', 'network'),
      { headers: {}, body: encodeBinary(CountersRequestSchema, request) },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    const counted = reply.ok ? decodeBinary(CountersResponseSchema, reply.value.body) : reply;
    return counted.ok
      ? { dpu, ...counted.value }
      : { dpu, message: `the worker does not tell: ${counted.error.message}` };
  }
}

function parseQuery(body: Uint8Array): Result<{ name: Name; after: string; pageSize: number }, AppError> {
  if (body.length > MAX_BODY_BYTES) {
    const description = `has ${body.length} bytes; must be at most ${MAX_BODY_BYTES}`;
    return err(AppError.invalid([{ field: '', description }], { reason: 'BODY_TOO_LARGE' }));
  }
  const request = decodeJson(ListRuleCountersRequestSchema, body);
  if (!request.ok) return err(request.error.toError());
  const { pageSize, pageToken } = request.value;
  const problems = new Problems();
  const name = parseName(request.value.name);
  if (!name.ok) problems.add('name', name.error);
  if (pageSize > MAX_PAGE_SIZE) problems.add('pageSize', `must be 1-${MAX_PAGE_SIZE}`);
  if (pageToken !== '' && !parseName(pageToken).ok)
    problems.add('pageToken', 'must be a page token of this list, as it was given');
  if (!name.ok || problems.total > 0) return err(problems.toError());
  return ok({ name: name.value, after: pageToken, pageSize: pageSize || DEFAULT_PAGE_SIZE });
}
