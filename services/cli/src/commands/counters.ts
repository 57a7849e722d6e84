import type { CountedKind } from '../client.js';
import { usageError } from '../failure.js';
import { formatCounters, formatHopCounters } from '../output/counters.js';
import { writeItems } from '../output/documents.js';
import type { Session } from '../session.js';

export interface CountersOptions {
  readonly output?: 'table' | 'json' | 'yaml';
}

const COUNTED: readonly (readonly [RegExp, CountedKind])[] = [
  [/^securitypolic(y|ies)$/i, 'SecurityPolicy'],
  [/^servicechains?$/i, 'ServiceChain'],
];

/** What the rules of a policy have decided on, or the hops of a chain were given. */
export async function counters(
  { settings, terminal, connect }: Session,
  [kind = '', name = '']: readonly string[],
  { output = 'table' }: CountersOptions,
): Promise<void> {
  const counted = COUNTED.find(([pattern]) => pattern.test(kind));
  if (counted === undefined)
    throw usageError('KIND', `must be securitypolicy or servicechain, not ${JSON.stringify(kind)}`);
  const { tenant } = settings;
  if (tenant === undefined) throw usageError('--tenant', 'name a tenant with -t');
  const client = await connect();
  const told = await client.counters(counted[1], tenant, name);
  if (!told.ok) throw told.error;
  const items = told.value;
  if (output === 'json' || output === 'yaml') return writeItems(terminal, items, output);
  if (items.length === 0) return terminal.tell(`${name} is on no DPU\n`);
  const format = counted[1] === 'ServiceChain' ? formatHopCounters : formatCounters;
  return terminal.write(`${format(items).join('\n')}\n`);
}
