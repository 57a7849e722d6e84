import { AppError, CODES, type Code, type FieldViolation, MAX_LISTED_VIOLATIONS } from '@outboard/core';
import { HEADERS, MAX_BODY_BYTES } from './headers.js';

/** An error as it travels: the ADR-32 headers and the body of AIP-193. The same in a reply and in a `.refused` event. */
export interface WireError {
  readonly headers: Readonly<Record<string, string>>;
  /** UTF-8 JSON. */
  readonly body: Uint8Array;
}

const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';
const DOMAIN = 'outboard.dev';
/** Key of ErrorInfo.metadata that tells how many problems there were, when not all are listed. */
const PROBLEM_TOTAL = 'problemTotal';

/** Longest text of an error, characters; longer ones are cut, so that an error always fits into a message. */
const MAX_TEXT = 1024;
const MAX_HEADER_TEXT = 256;

/** HTTP status of a canonical code, as google/rpc/code.proto documents it. */
const HTTP_STATUS: Readonly<Record<Code, number>> = {
  CANCELLED: 499,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
};

/** What a foreign ADR-32 service, which has no AIP-193 body, means by its number. */
const CODE_OF_HTTP_STATUS: Readonly<Record<number, Code>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 3)}...`;

/** The error as headers and body; the cause stays here, only what was written for callers travels. */
export function encodeError(error: AppError): WireError {
  let listed = error.violations;
  let body = encodeBody(error, listed);
  while (body.length > MAX_BODY_BYTES && listed.length > 0) {
    listed = listed.slice(0, listed.length >> 1);
    body = encodeBody(error, listed);
  }
  return {
    headers: {
      [HEADERS.serviceErrorCode]: String(HTTP_STATUS[error.code]),
      [HEADERS.serviceError]: headerText(error.message || error.code),
    },
    body,
  };
}

function encodeBody(error: AppError, listed: readonly FieldViolation[]): Uint8Array {
  const details: unknown[] = [];
  const metadata = Object.entries(error.metadata).map(([key, value]) => [key, cut(value, MAX_TEXT)]);
  if (error.violationTotal > listed.length) metadata.push([PROBLEM_TOTAL, String(error.violationTotal)]);
  if (error.reason !== undefined || metadata.length > 0) {
    details.push({
      '@type': ERROR_INFO,
      reason: error.reason ?? error.code,
      domain: DOMAIN,
      ...(metadata.length > 0 ? { metadata: Object.fromEntries(metadata) } : {}),
    });
  }
  if (listed.length > 0) {
    const fieldViolations = listed.map(({ field, description }) => ({
      field: cut(field, MAX_TEXT),
      description: cut(description, MAX_TEXT),
    }));
    details.push({ '@type': BAD_REQUEST, fieldViolations });
  }
  const body = {
    code: CODES[error.code],
    status: error.code,
    message: cut(error.message, MAX_TEXT),
    ...(details.length > 0 ? { details } : {}),
  };
  return new TextEncoder().encode(JSON.stringify(body));
}

/** True when the headers mark a reply as an error (ADR-32). */
export const isErrorReply = (headers: Readonly<Record<string, string>>): boolean =>
  headers[HEADERS.serviceErrorCode] !== undefined;

/**
 * The error of a reply or event. Total: a body that is no AIP-193 error (a foreign service, or damage) gives
 * an error made of the headers.
 */
export function decodeError(headers: Readonly<Record<string, string>>, body: Uint8Array): AppError {
  const parsed = record(parseJson(body));
  const status = parsed?.status;
  if (parsed === undefined || typeof status !== 'string' || !isCode(status)) {
    const code = CODE_OF_HTTP_STATUS[Number(headers[HEADERS.serviceErrorCode])] ?? 'UNKNOWN';
    return new AppError(code, headers[HEADERS.serviceError] ?? 'an error without description');
  }
  const details = Array.isArray(parsed.details) ? parsed.details.map(record) : [];
  const info = details.find((detail) => detail?.['@type'] === ERROR_INFO);
  const request = details.find((detail) => detail?.['@type'] === BAD_REQUEST);
  const metadata = strings(info?.metadata);
  const violations = fieldViolations(request?.fieldViolations);
  const total = Number(metadata[PROBLEM_TOTAL]);
  delete metadata[PROBLEM_TOTAL];
  const reason = info?.reason;
  return new AppError(status, typeof parsed.message === 'string' ? parsed.message : status, {
    ...(typeof reason === 'string' && reason !== status ? { reason } : {}),
    metadata,
    violations,
    violationTotal: total > violations.length ? total : violations.length,
  });
}

/** A header is one line of printable ASCII. */
const headerText = (text: string): string =>
  cut(text.replaceAll(/\s+/g, ' ').replaceAll(/[^ -~]/g, '?'), MAX_HEADER_TEXT);

const isCode = (text: string): text is Code => Object.hasOwn(CODES, text);

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

const record = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;

function strings(value: unknown): Record<string, string> {
  const entries = Object.entries(record(value) ?? {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function fieldViolations(value: unknown): FieldViolation[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_LISTED_VIOLATIONS).map((item) => {
    const { field, description } = record(item) ?? {};
    return {
      field: typeof field === 'string' ? field : '',
      description: typeof description === 'string' ? description : '',
    };
  });
}
