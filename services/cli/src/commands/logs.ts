import { usageError } from '../failure.js';
import type { Session } from '../session.js';
import { tenantOf } from './explain.js';

export interface LogsOptions {
  readonly follow?: boolean;
  readonly tail?: string;
  readonly timestamps?: boolean;
}

const MAX_TAIL = 1000;
/** How long an answer waits for something new. */
const WAIT_MILLISECONDS = 2_000;

/** What a workload says: the last lines, and with `follow` whatever comes. */
export async function logs(
  session: Session,
  [name = '']: readonly string[],
  { follow = false, tail: asked = '100', timestamps = false }: LogsOptions,
): Promise<void> {
  const { terminal, signal } = session;
  const tenant = tenantOf(session);
  const tail = Number(asked);
  if (!Number.isInteger(tail) || tail < 1 || tail > MAX_TAIL)
    throw usageError('--tail', `must be 1 to ${MAX_TAIL}, not ${JSON.stringify(asked)}`);
  const client = await session.connect();
  let cursor = '';
  do {
    const more = cursor === '' ? { tail } : { cursor, waitMilliseconds: WAIT_MILLISECONDS };
    const page = await client.logs(tenant, { name, ...more });
    if (!page.ok) throw page.error;
    const { lines = [], cursor: next = '', truncated = false } = page.value;
    if (truncated) terminal.tell('lines are missing: the log was begun anew\n');
    for (const { time, text = '' } of lines) await terminal.write(`${timestamps ? `${time} ` : ''}${text}\n`);
    cursor = next;
  } while (follow && !signal.aborted);
}
