import { createRequire } from 'node:module';
import { AppError, err, type FieldViolation, ok, Problems, type Result } from '@outboard/core';
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { bounded } from './bounded.js';

const MAX_SCHEMA_BYTES = 65_536;
const MAX_DEPTH = 32;
/** Of wall-clock time: generous, for a machine that has much else to do. */
const COMPILE_MILLISECONDS = 2_000;
const VALIDATE_MILLISECONDS = 500;

/** A schema that values can be held against. */
export interface Schema {
  /**
   * What is wrong with a value, at paths below `root`; empty: nothing. A schema that takes too long to say so is a
   * problem of its own. At most 100 are listed.
   */
  problemsOf(value: unknown, root?: string): readonly FieldViolation[];
}

/**
 * A JSON Schema (2020-12) of somebody who is not trusted. It is bounded in size, nesting and time, refers to nothing
 * outside itself, and uses no keyword that is unknown. INVALID_ARGUMENT tells what is wrong with it, at paths below `root`.
 */
export function compileSchema(schema: unknown, root = ''): Result<Schema, AppError> {
  const problems = new Problems();
  checkBounds(schema, root, problems);
  if (problems.total > 0) return err(problems.toError());
  const compiler = loadCompiler();
  try {
    const validate = bounded(COMPILE_MILLISECONDS, () => compile(schema, compiler));
    return ok({ problemsOf: (value, path = '') => problemsOf(validate, value, path) });
  } catch (failure) {
    const message = failure instanceof Error ? failure.message : String(failure);
    return err(AppError.invalid([{ field: root, description: `is no schema that can be used: ${message}` }]));
  }
}

const OPTIONS = { strictTypes: false, strictRequired: false, allErrors: true, logger: false } as const;

interface Compiler {
  readonly library: typeof import('ajv/dist/2020.js');
  /** Of the meta-schema, which takes longer than most schemas, one for all. */
  readonly checker: Ajv2020;
}

let loaded: Compiler | undefined;

/**
 * Loaded with the first schema: it takes 9 MiB, and most DPUs never see one. Nothing bounds its time, however busy the machine
 * is: a module whose loading is broken off stays half loaded, and a meta-schema half compiled, for as long as the process lives.
 */
function loadCompiler(): Compiler {
  if (loaded) return loaded;
  const library = createRequire(import.meta.url)('ajv/dist/2020.js') as Compiler['library'];
  const checker = new library.Ajv2020(OPTIONS);
  checker.validateSchema({});
  loaded = { library, checker };
  return loaded;
}

/** A compiler of its own for each schema: what one of them names is nothing to another. */
function compile(schema: unknown, { library, checker }: Compiler): ValidateFunction {
  if (!checker.validateSchema(schema as object))
    throw new Error(checker.errorsText(checker.errors, { dataVar: 'it' }));
  const ajv = new library.Ajv2020({
    ...OPTIONS,
    meta: false,
    validateSchema: false,
    // Formats are remarks (JSON Schema 2020-12, 7.2.1): their regular expressions are not needed.
    validateFormats: false,
  });
  const found = ajv.compile(schema as object);
  if ('$async' in found) throw new Error('it must not be asynchronous');
  return found;
}

function checkBounds(schema: unknown, root: string, problems: Problems): void {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    problems.add(root, 'must be an object');
    return;
  }
  if (depthOf(schema, 0) > MAX_DEPTH) {
    problems.add(root, `must not be nested deeper than ${MAX_DEPTH}`);
    return;
  }
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > MAX_SCHEMA_BYTES)
    problems.add(root, `must have at most ${MAX_SCHEMA_BYTES} bytes, not ${bytes}`);
}

function depthOf(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return depth;
  let deepest = depth;
  for (const each of Object.values(value)) deepest = Math.max(deepest, depthOf(each, depth + 1));
  return deepest;
}

function problemsOf(validate: ValidateFunction, value: unknown, root: string): readonly FieldViolation[] {
  try {
    const isValid = bounded(VALIDATE_MILLISECONDS, () => validate(value));
    if (isValid) return [];
  } catch (failure) {
    const message = failure instanceof Error ? failure.message : String(failure);
    return [{ field: root, description: `cannot be held against the schema: ${message}` }];
  }
  const problems = new Problems();
  for (const error of validate.errors ?? []) problems.add(pathOf(error, root), descriptionOf(error));
  return problems.violations;
}

/** From a JSON pointer (RFC 6901) to a path such as `spec.rules[0].port`. */
function pathOf({ instancePath, keyword, params }: ErrorObject, root: string): string {
  const steps = instancePath.split('/').slice(1);
  const named = keyword === 'additionalProperties' ? (params as { additionalProperty?: string }) : {};
  if (named.additionalProperty !== undefined) steps.push(named.additionalProperty);
  return steps
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, step) => {
      if (/^\d+$/.test(step)) return `${path}[${step}]`;
      if (/^[A-Za-z_]\w*$/.test(step)) return path === '' ? step : `${path}.${step}`;
      return `${path}[${JSON.stringify(step.slice(0, 128))}]`;
    }, root);
}

function descriptionOf({ keyword, message = 'does not fit', params }: ErrorObject): string {
  if (keyword === 'additionalProperties') return 'is not a property that the schema knows';
  const allowed = keyword === 'enum' ? (params as { allowedValues?: unknown }).allowedValues : undefined;
  return allowed === undefined
    ? message
    : `must be one of ${JSON.stringify(allowed).slice(1, -1).slice(0, 200)}`;
}
