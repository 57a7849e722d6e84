import {
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  type JsonObject,
  type Message,
  type MessageShape,
  protoInt64,
  ScalarType,
  toJsonString,
} from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { err, MAX_LISTED_VIOLATIONS, ok, Problems, type Result } from '@outboard/core';
import { parseJsonText } from './json-text.js';

/** Values (fields, list items, map entries) in one JSON input; more are refused. */
export const MAX_JSON_VALUES = 10_000;

/** Nesting of messages in one JSON input; deeper ones are refused. */
export const MAX_JSON_DEPTH = 32;

/**
 * A message from its JSON form: a text, its UTF-8 bytes, or a JSON value. Every problem is told with its path.
 *
 * Accepts the canonical JSON form of protobuf and nothing more: field names in lowerCamel, 32-bit numbers as numbers,
 * 64-bit numbers as strings or safe integers, enums by name. `null` means absent. Unknown fields are refused.
 */
export function decodeJson<Desc extends DescMessage>(
  schema: Desc,
  input: unknown,
): Result<MessageShape<Desc>, Problems> {
  const problems = new Problems();
  const message = readJson(schema, input, problems);
  return problems.total === 0 ? ok(message) : err(problems);
}

/**
 * As `decodeJson`, adding the problems to `problems`. Always gives a message, so that further rules can be checked on
 * what is well formed; malformed fields are left absent, malformed list items empty.
 */
export function readJson<Desc extends DescMessage>(
  schema: Desc,
  input: unknown,
  problems: Problems,
): MessageShape<Desc> {
  const value =
    typeof input === 'string' || input instanceof Uint8Array ? parseJsonText(input, problems) : input;
  const message = create(schema);
  if (problems.total > 0 && value === undefined) return message;
  const context = { problems, path: [], values: 0 };
  try {
    readerOf(schema)(message, value, context);
  } catch (thrown) {
    if (thrown !== TOO_MANY_VALUES) throw thrown;
    problems.addMalformed('', `must hold at most ${MAX_JSON_VALUES} values`);
  }
  return message;
}

/** The JSON text of a message, in the canonical JSON form of protobuf. */
export const encodeJson = <Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): string =>
  toJsonString(schema, message);

interface Context {
  readonly problems: Problems;
  /** Steps from the root to the value that is being read. */
  readonly path: (string | number)[];
  values: number;
}

const TOO_MANY_VALUES = Symbol('more than MAX_JSON_VALUES values');

/** Stands for a value that was refused; the problem has been told. */
const MALFORMED = Symbol('malformed');

type MessageReader = (message: Message, json: unknown, context: Context) => void;
type ValueReader = (json: unknown, context: Context) => unknown;
type FieldReader = (fields: Record<string, unknown>, json: unknown, context: Context) => void;

const readers = new WeakMap<DescMessage, MessageReader>();

/** Readers are compiled once per message type: decoding is in the path of every intent. */
function readerOf(schema: DescMessage): MessageReader {
  const known = readers.get(schema);
  if (known !== undefined) return known;
  const fields = new Map<string, { readonly read: FieldReader; readonly oneof: DescOneof | undefined }>();
  const reader: MessageReader = (message, json, context) => {
    if (!isObject(json)) return malformed(context, `must be an object, not ${typeName(json)}`);
    if (context.path.length > MAX_JSON_DEPTH) {
      return malformed(context, `is nested deeper than ${MAX_JSON_DEPTH}`);
    }
    const chosen = new Set<DescOneof>();
    for (const key of Object.keys(json)) {
      count(context);
      const field = fields.get(key);
      context.path.push(key);
      if (field === undefined) malformed(context, unknownField(key, schema, context));
      else if (field.oneof !== undefined && chosen.has(field.oneof))
        malformed(context, onlyOneOf(field.oneof));
      else if (json[key] !== null)
        field.read(message as unknown as Record<string, unknown>, json[key], context);
      if (field?.oneof !== undefined) chosen.add(field.oneof);
      context.path.pop();
    }
  };
  // Registered before its fields, so that a message may contain itself.
  readers.set(schema, reader);
  for (const field of schema.fields) {
    fields.set(field.jsonName, { read: fieldReader(field), oneof: field.oneof });
  }
  return reader;
}

