/** Canonical codes: names and numbers of google.rpc.Code (google/rpc/code.proto). */
export const CODES = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type Code = keyof typeof CODES;

/** One problem of an input: the path of the field in JSON notation (`spec.addresses[1].ip`) and the rule it broke. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface AppErrorDetails {
  /** UPPER_SNAKE_CASE, closed per domain: what a program may branch on. */
  readonly reason?: string;
  /** Facts about the reason, all strings (google.rpc.ErrorInfo.metadata). */
  readonly metadata?: Readonly<Record<string, string>>;
  /** At most `MAX_LISTED_VIOLATIONS` of them. */
  readonly violations?: readonly FieldViolation[];
  /** How many violations there were in all, listed or not. */
  readonly violationTotal?: number;
  readonly cause?: unknown;
}

/** Problems that are listed in one error; the total is always told. */
export const MAX_LISTED_VIOLATIONS = 100;

/** The one error that crosses layers: a canonical code, a reason, and the fields that are at fault. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly violationTotal: number;

  constructor(
    readonly code: Code,
    message: string,
    details: AppErrorDetails = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = details.reason;
    this.metadata = details.metadata ?? {};
    this.violations = (details.violations ?? []).slice(0, MAX_LISTED_VIOLATIONS);
    this.violationTotal = details.violationTotal ?? details.violations?.length ?? 0;
  }

  /** INVALID_ARGUMENT carrying every problem of an input at once. */
  static invalid(violations: readonly FieldViolation[], details: AppErrorDetails = {}): AppError {
    const total = details.violationTotal ?? violations.length;
    return new AppError('INVALID_ARGUMENT', `${total} problem${total === 1 ? '' : 's'}`, {
      ...details,
      violations,
      violationTotal: total,
    });
  }

  /** Whatever was thrown, as an AppError; what is not one already is INTERNAL (a bug or a broken machine). */
  static from(thrown: unknown): AppError {
    if (thrown instanceof AppError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new AppError('INTERNAL', message, { cause: thrown });
  }
}
