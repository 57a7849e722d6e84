import { createHash } from 'node:crypto';
import type { FieldViolation } from '@outboard/core';
import { compileSchema } from '@outboard/json-schema';
import type { PublishedInterface } from '@outboard/model';

type Schema = NonNullable<PublishedInterface['configuration']>;

/** A judgement that could not be given in time may be another later. */
const KEPT_MILLISECONDS = 60_000;
const MAX_KEPT = 1_024;

/**
 * What schemas of CNFs say of configurations. It may take seconds, as CNFs bring the schemas, and everybody waits for it:
 * so each is asked once in a while, and not with every report of a CNF that ends again and again.
 */
export class SchemaJudgements {
  readonly #kept = new Map<
    string,
    { readonly violations: readonly FieldViolation[]; readonly since: number }
  >();

  constructor(private readonly compile: typeof compileSchema = compileSchema) {}

  /** @param now wall clock, milliseconds since the epoch. */
  violationsOf(schema: Schema, value: unknown, field: string, now: number): readonly FieldViolation[] {
    const key = createHash('sha256')
      .update(JSON.stringify([schema, value, field]))
      .digest('base64');
    const kept = this.#kept.get(key);
    if (kept !== undefined && Math.abs(now - kept.since) < KEPT_MILLISECONDS) return kept.violations;
    const compiled = this.compile(schema);
    const violations = compiled.ok ? compiled.value.problemsOf(value, field) : compiled.error.violations;
    this.#kept.delete(key);
    this.#kept.set(key, { violations, since: now });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return violations;
  }
}
