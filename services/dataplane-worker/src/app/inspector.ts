import { create, type JsonObject } from '@bufbuild/protobuf';
import type { Endpoint, Message, Received } from '@outboard/bus';
import {
  decodeBinary,
  encodeBinary,
  encodeJson,
  type InspectRequest,
  InspectRequestSchema,
  InspectResponseSchema,
  type Layer1Object,
  Layer1ObjectSchema,
  MAX_BODY_BYTES,
  parseDpuSubject,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { Claim, DataplaneEngine, InspectedObject, InspectQuery } from '@outboard/dataplane';

/** Objects of one page, whatever is asked for. */
const MAX_PAGE_SIZE = 500;
/** Claims that are told of one object. */
const MAX_CLAIMS = 8;
/** Bytes that the framing of one object takes at most, and those of a page besides objects. */
const OBJECT_OVERHEAD = 8;
const PAGE_OVERHEAD = 256;

/** Shows each owner what has become of its document: requests on `dpu.<dpu>.inspect.<owner>`. */
export class Inspector {
  constructor(
    private readonly dpu: string,
    private readonly owners: readonly string[],
    private readonly engine: Pick<DataplaneEngine, 'inspect'>,
  ) {}

  get endpoints(): readonly Endpoint[] {
    return this.owners.map((owner) => ({
      name: `inspect-${owner}`,
      subject: subjects.dpu(this.dpu, 'inspect', owner),
      handle: async (request) => this.#inspect(request),
    }));
  }

  #inspect({ subject, body }: Received): Result<Message, AppError> {
    const request = decodeBinary(InspectRequestSchema, body);
    if (!request.ok) return request;
    const { type, after, pageSize } = request.value;
    const isMine = claimChoice(parseDpuSubject(subject)?.owner ?? '', request.value.tenant);
    const limit = Math.min(Math.max(pageSize, 1), MAX_PAGE_SIZE);
    try {
      const matches = matcherOf(request.value, isMine);
      return ok(pageOf(this.engine.inspect({ type, after, limit, matches }), isMine));
    } catch (failure) {
      if (failure instanceof AppError) return err(failure);
      throw failure;
    }
  }
}

const claimChoice =
  (owner: string, tenant: string) =>
  (claim: Claim): boolean =>
    claim.owner === owner && (tenant === '' || claim.source.tenant === tenant);

/** What nobody wants any more is shown to those who may see everything. */
function matcherOf(
  { tenant, requirements }: InspectRequest,
  isMine: (claim: Claim) => boolean,
): InspectQuery['matches'] {
  return ({ state, claims }) => {
    const mine = claims.filter(isMine);
    if (mine.length === 0 && (tenant !== '' || claims.length > 0)) return false;
    return requirements.every(({ field, value, equal }) => {
      const values = field === 'state' ? [state] : mine.map((claim) => claimField(claim, field));
      return values.includes(value) === equal;
    });
  };
}

function claimField({ owner, source }: Claim, field: string): string {
  switch (field) {
    case 'owner':
      return owner;
    case 'source.kind':
      return source.kind;
    case 'source.tenant':
      return source.tenant;
    case 'source.name':
      return source.name;
    default:
      throw AppError.invalid([{ field: 'requirements', description: `nothing is called ${field}` }]);
  }
}

/** As many of the objects as a message can carry, also as the JSON that its receiver passes on. */
function pageOf(
  page: { readonly objects: readonly InspectedObject[]; readonly more: boolean },
  isMine: (claim: Claim) => boolean,
): Message {
  const objects: Layer1Object[] = [];
  let bytes = PAGE_OVERHEAD;
  for (const inspected of page.objects) {
    const object = objectOf(inspected, isMine);
    bytes += Buffer.byteLength(encodeJson(Layer1ObjectSchema, object)) + OBJECT_OVERHEAD;
    if (bytes > MAX_BODY_BYTES && objects.length > 0) break;
    objects.push(object);
  }
  const more = page.more || objects.length < page.objects.length;
  const response = create(InspectResponseSchema, { objects, more });
  return { headers: {}, body: encodeBinary(InspectResponseSchema, response) };
}

function objectOf(
  { key, type, state, message, wanted, observed, offload, claims }: InspectedObject,
  isMine: (claim: Claim) => boolean,
): Layer1Object {
  const mine = claims.filter(isMine);
  return create(Layer1ObjectSchema, {
    key,
    type,
    state,
    message,
    ...(wanted && { wanted: plain(wanted) }),
    ...(observed && { observed: plain(observed) }),
    ...(offload && { offload }),
    claims: mine.slice(0, MAX_CLAIMS).map(({ owner, key: object, source }) => ({ owner, object, source })),
    claimTotal: mine.length,
  });
}

/** What is foreign may lack fields: JSON has no undefined. */
const plain = (attributes: object): JsonObject => JSON.parse(JSON.stringify(attributes));
