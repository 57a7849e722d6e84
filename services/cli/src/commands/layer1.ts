import { SYSTEM_TENANT } from '@outboard/model';
import { usageError } from '../failure.js';
import { writeItems } from '../output/documents.js';
import { formatLayer1 } from '../output/layer1.js';
import type { Session } from '../session.js';

export interface Layer1Options {
  readonly dpu: string;
  readonly output?: 'table' | 'wide' | 'json' | 'yaml';
  readonly fieldSelector?: string;
  readonly allTenants?: boolean;
}

/** What people call the types of objects of kernels and switches; any other word is taken as it is. */
const TYPES: Readonly<Record<string, string>> = {
  all: '',
  links: 'link',
  addresses: 'addr',
  neighbours: 'neigh',
  routes: 'route',
  rules: 'rule',
  tables: 'table',
  elements: 'element',
  filters: 'filter',
  namespaces: 'netns',
  flows: 'flow',
  groups: 'group',
  buckets: 'bucket',
  interfaces: 'interface',
  responders: 'responder',
};

/** What a DPU's dataplane is made of. */
export async function layer1(
  { settings, terminal, connect }: Session,
  [verb, word = '']: readonly string[],
  { dpu, output = 'table', fieldSelector = '', allTenants = false }: Layer1Options,
): Promise<void> {
  if (verb !== 'get') throw usageError('VERB', `must be get, not ${JSON.stringify(verb)}`);
  const tenant = allTenants ? SYSTEM_TENANT : settings.tenant;
  if (tenant === undefined) throw usageError('--tenant', 'name a tenant with -t, or all with -A');
  const client = await connect();
  const listed = await client.layer1(tenant, { dpu, type: TYPES[word] ?? word, fieldSelector });
  if (!listed.ok) throw listed.error;
  const items = listed.value;
  if (output === 'json' || output === 'yaml') return writeItems(terminal, items, output);
  if (items.length === 0) return terminal.tell(`${dpu} has no such objects\n`);
  return terminal.write(`${formatLayer1(items, { wide: output === 'wide' }).join('\n')}\n`);
}
