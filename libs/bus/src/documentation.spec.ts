import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { SUBJECT_PREFIX, subjects } from '@outboard/contracts';
import { busTables, SUBJECT_TABLE } from './documentation.js';

const FILE = fileURLToPath(new URL('../../../docs/bus.md', import.meta.url));

const begin = (name: string): string => `<!-- ${name}: from libs/bus/src/documentation.ts -->`;
const END = '<!-- end -->';

/** The document with its tables as the code has them. */
function withTables(text: string): string {
  let result = text;
  for (const [name, table] of Object.entries(busTables())) {
    const start = result.indexOf(begin(name));
    const end = result.indexOf(END, start);
    if (start < 0 || end < 0)
      throw new Error(`docs/bus.md has no place for the table ${name}: ${begin(name)}`);
    result = `${result.slice(0, start)}${begin(name)}\n${table}\n${result.slice(end)}`;
  }
  return result;
}

describe('docs/bus.md', () => {
  it('has the tables that the code has (OUTBOARD_WRITE_DOCUMENTS=1 writes them)', () => {
    const text = readFileSync(FILE, 'utf8');
    const expected = withTables(text);
    if (process.env.OUTBOARD_WRITE_DOCUMENTS === '1') writeFileSync(FILE, expected);
    else expect(text).toBe(expected);
  });

  it('names the subjects that the functions of the contract make', () => {
    const address = { tenant: 'acme', api: 'network', kind: 'port', name: 'web-0' } as const;
    const made: Record<keyof typeof SUBJECT_TABLE, string> = {
      rpc: subjects.rpc('acme', 'network', 'port', 'get'),
      intent: subjects.intent(address),
      event: subjects.event(address, 'ready'),
      state: subjects.state(address),
      dpu: subjects.dpu('dpu-1', 'delta', 'network'),
      probe: subjects.probe('acme'),
      cnf: subjects.cnf('acme', 'fw', 'rules', 'count'),
      dead: subjects.dead('x'),
    };
    const values: Record<string, string> = {
      ...address,
      verb: 'get',
      transition: 'ready',
      dpu: 'dpu-1',
      channel: 'delta',
      owner: 'network',
      workload: 'fw',
      interface: 'rules',
      method: 'count',
      'original subject': 'x',
    };
    for (const [name, { template }] of Object.entries(SUBJECT_TABLE)) {
      const filled = template.replaceAll(/<([^>]+)>/g, (_, token) => values[token] ?? '?');
      expect(`${SUBJECT_PREFIX}.${filled}`).toBe(made[name as keyof typeof made]);
    }
  });
});
