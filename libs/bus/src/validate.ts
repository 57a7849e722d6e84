import { HEADERS, MAX_BODY_BYTES, MAX_MESSAGE_ID_LENGTH } from '@outboard/contracts';
import { type AppError, Problems } from '@outboard/core';
import type { ConsumerSpec, GatherLimits, Message, ServiceSpec, WatchSpec } from './port.js';
import { isPattern, isSubject, PATTERN_RULE, SUBJECT_RULE } from './subject-patterns.js';

/** Most headers of a message, and their characters in all: far from what the broker takes, far above what is used. */
const MAX_HEADERS = 64;
export const MAX_HEADER_CHARACTERS = 16 * 1024;

/** Most deliveries in flight of a consumer, and requests of a service. */
const MAX_IN_FLIGHT = 10_000;
const MAX_DELIVERIES = 1_000;
const MAX_BACKOFF_MILLISECONDS = 60 * 60 * 1000;
const MAX_BACKOFF_STEPS = 32;
const MAX_ENDPOINTS = 256;
const MAX_REPLIES = 10_000;

/** RFC 822 field names, as NATS takes them: printable ASCII without the colon. */
const HEADER_NAME = /^[!-9;-~]+$/;
const MESSAGE_ID = new RegExp(`^[!-~]{1,${MAX_MESSAGE_ID_LENGTH}}$`);
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const NAME_RULE = 'must be 1-64 of a-z, A-Z, 0-9, - and _';
// https://semver.org, without its build and pre-release details.
const VERSION = /^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/;

/** Problems of a message that is about to be sent; undefined when there are none. */
export function messageProblems(subject: string, message: Message, messageId?: string): AppError | undefined {
  // The one path that every message takes: nothing is built for a message without problems.
  if (
    isSubject(subject) &&
    message.body.length <= MAX_BODY_BYTES &&
    headersAreSound(message.headers, messageId) &&
    (messageId === undefined || MESSAGE_ID.test(messageId))
  ) {
    return undefined;
  }
  const problems = new Problems();
  if (!isSubject(subject)) problems.add('subject', SUBJECT_RULE);
  const size = message.body.length;
  if (size > MAX_BODY_BYTES) problems.add('body', `must be at most ${MAX_BODY_BYTES} bytes, is ${size}`);
  if (messageId !== undefined && !MESSAGE_ID.test(messageId)) {
    problems.add('messageId', `must be 1-${MAX_MESSAGE_ID_LENGTH} printable characters without spaces`);
  }
  headerProblems(message.headers, messageId, problems);
  return problems.toError(
    size > MAX_BODY_BYTES ? { reason: 'BODY_TOO_LARGE', metadata: { subject } } : { metadata: { subject } },
  );
}

function headersAreSound(headers: Message['headers'], messageId: string | undefined): boolean {
  let count = 0;
  let characters = 0;
  for (const name in headers) {
    const value = headers[name];
    if (typeof value !== 'string' || !HEADER_NAME.test(name) || /[\r\n]/.test(value)) return false;
    if (name === HEADERS.messageId && messageId !== undefined && value !== messageId) return false;
    count++;
    characters += name.length + value.length;
  }
  return count <= MAX_HEADERS && characters <= MAX_HEADER_CHARACTERS;
}

function headerProblems(
  headers: Message['headers'],
  messageId: string | undefined,
  problems: Problems,
): void {
  const entries = Object.entries(headers);
  const characters = entries.reduce((sum, [name, value]) => sum + name.length + String(value).length, 0);
  if (entries.length > MAX_HEADERS)
    problems.add('headers', `must be at most ${MAX_HEADERS}, are ${entries.length}`);
  if (characters > MAX_HEADER_CHARACTERS) {
    problems.add('headers', `must be at most ${MAX_HEADER_CHARACTERS} characters in all, are ${characters}`);
  }
  for (const [name, value] of entries.slice(0, MAX_HEADERS)) {
    const field = `headers[${JSON.stringify(name.slice(0, 64))}]`;
    if (!HEADER_NAME.test(name)) problems.add(field, 'must be named with printable ASCII without the colon');
    if (name === HEADERS.messageId && messageId !== undefined && value !== messageId) {
      problems.add(field, `must be the messageId, ${messageId}`);
    }
    if (typeof value !== 'string' || /[\r\n]/.test(value))
      problems.add(field, 'must be a string without line breaks');
  }
}

