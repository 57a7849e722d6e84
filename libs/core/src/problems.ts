import { AppError, type AppErrorDetails, type FieldViolation, MAX_LISTED_VIOLATIONS } from './app-error.js';

/** Collects every problem of one input: the first `MAX_LISTED_VIOLATIONS` are kept, all are counted. */
export class Problems {
  readonly #violations: FieldViolation[] = [];
  readonly #malformed = new Set<string>();
  #total = 0;

  get violations(): readonly FieldViolation[] {
    return this.#violations;
  }

  get total(): number {
    return this.#total;
  }

  /** A broken rule. Not counted where the field, or what contains it, is malformed: it says nothing new then. */
  add(field: string, description: string): void {
    if (this.#malformed.size > 0 && this.#isMalformed(field)) return;
    this.#record(field, description);
  }

  /** A field that has no value to check rules on: unknown, or of the wrong type. */
  addMalformed(field: string, description: string): void {
    this.#malformed.add(field);
    this.#record(field, description);
  }

  /** INVALID_ARGUMENT that lists the problems. */
  toError(details: AppErrorDetails = {}): AppError {
    return AppError.invalid(this.#violations, { ...details, violationTotal: this.#total });
  }

  #record(field: string, description: string): void {
    this.#total++;
    if (this.#violations.length < MAX_LISTED_VIOLATIONS) this.#violations.push({ field, description });
  }

  #isMalformed(field: string): boolean {
    for (let end = field.length; end > 0; end = lastStep(field, end)) {
      if (this.#malformed.has(field.slice(0, end))) return true;
    }
    return this.#malformed.has('');
  }
}

/** Where the last `.name` or `[index]` of the first `end` characters of a path starts; -1: there is none. */
const lastStep = (path: string, end: number): number =>
  Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('[', end - 1));
