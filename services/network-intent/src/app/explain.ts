import { create } from '@bufbuild/protobuf';
import type { Message, Received } from '@outboard/bus';
import {
  decodeJson,
  type ExplainRequest,
  ExplainRequestSchema,
  ExplainResponseSchema,
  encodeJson,
  MAX_BODY_BYTES,
  parseRequestSubject,
} from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import {
  type IpAddress,
  type Name,
  PROTOCOLS,
  parseIpAddress,
  parseName,
  type TenantName,
} from '@outboard/model';
import type { Explanation, Flow } from '@outboard/planner';

const MAX_PORT = 65_535;
const MAX_ICMP = 255;
const ECHO_REQUEST = { ICMP: 8, ICMPv6: 128 };

/** `rpc.<tenant>.network.port.explain`: the flow that is asked about, with every problem at once. */
export function parseExplain({ subject, body }: Received): Result<Flow, AppError> {
  const { tenant = '' } = parseRequestSubject(subject) ?? {};
  if (body.length > MAX_BODY_BYTES) {
    const description = `has ${body.length} bytes; must be at most ${MAX_BODY_BYTES}`;
    return err(AppError.invalid([{ field: '', description }], { reason: 'BODY_TOO_LARGE' }));
  }
  const request = decodeJson(ExplainRequestSchema, body);
  if (!request.ok) return err(request.error.toError());
  const problems = new Problems();
  const take = <Value>(field: string, parsed: Result<Value, string>): Value | undefined => {
    if (parsed.ok) return parsed.value;
    problems.add(field, parsed.error);
    return undefined;
  };
  const { value } = request;
  const owner = parseName(tenant);
  if (!owner.ok) problems.add('tenant', `${owner.error}: ports belong to tenants`);
  const from = take('from', parseName(value.from));
  const source = value.source === '' ? undefined : take('source', parseIpAddress(value.source));
  const to = destinationOf(value, take, problems);
  const protocol = PROTOCOLS.find((each) => each === value.protocol);
  if (!protocol) problems.add('protocol', `must be one of ${PROTOCOLS.join(', ')}`);
  const service = protocol && serviceOf(value, protocol, problems);
  if (problems.total > 0 || !from || !to || !protocol || service === undefined)
    return err(problems.toError());
  return ok({ tenant: tenant as TenantName, from, source, to, protocol, service });
}

function destinationOf(
  { to, toAddress }: ExplainRequest,
  take: <Value>(field: string, parsed: Result<Value, string>) => Value | undefined,
  problems: Problems,
): Flow['to'] | undefined {
  if ((to === '') === (toAddress === '')) {
    problems.add('to', 'must be given, or toAddress, and not both');
    return undefined;
  }
  if (to === '') {
    const address: IpAddress | undefined = take('toAddress', parseIpAddress(toAddress));
    return address && { kind: 'address', address };
  }
  const name: Name | undefined = take('to', parseName(to));
  return name && { kind: 'port', name };
}

function serviceOf(
  { port, icmpType, icmpCode }: ExplainRequest,
  protocol: Flow['protocol'],
  problems: Problems,
): number | undefined {
  if (protocol === 'TCP' || protocol === 'UDP') {
    if (port < 1 || port > MAX_PORT) problems.add('port', `must be 1-${MAX_PORT} with ${protocol}`);
    if (icmpType !== undefined) problems.add('icmpType', `must be absent with ${protocol}`);
    if (icmpCode !== 0) problems.add('icmpCode', `must be absent with ${protocol}`);
    return port;
  }
  if (port !== 0) problems.add('port', `must be absent with ${protocol}`);
  const type = icmpType ?? ECHO_REQUEST[protocol];
  if (type > MAX_ICMP) problems.add('icmpType', `must be 0-${MAX_ICMP}`);
  if (icmpCode > MAX_ICMP) problems.add('icmpCode', `must be 0-${MAX_ICMP}`);
  return type * 256 + icmpCode;
}

export function explanationReply(explanation: Explanation): Message {
  const { decidedBy, path, nextHops, notReady, ...rest } = explanation;
  const response = create(ExplainResponseSchema, {
    ...rest,
    source: rest.source ?? '',
    destination: rest.destination ?? '',
    decidedBy: decidedBy.map((decider) => ({ ...decider, rule: decider.rule ?? '' })),
    path: path.map((hop) => ({ ...hop, dpu: hop.dpu ?? '' })),
    nextHops: nextHops.map((hop) => ({ ...hop })),
    notReady: [...notReady],
  });
  return { headers: {}, body: Buffer.from(encodeJson(ExplainResponseSchema, response)) };
}
