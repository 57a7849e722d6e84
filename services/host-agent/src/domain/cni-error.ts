import type { AppError, Problems } from '@outboard/core';

/** Error codes of the CNI specification 1.1.0, section "Error"; from 100 on they are the plugin's own. */
export const CNI_CODE = {
  INCOMPATIBLE_VERSION: 1,
  UNSUPPORTED_FIELD: 2,
  INVALID_ENVIRONMENT: 4,
  IO_FAILURE: 5,
  DECODING_FAILURE: 6,
  INVALID_CONFIGURATION: 7,
  /** Of the reference skeleton (libcni's pkg/types): the namespace is not one that a pod can have. */
  INVALID_NAMESPACE: 8,
  TRY_AGAIN_LATER: 11,
  /** STATUS: no ADD can succeed at present. */
  NOT_AVAILABLE: 50,
  /** STATUS: the same, and pods that are there may be cut off. */
  NOT_AVAILABLE_AND_LIMITED: 51,
  /** The control plane refuses what is asked for. */
  REFUSED: 100,
  /** There is such an interface already. */
  ALREADY_ATTACHED: 101,
  /** CHECK: something is not as ADD said. */
  NOT_AS_ADDED: 102,
  INTERNAL: 999,
} as const;

export type CniCode = (typeof CNI_CODE)[keyof typeof CNI_CODE];

/** How a call of the plugin fails: what the runtime gets to see. */
export class CniError extends Error {
  override readonly name = 'CniError';

  constructor(
    readonly code: CniCode,
    message: string,
    /** One problem a line, each with its field. */
    readonly details: string = '',
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Every problem of an input. */
  static of(code: CniCode, what: string, problems: Pick<Problems, 'violations' | 'total'>): CniError {
    const { violations, total } = problems;
    const details = violations.map(({ field, description }) => `${field} ${description}`).join('\n');
    return new CniError(code, `${what}: ${total === 1 ? details : `${total} problems`}`, details);
  }

  /** A failure of the control plane or of this machine. `doing` begins the message: `making port acme/web`. */
  static from(failure: AppError, doing: string): CniError {
    const { violations, message, code } = failure;
    const details = violations.map(({ field, description }) => `${field} ${description}`).join('\n');
    const text = details === '' ? message : `${message}: ${details.split('\n')[0]}`;
    return new CniError(codeOf(code), `${doing}: ${text}`, details, { cause: failure });
  }
}

/** Whatever was thrown, as an error for the runtime. */
export function toCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CniError(CNI_CODE.INTERNAL, message, '', { cause: thrown });
}

function codeOf(code: AppError['code']): CniCode {
  switch (code) {
    // What passes: the runtime tries again.
    case 'UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
    case 'RESOURCE_EXHAUSTED':
    case 'ABORTED':
    case 'CANCELLED':
      return CNI_CODE.TRY_AGAIN_LATER;
    case 'INTERNAL':
    case 'UNKNOWN':
    case 'DATA_LOSS':
      return CNI_CODE.INTERNAL;
    default:
      return CNI_CODE.REFUSED;
  }
}