/** Problems of a consumer's specification; undefined when there are none. */
export function consumerProblems(spec: ConsumerSpec): AppError | undefined {
  const problems = new Problems();
  if (!NAME.test(spec.stream)) problems.add('stream', NAME_RULE);
  if (!NAME.test(spec.durable)) problems.add('durable', NAME_RULE);
  if (!isPattern(spec.filterSubject)) problems.add('filterSubject', PATTERN_RULE);
  integer(problems, 'maxInFlight', spec.maxInFlight, 1, MAX_IN_FLIGHT);
  integer(problems, 'maxDeliveries', spec.maxDeliveries, 1, MAX_DELIVERIES);
  const steps = spec.backoffMilliseconds;
  if (steps.length < 1 || steps.length > MAX_BACKOFF_STEPS) {
    problems.add('backoffMilliseconds', `must have 1-${MAX_BACKOFF_STEPS} steps, has ${steps.length}`);
  }
  for (const [index, step] of steps.slice(0, MAX_BACKOFF_STEPS).entries()) {
    if (!(step >= 0 && step <= MAX_BACKOFF_MILLISECONDS)) {
      problems.add(`backoffMilliseconds[${index}]`, `must be 0-${MAX_BACKOFF_MILLISECONDS}`);
    }
  }
  return problems.total > 0 ? problems.toError() : undefined;
}

/** Problems of a watch's specification; undefined when there are none. */
export function watchProblems(spec: WatchSpec): AppError | undefined {
  const problems = new Problems();
  if (!NAME.test(spec.stream)) problems.add('stream', NAME_RULE);
  if (!isPattern(spec.filterSubject)) problems.add('filterSubject', PATTERN_RULE);
  if (typeof spec.from === 'number') integer(problems, 'from', spec.from, 0, Number.MAX_SAFE_INTEGER);
  return problems.total > 0 ? problems.toError() : undefined;
}

/** Problems of what `gather` waits for; undefined when there are none. */
export function gatherProblems(limits: GatherLimits): AppError | undefined {
  const problems = new Problems();
  integer(problems, 'deadlineMilliseconds', limits.deadlineMilliseconds, 1, MAX_BACKOFF_MILLISECONDS);
  integer(problems, 'quietMilliseconds', limits.quietMilliseconds, 1, MAX_BACKOFF_MILLISECONDS);
  integer(problems, 'maxReplies', limits.maxReplies, 1, MAX_REPLIES);
  return problems.total > 0 ? problems.toError() : undefined;
}

/** Problems of a service's specification; undefined when there are none. */
export function serviceProblems(spec: ServiceSpec): AppError | undefined {
  const problems = new Problems();
  if (!NAME.test(spec.name)) problems.add('name', NAME_RULE);
  if (!VERSION.test(spec.version)) problems.add('version', 'must be a semantic version: 1.2.3');
  integer(problems, 'maxInFlight', spec.maxInFlight, 1, MAX_IN_FLIGHT);
  integer(problems, 'endpoints.length', spec.endpoints.length, 0, MAX_ENDPOINTS);
  const names = new Set<string>();
  for (const [index, { name, subject }] of spec.endpoints.slice(0, MAX_ENDPOINTS).entries()) {
    if (!NAME.test(name)) problems.add(`endpoints[${index}].name`, NAME_RULE);
    if (names.has(name)) problems.add(`endpoints[${index}].name`, 'must be unique');
    if (!isPattern(subject)) problems.add(`endpoints[${index}].subject`, PATTERN_RULE);
    names.add(name);
  }
  return problems.total > 0 ? problems.toError() : undefined;
}

/** Problems of a pattern that is about to be subscribed to; undefined when there are none. */
export function patternProblems(subject: string): AppError | undefined {
  if (isPattern(subject)) return undefined;
  const problems = new Problems();
  problems.add('subject', PATTERN_RULE);
  return problems.toError();
}

function integer(problems: Problems, field: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  problems.add(field, `must be an integer, ${minimum}-${maximum}, is ${value}`);
}
