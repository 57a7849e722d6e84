import { create, fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import {
  type Condition as ConditionMessage,
  ConditionSchema,
  ObjectMetaSchema,
  parseJsonText,
} from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import { CONDITION_TYPES, type Condition, type ConditionStatus } from './conditions.js';
import { oneOf } from './fields.js';
import type { ResourceMessage } from './kind.js';
import { parseMetadata } from './metadata.js';
import { type AnyKind, type AnyResource, apiVersionOf, findKind, KIND_NAMES, kindOf } from './registry.js';

/** A resource in its public JSON form. */
export interface ResourceJson extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
  readonly status: JsonObject;
}

/** The public JSON form of a resource: the body of states, events and answers. */
export function encodeResource(resource: AnyResource): ResourceJson {
  const kind = kindOf(resource);
  return toJson(kind.schema, toMessage(kind, resource)) as ResourceJson;
}

function toMessage(kind: AnyKind, { metadata, spec, status }: AnyResource): ResourceMessage {
  const message = create(kind.schema);
  message.apiVersion = apiVersionOf(kind);
  message.kind = kind.kind;
  message.metadata = create(ObjectMetaSchema, { ...metadata, labels: { ...metadata.labels } });
  message.spec = kind.specToMessage(spec);
  message.status = kind.statusToMessage(status);
  message.status.conditions = status.conditions.map((condition) => create(ConditionSchema, condition));
  return message;
}

/**
 * A resource as one of our services has published it: a JSON text, its bytes or its value. Fields and conditions that
 * are not known are ignored, as the publisher may be newer. INVALID_ARGUMENT tells every problem.
 */
export function decodeResource(input: unknown): Result<AnyResource, AppError> {
  const problems = new Problems();
  const json =
    typeof input === 'string' || input instanceof Uint8Array ? parseJsonText(input, problems) : input;
  const name = (json as { readonly kind?: unknown } | null | undefined)?.kind;
  const kind = typeof name === 'string' ? findKind(name) : undefined;
  if (kind === undefined) {
    problems.add('kind', `must be one of ${KIND_NAMES.join(', ')}`);
    return err(problems.toError());
  }
  let message: ResourceMessage;
  try {
    message = fromJson(kind.schema, json as JsonValue, { ignoreUnknownFields: true });
  } catch (cause) {
    return err(new AppError('INVALID_ARGUMENT', `no ${kind.kind} in JSON form`, { cause }));
  }
  const resource = fromMessage(kind, message, problems);
  return problems.total === 0 && resource !== undefined ? ok(resource) : err(problems.toError());
}

function fromMessage(kind: AnyKind, message: ResourceMessage, problems: Problems): AnyResource | undefined {
  const metadata = parseMetadata(kind, message.metadata, problems);
  const spec = kind.parseSpec(message.spec, problems);
  const status = kind.parseStatus(message.status, problems);
  const conditions = parseConditions(message.status?.conditions ?? []);
  if (metadata === undefined || spec === undefined || status === undefined) return undefined;
  // One kind parsed both, so they belong together; the union of kinds cannot say so.
  return { kind: kind.kind, metadata, spec, status: { ...status, conditions } } as unknown as AnyResource;
}

const parseType = oneOf(CONDITION_TYPES);
const parseStatus = oneOf<ConditionStatus>(['True', 'False', 'Unknown']);

function parseConditions(messages: readonly ConditionMessage[]): Condition[] {
  return messages.flatMap(({ $typeName: _, ...message }) => {
    const type = parseType(message.type);
    const status = parseStatus(message.status);
    return type.ok && status.ok ? [{ ...message, type: type.value, status: status.value }] : [];
  });
}
