import type { ResourceJson } from '@outboard/model';
import { printable } from '../failure.js';
import type { EventRecord } from './event.js';
import { formatTable } from './table.js';
import { ABSENT, conditionsOf, creationTime, formatAge, fullName, textOf, valueAt } from './values.js';

/** Something that uses the described resource. */
export interface User {
  readonly kind: string;
  readonly tenant: string;
  readonly name: string;
  /** Who has bound it, if it is a function. */
  readonly holder?: User;
}

export interface Description {
  readonly resource: ResourceJson;
  /** The first users, and how many there are; a text: why they are not known. */
  readonly users: { readonly listed: readonly User[]; readonly total: number } | string;
  /** The latest events, oldest first; a text: why they are not known. */
  readonly events: readonly EventRecord[] | string;
}

/** Everything that can be read about a resource, in lines for people. */
export function formatDescription({ resource, users, events }: Description, now: number): readonly string[] {
  const { spec, status } = resource;
  const { conditions: _, ...facts } = (status ?? {}) as Record<string, unknown>;
  return [
    ...formatTable(identity(resource, now)),
    'Spec:',
    ...tree(spec ?? {}, 1),
    'Status:',
    ...tree(facts, 1),
    'Conditions:',
    ...indented(conditionRows(resource).length > 1 ? formatTable(conditionRows(resource)) : ['none yet']),
    'Used by:',
    ...indented(userLines(users)),
    'Events:',
    ...indented(eventLines(events, now)),
  ];
}

function identity(resource: ResourceJson, now: number): readonly (readonly string[])[] {
  const created = creationTime(resource);
  const text = (path: string): string => textOf(valueAt(resource, path));
  return [
    ['Kind:', `${resource.kind} (${resource.apiVersion})`],
    ['Tenant:', text('metadata.tenant')],
    ['Name:', text('metadata.name')],
    ['Labels:', text('metadata.labels')],
    ['Uid:', text('metadata.uid')],
    ['Generation:', text('metadata.generation')],
    ['Revision:', text('metadata.resourceVersion')],
    [
      'Created:',
      created === undefined
        ? ABSENT
        : `${new Date(created).toISOString().replace(/\.\d+Z$/, 'Z')} (${formatAge(now - created)} ago)`,
    ],
  ];
}

function conditionRows(resource: ResourceJson): readonly (readonly string[])[] {
  return [
    ['TYPE', 'STATUS', 'REASON', 'SINCE', 'MESSAGE'],
    ...conditionsOf(resource).map(({ type, status, reason, lastTransitionTime, message }) =>
      [type, status, reason, lastTransitionTime, message].map(textOf),
    ),
  ];
}

function userLines(users: Description['users']): readonly string[] {
  if (typeof users === 'string') return [`not known: ${users}`];
  if (users.total === 0) return ['nothing'];
  const lines = users.listed.map((user) =>
    user.holder ? `${fullName(user)}, bound by ${fullName(user.holder)}` : fullName(user),
  );
  const rest = users.total - users.listed.length;
  return rest > 0 ? [...lines, `and ${rest} more`] : lines;
}

function eventLines(events: Description['events'], now: number): readonly string[] {
  if (typeof events === 'string') return [`not known: ${events}`];
  if (events.length === 0) return ['none are kept'];
  const rows = events.map(({ time, transition, message }) => [
    time === undefined ? ABSENT : `${formatAge(now - Date.parse(time))} ago`,
    transition,
    message,
  ]);
  return formatTable([['WHEN', 'EVENT', 'MESSAGE'], ...rows]);
}

/** Data as an indented tree: scalars behind their names, lists with dashes. */
function tree(value: object, depth: number): readonly string[] {
  const lines = Object.entries(value).flatMap(([key, entry]) => branch(key, entry, depth));
  return lines.length === 0 ? indented(['nothing'], depth) : lines;
}

function branch(key: string, value: unknown, depth: number): readonly string[] {
  const pad = '  '.repeat(depth);
  if (typeof value !== 'object' || value === null) return [printable(`${pad}${key}: ${textOf(value)}`)];
  if (!Array.isArray(value)) return [printable(`${pad}${key}:`), ...tree(value, depth + 1)];
  const items = value.flatMap((item) => {
    if (typeof item !== 'object' || item === null) return [printable(`${pad}  - ${textOf(item)}`)];
    const [first = '', ...rest] = tree(item, depth + 2);
    return [`${pad}  - ${first.trimStart()}`, ...rest];
  });
  return [printable(`${pad}${key}:`), ...items];
}

const indented = (lines: readonly string[], depth = 1): readonly string[] =>
  lines.map((line) => `${'  '.repeat(depth)}${printable(line)}`);
