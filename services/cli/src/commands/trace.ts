import { AppError } from '@outboard/core';
import { compare, formatTrace } from '../output/trace.js';
import type { Session } from '../session.js';
import { type ExplainOptions, questionOf, tenantOf } from './explain.js';

/** Sends a flow for real, and compares what its packets do with what is explained of it. */
export async function trace(
  session: Session,
  _: readonly string[],
  options: Omit<ExplainOptions, 'source' | 'icmpType'>,
): Promise<void> {
  const { terminal, connect, failures } = session;
  const tenant = tenantOf(session);
  const question = questionOf(options);
  const client = await connect();
  const explained = await client.explain(tenant, question);
  if (!explained.ok) throw explained.error;
  const traced = await client.trace(tenant, question);
  if (!traced.ok) throw traced.error;
  const comparison = compare(explained.value, traced.value);
  const lines =
    options.output === 'json'
      ? [JSON.stringify({ explained: explained.value, observed: traced.value, ...comparison }, null, 2)]
      : formatTrace(explained.value, traced.value, comparison);
  await terminal.write(`${lines.join('\n')}\n`);
  if (comparison.isAsExplained) return;
  const message = 'packets do not do what is explained of them';
  failures.tell(new AppError('FAILED_PRECONDITION', message, { reason: 'NOT_AS_EXPLAINED' }));
}
