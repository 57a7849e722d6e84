import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { MAX_BODY_BYTES } from '@outboard/contracts';
import { AppError, err, type FieldViolation, MAX_LISTED_VIOLATIONS, ok, type Result } from '@outboard/core';
import { type AnyKind, findKind, parseManifest } from '@outboard/model';
import { parseAllDocuments } from 'yaml';

/** One resource as it stands in a file. */
export interface Manifest {
  readonly kind: AnyKind;
  readonly tenant: string;
  readonly name: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** File and number of the document in it, for messages. */
  readonly source: string;
}

const EXTENSIONS = ['.yaml', '.yml', '.json'];
/** Bytes of one file. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** Resources of one call. */
const MAX_MANIFESTS = 100_000;

/**
 * The resources of files, folders (their YAML and JSON files, in the order of their names) and standard input (`-`).
 * Every problem of every document is told at once, and nothing is sent when there is one.
 *
 * @param defaultTenant for resources that name none.
 */
export function readManifests(
  paths: readonly string[],
  defaultTenant: string | undefined,
): Result<Manifest[], AppError> {
  const manifests: Manifest[] = [];
  const violations: FieldViolation[] = [];
  let total = 0;
  const tell = (source: string, found: readonly FieldViolation[], count = found.length): void => {
    total += count;
    for (const { field, description } of found) {
      if (violations.length < MAX_LISTED_VIOLATIONS)
        violations.push({ field: `${source}: ${field}`, description });
    }
  };
  for (const path of paths.flatMap(filesAt)) {
    const text = readText(path);
    if (!text.ok) return text;
    for (const [index, document] of parseAllDocuments(text.value).entries()) {
      const source = `${path}[${index}]`;
      if (document.errors.length > 0) {
        tell(
          source,
          document.errors.map(({ message }) => ({ field: '', description: message.split('\n')[0] ?? '' })),
        );
        continue;
      }
      const content = withTenant(document.toJS({ maxAliasCount: 100 }) as unknown, defaultTenant);
      // An empty document, as behind a trailing `---`.
      if (content === null || content === undefined) continue;
      const manifest = check(content, source);
      if (manifest.ok) manifests.push(manifest.value);
      else tell(source, manifest.error.violations, manifest.error.violationTotal);
      if (manifests.length > MAX_MANIFESTS) {
        return err(
          AppError.invalid([{ field: path, description: `must be at most ${MAX_MANIFESTS} resources` }]),
        );
      }
    }
  }
  if (total > 0) return err(AppError.invalid(violations, { violationTotal: total }));
  return ok(manifests);
}

function check(content: unknown, source: string): Result<Manifest, AppError> {
  const parsed = parseManifest(content);
  if (!parsed.ok) return parsed;
  const bytes = Buffer.byteLength(JSON.stringify(content));
  if (bytes > MAX_BODY_BYTES) {
    const description = `has ${bytes} bytes; must be at most ${MAX_BODY_BYTES}`;
    return err(AppError.invalid([{ field: '', description }]));
  }
  const { kind, metadata } = parsed.value;
  return ok({
    kind: findKind(kind) as AnyKind,
    tenant: metadata.tenant,
    name: metadata.name,
    content: content as Record<string, unknown>,
    source,
  });
}

function withTenant(content: unknown, tenant: string | undefined): unknown {
  if (tenant === undefined || typeof content !== 'object' || content === null) return content;
  const { metadata, kind } = content as { metadata?: unknown; kind?: unknown };
  if (typeof metadata !== 'object' || metadata === null || 'tenant' in metadata) return content;
  if (typeof kind === 'string' && findKind(kind)?.scope === 'system') return content;
  return { ...content, metadata: { tenant, ...metadata } };
}

function filesAt(path: string): readonly string[] {
  if (path === '-' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => EXTENSIONS.includes(extname(name)))
    .sort()
    .map((name) => join(path, name));
}

function readText(path: string): Result<string, AppError> {
  try {
    const text = readFileSync(path === '-' ? 0 : path, 'utf8');
    if (text.length <= MAX_FILE_BYTES) return ok(text);
    return err(AppError.invalid([{ field: path, description: `must be at most ${MAX_FILE_BYTES} bytes` }]));
  } catch (cause) {
    const message = `cannot read ${path}: ${(cause as Error).message}`;
    return err(new AppError('NOT_FOUND', message, { cause }));
  }
}
