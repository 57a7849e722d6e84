import { meantBy, parseJsonText, type ResourceAddress, readJson } from '@outboard/contracts';
import { type AppError, err, ok, Problems, type Result } from '@outboard/core';
import { parseIntentMetadata } from './metadata.js';
import {
  type AnyIntent,
  type AnyKind,
  type AnyResource,
  apiVersionOf,
  findKind,
  findKindByToken,
  KIND_NAMES,
  kindOf,
} from './registry.js';

/**
 * An intent from its JSON form: a text, its UTF-8 bytes or a JSON value. Every problem is told: of the JSON and of the
 * rules of the kind. `status` and `metadata.generation` are ignored, so that what was read can be sent back.
 *
 * @param address from the subject that it arrived on: the body must agree, and may leave out what is there.
 */
export function parseManifest(input: unknown, address?: ResourceAddress): Result<AnyIntent, AppError> {
  const problems = new Problems();
  const json =
    typeof input === 'string' || input instanceof Uint8Array ? parseJsonText(input, problems) : input;
  if (problems.total > 0) return err(problems.toError());
  const intent = parseIntent(json, address, problems);
  return problems.total === 0 && intent !== undefined ? ok(intent) : err(problems.toError());
}

function parseIntent(
  json: unknown,
  address: ResourceAddress | undefined,
  problems: Problems,
): AnyIntent | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    problems.addMalformed('', 'must be an object');
    return undefined;
  }
  const { status: _, ...manifest } = json as Readonly<Record<string, unknown>>;
  const kind = kindFor(manifest.kind, address, problems);
  if (kind === undefined) return undefined;
  const message = readJson(kind.schema, manifest, problems);
  const apiVersion = apiVersionOf(kind);
  if (message.apiVersion === '') problems.add('apiVersion', `is required: ${apiVersion}`);
  else if (message.apiVersion !== apiVersion) problems.add('apiVersion', `must be ${apiVersion}`);
  const metadata = parseIntentMetadata(kind, message.metadata, address, problems);
  const spec = kind.parseSpec(message.spec, problems);
  if (metadata === undefined || spec === undefined) return undefined;
  return { kind: kind.kind, metadata, spec } as AnyIntent;
}

/** The kind that a manifest names, which must be the subject's; undefined: it names none, the problem is told. */
function kindFor(
  name: unknown,
  address: ResourceAddress | undefined,
  problems: Problems,
): AnyKind | undefined {
  const named = typeof name === 'string' ? findKind(name) : undefined;
  const expected = address && findKindByToken(address.kind);
  if (expected !== undefined && expected.api === address?.api) {
    if (named !== expected) problems.addMalformed('kind', `must be ${expected.kind}, as in the subject`);
    return expected;
  }
  if (address !== undefined) {
    problems.addMalformed('kind', `${address.api}.${address.kind} in the subject is no known kind`);
    return undefined;
  }
  if (named === undefined) {
    const given = name === undefined || name === '' ? 'is required' : 'is unknown';
    const meant = typeof name === 'string' ? meantBy(name, KIND_NAMES) : undefined;
    const rule = meant === undefined ? `must be one of ${KIND_NAMES.join(', ')}` : `did you mean ${meant}?`;
    problems.addMalformed('kind', `${given}; ${rule}`);
  }
  return named;
}

/** What an update breaks: fields that cannot change, and the kind's own rules. Undefined: nothing. */
export function checkUpdate(before: AnyResource, after: AnyIntent): AppError | undefined {
  const kind = kindOf(before);
  const problems = new Problems();
  for (const { field, read } of kind.immutable) {
    const was = read(before.spec);
    if (read(after.spec) !== was) problems.add(field, `cannot change; it is ${was ?? 'absent'}`);
  }
  kind.checkUpdate?.(before, after.spec, problems);
  return problems.total === 0 ? undefined : problems.toError({ reason: 'IMMUTABLE_FIELD' });
}
