import { usageError } from '../failure.js';
import { selectionsOf, tenantOfOne } from '../kinds.js';
import type { Session } from '../session.js';
import { awaitGoal, parseGoal } from '../waiting.js';

export interface WaitOptions {
  readonly for: string;
}

/** Milliseconds. */
const DEFAULT_WAIT = 30_000;

export async function wait(session: Session, args: readonly string[], options: WaitOptions): Promise<void> {
  const goal = parseGoal(options.for);
  const { settings, terminal } = session;
  const scope = { tenant: settings.tenant, allTenants: false };
  const awaited = selectionsOf(args, scope).map(({ kind, names }) => {
    if (names.length === 0) throw usageError('NAME', 'is required: what is to be waited for?');
    return { kind, tenant: tenantOfOne(kind, scope), names };
  });
  const client = await session.connect();
  await awaitGoal(session, client, awaited, goal, {
    timeoutMilliseconds: settings.timeoutMilliseconds ?? DEFAULT_WAIT,
    reached: (label) => terminal.write(`${label} ${goal.type === 'delete' ? 'deleted' : 'condition met'}\n`),
  });
}
