import { err, ok, type Result } from '@outboard/core';
import type { AnyKind, AnyResource } from './registry.js';
import { labelKeyProblem, labelValueProblem } from './values.js';

/** Requirements in one selector. */
export const MAX_REQUIREMENTS = 16;

/** Characters of one selector. */
export const MAX_SELECTOR_LENGTH = 1024;

export interface Requirement {
  readonly key: string;
  readonly value: string;
  readonly equal: boolean;
}

/** What a list is restricted to: every requirement must hold. */
export interface Selector {
  readonly labels: readonly Requirement[];
  readonly fields: readonly Requirement[];
}

/** `key=value` or `key!=value`, joined by commas; empty: everything matches. */
export function parseLabelSelector(text: string): Result<Selector['labels'], string> {
  return parseRequirements(text, ({ key, value }) => labelKeyProblem(key) ?? labelValueProblem(value));
}

/** As for labels, over the selectable fields of a kind and `metadata.name`. */
export function parseFieldSelector(kind: AnyKind, text: string): Result<Selector['fields'], string> {
  return parseSelector(['metadata.name', ...kind.selectable.map(({ field }) => field)], text);
}

/** As for labels, over these fields. */
export function parseSelector(
  known: readonly string[],
  text: string,
): Result<readonly Requirement[], string> {
  return parseRequirements(text, ({ key }) =>
    known.includes(key) ? undefined : `must select by one of ${known.join(', ')}`,
  );
}

/** A label or field that is absent differs from every value, and equals none. */
export function matches(kind: AnyKind, { labels, fields }: Selector, resource: AnyResource): boolean {
  return (
    labels.every(({ key, value, equal }) => {
      const actual = Object.hasOwn(resource.metadata.labels, key) ? resource.metadata.labels[key] : undefined;
      return (actual === value) === equal;
    }) && fields.every(({ key, value, equal }) => (fieldOf(kind, resource, key) === value) === equal)
  );
}

const fieldOf = (kind: AnyKind, resource: AnyResource, field: string): string | undefined =>
  field === 'metadata.name'
    ? resource.metadata.name
    : kind.selectable.find((accessor) => accessor.field === field)?.read(resource);

function parseRequirements(
  text: string,
  problemOf: (requirement: Requirement) => string | undefined,
): Result<readonly Requirement[], string> {
  if (text === '') return ok([]);
  if (text.length > MAX_SELECTOR_LENGTH) return err(`must be at most ${MAX_SELECTOR_LENGTH} characters long`);
  const parts = text.split(',');
  if (parts.length > MAX_REQUIREMENTS) return err(`must have at most ${MAX_REQUIREMENTS} requirements`);
  const requirements: Requirement[] = [];
  for (const part of parts) {
    const [, key, operator, value] = /^([^=!]+)(=|!=)([^=!]*)$/.exec(part.trim()) ?? [];
    if (key === undefined || value === undefined) {
      return err(`must be key=value or key!=value, joined by commas; ${JSON.stringify(part)} is neither`);
    }
    const requirement = { key, value, equal: operator === '=' };
    const problem = problemOf(requirement);
    if (problem !== undefined) return err(`${JSON.stringify(part)} ${problem}`);
    requirements.push(requirement);
  }
  return ok(requirements);
}
