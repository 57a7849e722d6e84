import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { findJsonFault, MAX_BODY_BYTES } from '@outboard/contracts';
import { AppError, err, type FieldViolation, MAX_LISTED_VIOLATIONS, ok, type Result } from '@outboard/core';
import { type AnyIntent, type AnyKind, findKind, parseManifest } from '@outboard/model';
import { parseAllDocuments } from 'yaml';
import { nameOf } from './kinds.js';

/** One resource as it stands in a file. */
export interface Manifest {
  readonly kind: AnyKind;
  /** As it stands on subjects: `_` for what belongs to none. */
  readonly tenant: string;
  readonly name: string;
  readonly intent: AnyIntent;
  /** What is sent. */
  readonly content: Readonly<Record<string, unknown>>;
}

const EXTENSIONS = ['.yaml', '.yml', '.json'];
/** Bytes of one file. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** Resources of one call. */
const MAX_MANIFESTS = 100_000;
/** Nodes that aliases of one YAML document may stand for, per alias: a few lines could become gigabytes. */
const MAX_ALIASES = 100;

export interface ManifestSource {
  /** Files, folders (their YAML and JSON files, in the order of their names), `-` for standard input. */
  readonly paths: readonly string[];
  /** For resources that name none. */
  readonly tenant: string | undefined;
  readonly readInput: (maxBytes: number) => Promise<Buffer>;
}

/**
 * The resources of files, in their order. Every problem of every document is told at once, each as
 * `file[document]: field`.
 */
export async function readManifests({
  paths,
  tenant,
  readInput,
}: ManifestSource): Promise<Result<readonly Manifest[], AppError>> {
  const reading = new Reading(tenant);
  for (const path of paths) {
    if (path === '-') reading.take('-', await readInput(MAX_FILE_BYTES));
    else for (const file of reading.filesAt(path)) reading.takeFile(file);
  }
  return reading.result();
}

class Reading {
  readonly #manifests: Manifest[] = [];
  /** Where each resource was found first. */
  readonly #sources = new Map<string, string>();
  readonly #violations: FieldViolation[] = [];
  #total = 0;

  constructor(private readonly tenant: string | undefined) {}

  result(): Result<readonly Manifest[], AppError> {
    if (this.#total > 0) {
      return err(AppError.invalid(this.#violations, { violationTotal: this.#total }));
    }
    if (this.#manifests.length > 0) return ok(this.#manifests);
    return err(AppError.invalid([{ field: '--filename', description: 'there is no resource in it' }]));
  }

  filesAt(path: string): readonly string[] {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
    const files = readdirSync(path)
      .filter((name) => EXTENSIONS.includes(extname(name)))
      .sort();
    if (files.length === 0) this.#tell(path, '', `must have files of ${EXTENSIONS.join(', ')}`);
    return files.map((name) => join(path, name));
  }

  takeFile(path: string): void {
    try {
      const { size } = statSync(path);
      if (size > MAX_FILE_BYTES) {
        this.#tell(path, '', `has ${size} bytes; must be at most ${MAX_FILE_BYTES}`);
      } else this.take(path, readFileSync(path));
    } catch (cause) {
      this.#tell(path, '', `cannot be read: ${(cause as Error).message}`);
    }
  }

  take(path: string, bytes: Uint8Array): void {
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      this.#tell(path, '', 'is not valid UTF-8');
      return;
    }
    const isJson = path.endsWith('.json') || /^\s*[[{]/.test(text);
    const fault = isJson ? findJsonFault(text) : undefined;
    if (isJson && !fault) this.#takeDocument(`${path}[0]`, JSON.parse(text));
    else this.#takeYaml(path, text);
  }

  /** YAML is a superset of JSON: several JSON documents divided by `---` are read as well. */
  #takeYaml(path: string, text: string): void {
    for (const [index, document] of parseAllDocuments(text).entries()) {
      const source = `${path}[${index}]`;
      for (const { message } of document.errors) this.#tell(source, '', firstLine(message));
      if (document.errors.length > 0) continue;
      try {
        this.#takeDocument(source, document.toJS({ maxAliasCount: MAX_ALIASES }));
      } catch (cause) {
        this.#tell(source, '', firstLine((cause as Error).message));
      }
    }
  }

  /** A resource, or a list of them as `get -o json` writes it. Null: empty, as behind a trailing `---`. */
  #takeDocument(source: string, document: unknown): void {
    if (document === null || document === undefined) return;
    const { kind, items } = document as { kind?: unknown; items?: unknown };
    if (kind !== 'List') this.#takeResource(source, document);
    else if (!Array.isArray(items)) this.#tell(source, 'items', 'must be a list');
    else for (const [index, item] of items.entries()) this.#takeResource(`${source}.items[${index}]`, item);
  }

  #takeResource(source: string, given: unknown): void {
    if (this.#manifests.length === MAX_MANIFESTS) {
      if (this.#total === 0) this.#tell(source, '', `must be at most ${MAX_MANIFESTS} resources in one call`);
      return;
    }
    const content = withTenant(given, this.tenant);
    if (typeof content !== 'object') {
      this.#tell(source, '', 'must be an object');
      return;
    }
    const size = Buffer.byteLength(JSON.stringify(content));
    if (size > MAX_BODY_BYTES) {
      this.#tell(source, '', `has ${size} bytes as JSON; must be at most ${MAX_BODY_BYTES}`);
      return;
    }
    const parsed = parseManifest(content);
    if (!parsed.ok) {
      const { violations, violationTotal } = parsed.error;
      for (const { field, description } of violations) this.#tell(source, field, description);
      this.#total += violationTotal - violations.length;
      return;
    }
    const { tenant, name } = parsed.value.metadata;
    const kind = findKind(parsed.value.kind) as AnyKind;
    const key = `${tenant}/${nameOf(kind, name)}`;
    const first = this.#sources.get(key);
    if (first !== undefined) {
      this.#tell(
        source,
        'metadata.name',
        `${nameOf(kind, name)} must be given once; ${first} has it already`,
      );
      return;
    }
    this.#sources.set(key, source);
    this.#manifests.push({
      kind,
      tenant,
      name,
      intent: parsed.value,
      content: content as Manifest['content'],
    });
  }

  #tell(source: string, field: string, description: string): void {
    this.#total++;
    if (this.#violations.length === MAX_LISTED_VIOLATIONS) return;
    this.#violations.push({ field: field === '' ? source : `${source}: ${field}`, description });
  }
}

/** Fills in the tenant that the resource does not name. */
function withTenant(content: unknown, tenant: string | undefined): unknown {
  if (tenant === undefined || typeof content !== 'object' || content === null) return content;
  const { metadata, kind } = content as { metadata?: unknown; kind?: unknown };
  if (typeof metadata !== 'object' || metadata === null || 'tenant' in metadata) return content;
  if (typeof kind !== 'string' || findKind(kind)?.scope !== 'tenant') return content;
  return { ...content, metadata: { tenant, ...metadata } };
}

const firstLine = (text: string): string => text.split('\n')[0] ?? '';
