import { HEADERS, SUBJECT_PREFIX } from '@outboard/contracts';
import type { StreamSpec } from './port.js';
import { type Role, roles } from './roles.js';
import { STREAM } from './streams.js';

/** A subject of the contract. `template`: behind the prefix, with `<names>` for tokens. */
export interface SubjectRow {
  readonly template: string;
  readonly kind: string;
  readonly body: string;
}

/** The subjects of the contract in words; a test holds them against the functions that make subjects. */
export const SUBJECT_TABLE = {
  rpc: {
    template: 'rpc.<tenant>.<api>.<kind>.<verb>',
    kind: 'request and reply; the service answers `$SRV.PING`, `INFO` and `STATS` too (ADR-32 of NATS; `STATS` of a service that can do only a part of its work says why in `problem`)',
    body: 'JSON',
  },
  intent: {
    template: 'intent.<tenant>.<api>.<kind>.<name>',
    kind: 'durable, inbound: apply or delete. Answered by an event',
    body: 'JSON',
  },
  event: {
    template: 'event.<tenant>.<api>.<kind>.<name>.<transition>',
    kind: 'durable log, outbound, can be replayed. Transitions: accepted, refused, ready, notready, deleted',
    body: 'JSON',
  },
  state: {
    template: 'state.<tenant>.<api>.<kind>.<name>',
    kind: 'the last value of each object: list and watch by one ordered consumer that reads all there is',
    body: 'JSON; a tombstone without spec and status',
  },
  dpu: {
    template: 'dpu.<dpu>.<channel>.<owner>',
    kind: 'internal: delta, inspect, counters, statistics, faults, logs and cnf (requests) to the worker; sync, fetch, observed, inventory, heartbeat, confirm and workload from it, as requests',
    body: 'protobuf',
  },
  probe: {
    template: 'probe.<tenant>',
    kind: 'request and reply, of a testbed only: sends a flow between its pods for real, and tells where it was seen',
    body: 'JSON: ExplainRequest, TraceResponse',
  },
  cnf: {
    template: 'cnf.<tenant>.<workload>.<interface>.<method>',
    kind: 'request and reply: a method of an interface that a CNF publishes, answered by admin',
    body: 'JSON by the schemas that the CNF publishes',
  },
  dead: {
    template: 'dead.<original subject>',
    kind: 'parked messages, with the reason',
    body: 'as it was',
  },
} as const satisfies Readonly<Record<string, SubjectRow>>;

/** What each header means. */
const HEADER_MEANINGS: Readonly<Record<keyof typeof HEADERS, string>> = {
  messageId: 'identity of a message: the same id gets the same answer, and is stored once',
  operation: '`apply` (also when absent) or `delete`, on intents; `delete` marks the tombstone of a state',
  requestedBy:
    'on intents and requests: whom the caller says it acts for, 1-256 printable ASCII characters; passed through to events, and never checked',
  cause: 'on events: the id of the message that caused them',
  actor:
    'on events: who did it, as permissions prove it: `tenant/<tenant>`, `operator`, `dpu/<dpu>`, `service/<api>` or `system`',
  revision: 'on events: the revision of the commit that they belong to',
  traceparent: 'W3C trace context, passed through',
  serviceErrorCode: 'on error replies and refused events: the status, as HTTP numbers it',
  serviceError: 'on error replies and refused events: the error in a line',
  deadReason: 'on dead letters: why it was parked',
  deadDeliveries: 'on dead letters: how often it was delivered',
  deadMessageId: 'on dead letters: the id of the parked message; a dead letter has an id of its own',
  deadSequence: 'on dead letters, and on their replays: the place of the parked message in its stream',
};

/** The tables of docs/bus.md by the names of their places there. */
export function busTables(): Readonly<Record<string, string>> {
  return {
    subjects: table(
      ['subject', 'what it is', 'body'],
      Object.values(SUBJECT_TABLE).map(({ template, kind, body }) => [
        code(`${SUBJECT_PREFIX}.${template}`),
        kind,
        body,
      ]),
    ),
    headers: table(
      ['header', 'meaning'],
      (Object.keys(HEADERS) as (keyof typeof HEADERS)[]).map((key) => [
        code(HEADERS[key]),
        HEADER_MEANINGS[key],
      ]),
    ),
    streams: table(
      ['stream', 'captures', 'keeps', 'at most', 'when full', 'recognises ids for'],
      Object.values(STREAM).map((stream: StreamSpec) => [
        code(stream.name),
        stream.subjects.map(code).join(', '),
        retentionOf(stream),
        sizeOf(stream),
        stream.whenFull === 'refuse' ? 'refuses' : 'forgets the oldest',
        duration(stream.duplicateWindowMilliseconds),
      ]),
    ),
    roles: [
      roles.admin(),
      roles.networkIntent(),
      roles.accelerationBroker(),
      roles.worker('dpu-1'),
      roles.host('dpu-1'),
      roles.hostAgent('host-1'),
      roles.prober(),
      roles.orchestrator('acme'),
      roles.operator(),
    ]
      .map(roleSection)
      .join('\n\n'),
  };
}

function sizeOf({ maxBytes, maxMessages, storage }: StreamSpec): string {
  const bytes = `${maxBytes / 1024 ** 2} MiB in ${storage === 'file' ? 'files' : 'memory'}`;
  return maxMessages < 0 ? bytes : `${maxMessages} messages, ${bytes}`;
}

function retentionOf({ retention, maxMessagesPerSubject, maxAgeMilliseconds }: StreamSpec): string {
  if (retention === 'workqueue') return 'until settled';
  const age = maxAgeMilliseconds > 0 ? `for ${duration(maxAgeMilliseconds)}` : 'for ever';
  return maxMessagesPerSubject === 1 ? `the last of each subject, ${age}` : age;
}

function roleSection({ name, purpose, publish, subscribe, answers }: Role): string {
  const list = (subjects: readonly string[]): string =>
    subjects.map((subject) => `  - ${code(subject)}`).join('\n');
  return [
    `**${code(name)}**: ${purpose}.`,
    '',
    `- subscribes to\n${list(subscribe)}`,
    `- publishes to\n${list(publish)}`,
    ...(answers === 'requests' ? ['- and to the inboxes of all roles, to answer them'] : []),
    ...(answers === 'discovery'
      ? ['- and at once to the inbox of whoever looks for it or into it, for each of its two services']
      : []),
  ].join('\n');
}

function duration(milliseconds: number): string {
  const minutes = milliseconds / 60_000;
  const [count, unit] = minutes >= 1440 ? [minutes / 1440, 'day'] : [minutes, 'minute'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

const code = (text: string): string => `\`${text}\``;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