function fieldReader(field: DescField): FieldReader {
  const { localName } = field;
  if (field.fieldKind === 'list') return listReader(field);
  if (field.fieldKind === 'map') return mapReader(field);
  const read = valueReader(field);
  const { oneof } = field;
  return (fields, json, context) => {
    const value = read(json, context);
    if (value === MALFORMED) return;
    if (oneof === undefined) fields[localName] = value;
    else fields[oneof.localName] = { case: localName, value };
  };
}

const onlyOneOf = (oneof: DescOneof): string =>
  `only one of ${oneof.fields.map(({ jsonName }) => jsonName).join(', ')} may be set`;

function listReader(field: DescField & { fieldKind: 'list' }): FieldReader {
  const read = valueReader(field);
  const { localName } = field;
  const empty = (): unknown => (field.listKind === 'message' ? create(field.message) : emptyScalar(field));
  return (fields, json, context) => {
    if (!Array.isArray(json)) return malformed(context, `must be a list, not ${typeName(json)}`);
    const items: unknown[] = [];
    for (const [index, item] of json.entries()) {
      count(context);
      context.path.push(index);
      const value = read(item, context);
      // Kept in the list, so that the paths of what follows stay true.
      items.push(value === MALFORMED ? empty() : value);
      context.path.pop();
    }
    fields[localName] = items;
  };
}

function mapReader(field: DescField & { fieldKind: 'map' }): FieldReader {
  if (field.mapKey !== ScalarType.STRING) throw new Error(`${field}: only string keys are supported`);
  const read = valueReader(field);
  const { localName } = field;
  return (fields, json, context) => {
    if (!isObject(json)) return malformed(context, `must be an object, not ${typeName(json)}`);
    const entries: [string, unknown][] = [];
    for (const key of Object.keys(json)) {
      count(context);
      context.path.push(key);
      const value = ILL_FORMED.test(key)
        ? refuse(context, 'must have a key of well-formed Unicode')
        : read(json[key], context);
      if (value !== MALFORMED) entries.push([key, value]);
      context.path.pop();
    }
    // Unlike an assignment, fromEntries makes `__proto__` a key like any other.
    fields[localName] = Object.fromEntries(entries);
  };
}

/** Reads one value that is neither list nor map. `null` inside lists and maps is refused as of the wrong type. */
function valueReader(field: DescField): ValueReader {
  if (field.message?.typeName === STRUCT) return readStruct;
  if (field.message !== undefined) {
    const { message: schema } = field;
    const read = readerOf(schema);
    return (json, context) => {
      const message = create(schema);
      read(message, json, context);
      return isObject(json) ? message : MALFORMED;
    };
  }
  if (field.enum !== undefined) {
    const numbers = new Map(field.enum.values.map(({ name, number }) => [name, number]));
    const rule = `must be one of ${[...numbers.keys()].join(', ')}`;
    return (json, context) =>
      (typeof json === 'string' ? numbers.get(json) : undefined) ?? refuse(context, rule);
  }
  return scalarReader(field.scalar, field);
}

/** Of which the generated code makes plain JSON. */
const STRUCT = 'google.protobuf.Struct';

/** A JSON object that nobody here knows the fields of. */
function readStruct(json: unknown, context: Context): JsonObject | typeof MALFORMED {
  if (!isObject(json)) return refuse(context, `must be an object, not ${typeName(json)}`);
  return checkAnyValue(json, context) ? (json as JsonObject) : MALFORMED;
}

/** Any JSON, within the bounds of every input. */
function checkAnyValue(json: unknown, context: Context): boolean {
  if (typeof json === 'string' && ILL_FORMED.test(json)) {
    malformed(context, 'must be well-formed Unicode');
    return false;
  }
  if (typeof json !== 'object' || json === null) return true;
  if (context.path.length > MAX_JSON_DEPTH) {
    malformed(context, `is nested deeper than ${MAX_JSON_DEPTH}`);
    return false;
  }
  const items: Iterable<readonly [string | number, unknown]> = Array.isArray(json)
    ? json.entries()
    : Object.entries(json);
  let isRight = true;
  for (const [key, value] of items) {
    count(context);
    context.path.push(key);
    const isKey = typeof key === 'number' || !ILL_FORMED.test(key);
    if (!isKey) malformed(context, 'must have a key of well-formed Unicode');
    isRight = isKey && checkAnyValue(value, context) && isRight;
    context.path.pop();
  }
  return isRight;
}

const ILL_FORMED = /\p{Surrogate}/u;

