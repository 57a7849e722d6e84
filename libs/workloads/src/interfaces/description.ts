import { isLabel, LABEL_RULE } from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import { compileSchema, type Schema } from '@outboard/json-schema';
import { isJsonObject, type JsonObject } from '../json.js';

export const MAX_DESCRIPTION_BYTES = 65_536;
const MAX_INTERFACES = 16;
const MAX_METHODS = 64;
/** semver.org, version 2. */
const VERSION =
  /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$/;

/** An interface as a CNF describes it, with its schemas ready to be used. */
export interface InterfaceDescription {
  readonly name: string;
  readonly version: string;
  readonly methods: readonly MethodDescription[];
  /** Undefined: it takes no configuration. */
  readonly configuration: DescribedSchema | undefined;
  /** Text of a YANG module; empty: none. */
  readonly yang: string;
}

export interface MethodDescription {
  readonly name: string;
  /** Undefined: anything. */
  readonly request: DescribedSchema | undefined;
  readonly response: DescribedSchema | undefined;
}

export interface DescribedSchema {
  readonly document: JsonObject;
  readonly schema: Schema;
}

/** Reads what a CNF answers on `GET /interfaces`. INVALID_ARGUMENT tells everything that is wrong with it. */
export function parseDescriptions(json: unknown): Result<readonly InterfaceDescription[], AppError> {
  const problems = new Problems();
  const list = isJsonObject(json) && Array.isArray(json.interfaces) ? json.interfaces : undefined;
  if (list === undefined) {
    problems.add('interfaces', 'must be a list');
    return err(problems.toError());
  }
  if (list.length > MAX_INTERFACES) {
    problems.add('interfaces', `must have at most ${MAX_INTERFACES} items, not ${list.length}`);
    return err(problems.toError());
  }
  const parsed = list.map((each, index) => parseInterface(each, `interfaces[${index}]`, problems));
  checkDistinct(parsed, 'interfaces', problems);
  return problems.total === 0 ? ok(parsed) : err(problems.toError());
}

function parseInterface(json: unknown, path: string, problems: Problems): InterfaceDescription {
  const fields = objectAt(json, path, problems);
  const version = typeof fields.version === 'string' ? fields.version : '';
  if (!VERSION.test(version)) problems.add(`${path}.version`, 'must be a semantic version such as 1.0.0');
  const list = fields.methods === undefined ? [] : fields.methods;
  const methods = Array.isArray(list) ? list : [];
  if (!Array.isArray(list)) problems.add(`${path}.methods`, 'must be a list');
  if (methods.length > MAX_METHODS)
    problems.add(`${path}.methods`, `must have at most ${MAX_METHODS} items, not ${methods.length}`);
  const parsed = methods
    .slice(0, MAX_METHODS)
    .map((each, index) => parseMethod(each, `${path}.methods[${index}]`, problems));
  checkDistinct(parsed, `${path}.methods`, problems);
  if (fields.yang !== undefined && typeof fields.yang !== 'string')
    problems.add(`${path}.yang`, 'must be a string');
  return {
    name: labelAt(fields.name, `${path}.name`, problems),
    version,
    methods: parsed,
    configuration: schemaAt(fields.configuration, `${path}.configuration`, problems),
    yang: typeof fields.yang === 'string' ? fields.yang : '',
  };
}

function parseMethod(json: unknown, path: string, problems: Problems): MethodDescription {
  const fields = objectAt(json, path, problems);
  return {
    name: labelAt(fields.name, `${path}.name`, problems),
    request: schemaAt(fields.request, `${path}.request`, problems),
    response: schemaAt(fields.response, `${path}.response`, problems),
  };
}

function objectAt(json: unknown, path: string, problems: Problems): JsonObject {
  if (isJsonObject(json)) return json;
  problems.addMalformed(path, 'must be an object');
  return {};
}

function labelAt(value: unknown, path: string, problems: Problems): string {
  const text = typeof value === 'string' ? value : '';
  if (!isLabel(text)) problems.add(path, LABEL_RULE);
  return text;
}

function schemaAt(value: unknown, path: string, problems: Problems): DescribedSchema | undefined {
  if (value === undefined) return undefined;
  const schema = compileSchema(value, path);
  if (schema.ok) return { document: value as JsonObject, schema: schema.value };
  for (const { field, description } of schema.error.violations) problems.add(field, description);
  return undefined;
}

function checkDistinct(named: readonly { readonly name: string }[], path: string, problems: Problems): void {
  const seen = new Set<string>();
  for (const [index, { name }] of named.entries()) {
    if (seen.has(name)) problems.add(`${path}[${index}].name`, 'must be given once');
    seen.add(name);
  }
}

/** Violations of a schema by what a caller or a CNF has sent. */
export function checkAgainst(
  described: DescribedSchema | undefined,
  value: unknown,
  root: string,
): AppError | undefined {
  const violations = described?.schema.problemsOf(value, root) ?? [];
  return violations.length === 0 ? undefined : AppError.invalid(violations, { reason: 'SCHEMA_MISMATCH' });
}
