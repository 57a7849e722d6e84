import { usageError } from '../failure.js';
import { formatCounters } from '../output/counters.js';
import { writeItems } from '../output/documents.js';
import type { Session } from '../session.js';

export interface CountersOptions {
  readonly output?: 'table' | 'json' | 'yaml';
}

/** What the rules of a policy have decided on. */
export async function counters(
  { settings, terminal, connect }: Session,
  [kind = '', name = '']: readonly string[],
  { output = 'table' }: CountersOptions,
): Promise<void> {
  if (!/^securitypolic(y|ies)$/i.test(kind))
    throw usageError('KIND', `must be securitypolicy, not ${JSON.stringify(kind)}`);
  const { tenant } = settings;
  if (tenant === undefined) throw usageError('--tenant', 'name a tenant with -t');
  const client = await connect();
  const counted = await client.ruleCounters(tenant, name);
  if (!counted.ok) throw counted.error;
  const items = counted.value;
  if (output === 'json' || output === 'yaml') return writeItems(terminal, items, output);
  if (items.length === 0) return terminal.tell(`${name} is on no DPU\n`);
  return terminal.write(`${formatCounters(items).join('\n')}\n`);
}
