import { MAX_BODY_BYTES } from '@outboard/contracts';
import { findKind } from '@outboard/model';
import { usageError } from '../failure.js';
import { writeItems } from '../output/documents.js';
import { formatTable } from '../output/table.js';
import { textOf, valueAt } from '../output/values.js';
import type { Session } from '../session.js';
import { tenantOf } from './explain.js';

export interface CnfOptions {
  readonly output?: 'table' | 'json' | 'yaml';
}

/** The interfaces that CNFs publish, and calls of their methods. */
export function cnf(session: Session, args: readonly string[], options: CnfOptions): Promise<void> {
  const [verb = '', ...rest] = args;
  switch (verb) {
    case 'interfaces':
      return interfaces(session, rest, options);
    case 'call':
      return call(session, rest);
    default:
      throw usageError('VERB', `must be interfaces or call, not ${JSON.stringify(verb)}`);
  }
}

async function interfaces(
  session: Session,
  [name, ...more]: readonly string[],
  { output = 'table' }: CnfOptions,
): Promise<void> {
  if (more.length > 0) throw usageError('WORKLOAD', 'must be one, or none for all');
  const tenant = tenantOf(session);
  const kind = findKind('Workload');
  if (kind === undefined) throw new Error('there are no workloads');
  const client = await session.connect();
  const fieldSelector = name === undefined ? undefined : `metadata.name=${name}`;
  const found = await client.list(kind, tenant, fieldSelector === undefined ? {} : { fieldSelector });
  if (!found.ok) throw found.error;
  const published = found.value.flatMap(({ metadata, status }) =>
    listOf(valueAt(status, 'interfaces')).map((each) => ({
      workload: textOf(valueAt(metadata, 'name')),
      ...(each as Readonly<Record<string, unknown>>),
    })),
  );
  if (output !== 'table') return writeItems(session.terminal, published, output);
  if (published.length === 0) return session.terminal.tell('nothing is published\n');
  const rows = published.map((each) => [
    each.workload,
    textOf(valueAt(each, 'name')),
    textOf(valueAt(each, 'version')),
    listOf(valueAt(each, 'methods'))
      .map((method) => textOf(valueAt(method, 'name')))
      .join(','),
    valueAt(each, 'configuration') === undefined ? 'no' : 'yes',
  ]);
  const head = ['WORKLOAD', 'INTERFACE', 'VERSION', 'METHODS', 'CONFIGURABLE'];
  await session.terminal.write(`${formatTable([head, ...rows]).join('\n')}\n`);
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

async function call(session: Session, args: readonly string[]): Promise<void> {
  const [workload, name, method, body = '{}', ...more] = args;
  if (workload === undefined || name === undefined || method === undefined || more.length > 0)
    throw usageError('call', 'takes WORKLOAD INTERFACE METHOD and a JSON text, or - for standard input');
  const tenant = tenantOf(session);
  const text = body === '-' ? (await session.terminal.readInput(MAX_BODY_BYTES)).toString('utf8') : body;
  const client = await session.connect();
  const answer = await client.callCnf({ tenant, workload, interface: name, method }, text);
  if (!answer.ok) throw answer.error;
  await session.terminal.write(`${JSON.stringify(JSON.parse(answer.value), null, 2)}\n`);
}
