import { isIP } from 'node:net';
import { usageError } from '../failure.js';
import { formatExplanation } from '../output/explanation.js';
import type { Session } from '../session.js';

export interface ExplainOptions {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port?: string;
  readonly icmpType?: string;
  readonly source?: string;
  readonly output?: 'text' | 'json';
}

/** How people write protocols. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  tcp: 'TCP',
  udp: 'UDP',
  icmp: 'ICMP',
  icmpv6: 'ICMPv6',
};

/** What becomes of a flow. */
export async function explain(
  session: Session,
  _: readonly string[],
  options: ExplainOptions,
): Promise<void> {
  const { terminal, connect } = session;
  const tenant = tenantOf(session);
  const question = questionOf(options);
  const client = await connect();
  const explained = await client.explain(tenant, question);
  if (!explained.ok) throw explained.error;
  const lines =
    options.output === 'json'
      ? [JSON.stringify(explained.value, null, 2)]
      : formatExplanation(explained.value);
  await terminal.write(`${lines.join('\n')}\n`);
}

export function tenantOf({ settings }: Session): string {
  if (settings.tenant !== undefined) return settings.tenant;
  throw usageError('--tenant', 'ports belong to tenants: name one with -t');
}

/** The parameters of a question about a flow (outboard.network.v1alpha1.ExplainRequest). */
export const questionOf = ({ from, to, protocol, port, icmpType, source }: ExplainOptions) => ({
  from: portName('--from', from),
  ...(isIP(to) ? { toAddress: to } : { to: portName('--to', to) }),
  protocol: PROTOCOLS[protocol.toLowerCase()] ?? protocol,
  ...(port !== undefined && { port: numberOf('--port', port) }),
  ...(icmpType !== undefined && { icmpType: numberOf('--icmp-type', icmpType) }),
  ...(source !== undefined && { source }),
});

/** `port/web-0` or `web-0`. */
function portName(option: string, text: string): string {
  const [first = '', name, ...rest] = text.split('/');
  if (name === undefined) return first;
  if (first === 'port' && rest.length === 0) return name;
  throw usageError(option, `must be port/NAME, not ${JSON.stringify(text)}`);
}

function numberOf(option: string, text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw usageError(option, `must be a number, not ${JSON.stringify(text)}`);
}
