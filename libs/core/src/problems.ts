import { AppError, type AppErrorDetails, type FieldViolation, MAX_LISTED_VIOLATIONS } from './app-error.js';

/** Collects every problem of one input: the first `MAX_LISTED_VIOLATIONS` are kept, all are counted. */
export class Problems {
  readonly #violations: FieldViolation[] = [];
  /** Only made when there is one: problems are looked for often, and found seldom. */
  #malformed: Set<string> | undefined;
  #total = 0;

  get violations(): readonly FieldViolation[] {
    return this.#violations;
  }

  get total(): number {
    return this.#total;
  }

  /** A broken rule. Not counted where the field, or what contains it, is malformed: it says nothing new then. */
  add(field: string, description: string): void {
    if (this.#malformed !== undefined && isWithin(this.#malformed, field)) return;
    this.#record(field, description);
  }

  /** A field that has no value to check rules on: unknown, or of the wrong type. */
  addMalformed(field: string, description: string): void {
    this.#malformed ??= new Set();
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
}

/** Whether a path is one of these, or in one of them. */
function isWithin(paths: ReadonlySet<string>, path: string): boolean {
  for (let end = path.length; end > 0; end = lastStep(path, end)) {
    if (paths.has(path.slice(0, end))) return true;
  }
  return paths.has('');
}

/** Where the last `.name` or `[index]` of the first `end` characters of a path starts; -1: there is none. */
const lastStep = (path: string, end: number): number =>
  Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('[', end - 1));
