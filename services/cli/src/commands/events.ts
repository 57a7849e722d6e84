import { STREAM } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { kindToken } from '@outboard/model';
import { usageError } from '../failure.js';
import { steps } from '../following.js';
import { type Scope, selectionsOf, tenantFor } from '../kinds.js';
import { type EventRecord, eventHeader, formatEvent, readEvent } from '../output/event.js';
import type { Session } from '../session.js';

export interface EventsOptions {
  readonly since?: string;
  readonly follow?: boolean;
  readonly allTenants?: boolean;
  readonly output?: 'text' | 'json';
}

/** Where to start: at a sequence of the log, or with the first event of that time (milliseconds since the epoch). */
type Since = { readonly sequence: number } | { readonly time: number };

export async function events(
  session: Session,
  args: readonly string[],
  options: EventsOptions,
): Promise<void> {
  const { settings, terminal, signal, clock } = session;
  const scope = { tenant: settings.tenant, allTenants: options.allTenants === true };
  const filterSubject = subjects.events(filterOf(args, scope));
  const since = options.since === undefined ? undefined : parseSince(options.since, clock.now());
  const from = startOf(since, options.follow === true);
  const { bus } = await session.connect();
  const asJson = options.output === 'json';
  if (!asJson) await terminal.write(`${eventHeader()}\n`);
  for await (const step of steps(bus, { stream: STREAM.event.name, filterSubject, from }, signal)) {
    if (step.type === 'current' && !options.follow) return;
    const event = step.type === 'message' ? readEvent(step.received) : undefined;
    if (!event || isBefore(event, since)) continue;
    await terminal.write(`${asJson ? JSON.stringify(event) : formatEvent(event)}\n`);
  }
}

function filterOf(args: readonly string[], scope: Scope): Parameters<typeof subjects.events>[0] {
  const [argument = 'all'] = args;
  const isAll = argument.toLowerCase() === 'all';
  const [selection, another] = isAll ? [] : selectionsOf(args, scope);
  if (another) throw usageError('KIND', 'must be one kind, or all');
  if (isAll && args.length > 1) throw usageError('NAME', 'names need one kind');
  if (!selection) {
    if (scope.allTenants) return {};
    if (scope.tenant !== undefined) return { tenant: scope.tenant };
    throw usageError('--tenant', 'name the tenant with -t, or ask for all with -A');
  }
  const { kind, names } = selection;
  const [name, anotherName] = names;
  if (anotherName !== undefined) throw usageError('NAME', 'must be one name, or none for all');
  return {
    ...(kind.scope === 'tenant' && scope.allTenants ? {} : { tenant: tenantFor(kind, scope) }),
    api: kind.api,
    kind: kindToken(kind),
    ...(name !== undefined && { name }),
  };
}

/** All that the log keeps; when following, what comes from now on. */
function startOf(since: Since | undefined, follow: boolean): number | 'new' {
  if (since === undefined) return follow ? 'new' : 0;
  return 'sequence' in since ? since.sequence : 0;
}

/** The log is read from its start: the broker is not asked for times. */
const isBefore = ({ time }: EventRecord, since: Since | undefined): boolean =>
  since !== undefined && 'time' in since && time !== undefined && Date.parse(time) < since.time;

const AGO = /^(\d+)(s|m|h|d)$/;
const MILLISECONDS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A sequence (`1042`), a time (RFC 3339) or a span until now (`10m`). */
export function parseSince(text: string, now: number): Since {
  if (/^\d+$/.test(text)) return { sequence: Number(text) };
  const [, amount, unit] = AGO.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined) {
    return { time: now - Number(amount) * (MILLISECONDS[unit] ?? 0) };
  }
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return { time };
  throw usageError(
    '--since',
    `must be a sequence such as 1042, a time such as 2026-11-22T10:08:00Z or a span such as 10m, not ${text}`,
  );
}
