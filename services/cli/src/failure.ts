import { encodeError, parseRequestSubject } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import { EXIT } from './exit.js';

/** The service that answers for an API, by the name under which it can be discovered. */
const SERVICE_OF: Readonly<Record<string, string>> = {
  admin: 'admin',
  network: 'network-intent',
  acceleration: 'acceleration-broker',
};

/** What a refusal calls the rules that are in force where no EncapsulationPolicy is. */
const BUILT_IN_POLICY = 'built-in';

/** A command line that makes no sense: nothing was tried. */
export const usageError = (field: string, description: string): AppError =>
  AppError.invalid([{ field, description }], { reason: 'USAGE' });

export function exitCodeOf({ code, reason }: AppError): number {
  if (reason === 'USAGE') return EXIT.usage;
  return code === 'DEADLINE_EXCEEDED' ? EXIT.timeout : EXIT.refused;
}

/**
 * A failure in lines for people: what failed, every field that is at fault, what to do.
 *
 * @param what that which was refused (`port/web-0`); absent: the command as a whole.
 */
export function explainFailure(error: AppError, what?: string): string[] {
  const { violations, violationTotal } = error;
  const [only] = violations;
  const prefix = ['outboard', ...(what === undefined ? [] : [what])].join(': ');
  const lines =
    violationTotal === 1 && only
      ? [`${prefix}: ${only.field === '' ? '' : `${only.field}: `}${only.description}`]
      : [
          `${prefix}: ${messageOf(error)}`,
          ...violations.map(
            ({ field, description }) => `  ${field === '' ? '' : `${field}: `}${description}`,
          ),
        ];
  const unlisted = violationTotal - violations.length;
  if (unlisted > 0) lines.push(`  and ${unlisted} more`);
  const advice = adviceOn(error);
  if (advice !== undefined) lines.push(`  ${advice}`);
  return lines.map(printable);
}

/** A failure as one line of JSON: the error as the bus carries it, and what it is about. */
export function failureJson(error: AppError, what?: string): string {
  const body: unknown = JSON.parse(Buffer.from(encodeError(error).body).toString());
  return JSON.stringify({ ...(what !== undefined && { resource: what }), error: body });
}

/** Text of others (names, kernel messages, labels) cannot command the terminal. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be printed
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');

function messageOf(error: AppError): string {
  if (error.reason !== 'NO_RESPONDERS') return error.message;
  const { api = '' } = parseRequestSubject(error.metadata.subject ?? '') ?? {};
  const service = SERVICE_OF[api];
  return service === undefined
    ? error.message
    : `no ${service} service is running to answer for the ${api} API`;
}

function adviceOn({ code, reason, metadata }: AppError): string | undefined {
  switch (reason) {
    case 'NO_RESPONDERS':
      return '`outboard ping` shows what runs; `npm start` starts a local stack';
    case 'SUBJECT_DENIED':
      return 'the role of your seed may not do this; give the seed of another with --seed or OUTBOARD_NATS_SEED_FILE';
    case 'STREAM_MISSING':
      return 'the services make the streams when they start; `outboard ping` shows what runs';
    case 'STALE':
    case 'UID_MISMATCH':
      return 'it was changed meanwhile: read it again, or leave metadata.resourceVersion and metadata.uid out';
    case 'IN_USE':
      return 'delete first what uses it';
    case 'SEGMENT_OUTSIDE_POLICY':
      return metadata.policy === BUILT_IN_POLICY
        ? 'these are the built-in rules: no encapsulationpolicy is for the tenant'
        : `encapsulationpolicy ${metadata.policy} says so`;
    case 'NOT_REACHED':
      return '`outboard describe` tells more; --timeout waits longer';
    case 'USAGE':
      return 'see `outboard help`';
  }
  switch (code) {
    case 'UNAVAILABLE':
      return 'is the server there? Name it with --server or OUTBOARD_NATS_URL; `npm start` starts a local stack';
    case 'UNAUTHENTICATED':
      return 'give the seed of a role that the server knows with --seed or OUTBOARD_NATS_SEED_FILE';
    case 'DEADLINE_EXCEEDED':
      return '`outboard ping` shows what runs; --timeout waits longer';
    default:
      return undefined;
  }
}
