import { create } from '@bufbuild/protobuf';
import { formatPath, type ObjectMeta, ObjectMetaSchema, type ResourceAddress } from '@outboard/contracts';
import { err, ok, type Problems } from '@outboard/core';
import { optional, required } from './fields.js';
import type { AnyKind } from './registry.js';
import type { IntentMetadata, Metadata } from './resource.js';
import {
  type Labels,
  labelKeyProblem,
  labelValueProblem,
  MAX_LABELS,
  type Parser,
  parseName,
  parseTenantName,
  parseUid,
  SYSTEM_TENANT,
  type TenantName,
} from './values.js';

const parseResourceVersion: Parser<string, string> = (text) =>
  /^[!-~]{1,64}$/.test(text) ? ok(text) : err('must be a resourceVersion as it was read');

/**
 * Metadata of an input. `generation` is output only and ignored; `uid` and `resourceVersion` are preconditions. What is
 * absent is taken from the subject (`address`), and what is there must agree with it.
 */
export function parseIntentMetadata(
  kind: AnyKind,
  message: ObjectMeta = create(ObjectMetaSchema),
  address: ResourceAddress | undefined,
  problems: Problems,
): IntentMetadata | undefined {
  const tenant = parseTenant(kind, agreed(message.tenant, address?.tenant, 'tenant', problems), problems);
  const givenName = agreed(message.name, address?.name, 'name', problems);
  const name = required(problems, 'metadata.name', givenName, parseName);
  const labels = parseLabels(message.labels, problems);
  const uid = optional(problems, 'metadata.uid', message.uid, parseUid);
  const resourceVersion = optional(
    problems,
    'metadata.resourceVersion',
    message.resourceVersion,
    parseResourceVersion,
  );
  if (tenant === undefined || name === undefined) return undefined;
  return { tenant, name, labels, uid, resourceVersion };
}

/** Metadata of a resource that one of our services has written. */
export function parseMetadata(
  kind: AnyKind,
  message: ObjectMeta = create(ObjectMetaSchema),
  problems: Problems,
): Metadata | undefined {
  const tenant = parseTenant(kind, message.tenant, problems);
  const name = required(problems, 'metadata.name', message.name, parseName);
  const uid = required(problems, 'metadata.uid', message.uid, parseUid);
  const labels = parseLabels(message.labels, problems);
  if (tenant === undefined || name === undefined || uid === undefined) return undefined;
  const { generation, resourceVersion } = message;
  return { tenant, name, uid, labels, generation, resourceVersion };
}

function agreed(given: string, fromSubject: string | undefined, field: string, problems: Problems): string {
  if (fromSubject === undefined || given === fromSubject) return given;
  if (given !== '') problems.add(`metadata.${field}`, `must be ${fromSubject}, as in the subject`);
  return fromSubject;
}

function parseTenant(kind: AnyKind, text: string, problems: Problems): TenantName | undefined {
  const field = 'metadata.tenant';
  if (kind.scope === 'tenant') return required(problems, field, text, parseTenantName);
  if (text !== '' && text !== SYSTEM_TENANT) {
    problems.add(field, `must be ${SYSTEM_TENANT} or absent: a ${kind.kind} belongs to no tenant`);
  }
  return SYSTEM_TENANT;
}

function parseLabels(labels: Labels, problems: Problems): Labels {
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) {
    problems.add('metadata.labels', `must have at most ${MAX_LABELS} entries, not ${entries.length}`);
  }
  for (const [key, value] of entries) {
    const problem = labelKeyProblem(key) ?? labelValueProblem(value);
    if (problem !== undefined) problems.add(formatPath(['metadata', 'labels', key]), problem);
  }
  return labels;
}