function scalarReader(type: ScalarType | undefined, field: DescField): ValueReader {
  switch (type) {
    case ScalarType.STRING:
      return (json, context) => {
        if (typeof json !== 'string') return refuse(context, `must be a string, not ${typeName(json)}`);
        return ILL_FORMED.test(json) ? refuse(context, 'must be well-formed Unicode') : json;
      };
    case ScalarType.BOOL:
      return (json, context) =>
        typeof json === 'boolean' ? json : refuse(context, `must be true or false, not ${typeName(json)}`);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return integerReader(0, 2 ** 32 - 1);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return integerReader(-(2 ** 31), 2 ** 31 - 1);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return longReader(0n, 2n ** 64n - 1n, (value) => protoInt64.uParse(value));
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return longReader(-(2n ** 63n), 2n ** 63n - 1n, (value) => protoInt64.parse(value));
    case ScalarType.BYTES:
      return (json, context) => {
        if (typeof json !== 'string') {
          return refuse(context, `must be base64 in a string, not ${typeName(json)}`);
        }
        try {
          return base64Decode(json);
        } catch {
          return refuse(context, 'must be base64');
        }
      };
    default:
      throw new Error(`${field}: scalars of type ${type} are not supported`);
  }
}

function integerReader(least: number, greatest: number): ValueReader {
  const rule = `must be a whole number from ${least} to ${greatest}`;
  return (json, context) => {
    if (typeof json !== 'number') return refuse(context, `${rule}, not ${typeName(json)}`);
    return Number.isInteger(json) && json >= least && json <= greatest ? json : refuse(context, rule);
  };
}

function longReader(least: bigint, greatest: bigint, convert: (value: bigint) => bigint): ValueReader {
  const rule = `must be a whole number from ${least} to ${greatest} in a string`;
  return (json, context) => {
    const isNumber = typeof json === 'string' ? /^-?[0-9]{1,20}$/.test(json) : Number.isSafeInteger(json);
    if (!isNumber) return refuse(context, rule);
    const value = BigInt(json as string | number);
    return value >= least && value <= greatest ? convert(value) : refuse(context, rule);
  };
}

/** What stands for a malformed list item that is no message. */
function emptyScalar(field: DescField): unknown {
  switch (field.scalar) {
    case ScalarType.STRING:
      return '';
    case ScalarType.BOOL:
      return false;
    case ScalarType.BYTES:
      return new Uint8Array();
    default:
      return 0;
  }
}

const isObject = (json: unknown): json is Readonly<Record<string, unknown>> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

function typeName(json: unknown): string {
  if (json === null || json === undefined) return 'null';
  if (Array.isArray(json)) return 'a list';
  return typeof json === 'object' ? 'an object' : `a ${typeof json}`;
}

function count(context: Context): void {
  if (++context.values > MAX_JSON_VALUES) throw TOO_MANY_VALUES;
}

function malformed(context: Context, description: string): void {
  context.problems.addMalformed(formatPath(context.path), description);
}

function refuse(context: Context, description: string): typeof MALFORMED {
  malformed(context, description);
  return MALFORMED;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** A path in JSON notation: `spec.addresses[1].ip`, `metadata.labels["app.kubernetes.io/name"]`. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (IDENTIFIER.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step.length > 128 ? `${step.slice(0, 125)}...` : step)}]`;
  }
  return text;
}

/** Looks for what was meant only where the problem will be listed: with thousands of fields it would take long. */
function unknownField(key: string, schema: DescMessage, { problems }: Context): string {
  const rule = `is not a field of ${schema.name}`;
  if (problems.total >= MAX_LISTED_VIOLATIONS) return rule;
  const meant = meantBy(
    key,
    schema.fields.map(({ jsonName }) => jsonName),
  );
  return meant === undefined ? rule : `${rule}; did you mean ${meant}?`;
}

/** The name that was meant by one that is unknown; undefined: it resembles none. */
export const meantBy = (text: string, names: readonly string[]): string | undefined =>
  names.find((name) => resembles(text, name));

/** True for the same letters in another spelling (`mac_address`), or at most two slips of the keyboard. */
function resembles(key: string, name: string): boolean {
  if (Math.abs(key.length - name.length) > 4) return false;
  const plain = key.replaceAll(/[-_]/g, '').toLowerCase();
  const wanted = name.toLowerCase();
  return plain === wanted || editDistance(plain, wanted) <= (wanted.length > 4 ? 2 : 1);
}

/** Levenshtein distance. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
