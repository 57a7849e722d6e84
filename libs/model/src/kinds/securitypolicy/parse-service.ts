import type { SecurityService as SecurityServiceMessage } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { oneOf, optional, required } from '../../fields.js';
import { parsePortName, parsePortNumber } from '../../values.js';
import { PROTOCOLS, type SecurityService } from './spec.js';

const MAX_ICMP_VALUE = 255;
const parseProtocol = oneOf(PROTOCOLS);

export function parseService(
  message: SecurityServiceMessage,
  field: string,
  problems: Problems,
): SecurityService | undefined {
  if (message.protocol === '') {
    refuse(
      message,
      field,
      ['port', 'endPort', 'portName', 'icmpType', 'icmpCode'],
      'needs a protocol',
      problems,
    );
    return { protocol: 'any' };
  }
  const protocol = required(problems, `${field}.protocol`, message.protocol, parseProtocol);
  switch (protocol) {
    case undefined:
      return undefined;
    case 'TCP':
    case 'UDP':
      refuse(message, field, ['icmpType', 'icmpCode'], `must be absent with ${protocol}`, problems);
      return { protocol, ports: parsePorts(message, field, problems) };
    case 'ICMP':
    case 'ICMPv6':
      refuse(message, field, ['port', 'endPort', 'portName'], `must be absent with ${protocol}`, problems);
      return { protocol, ...parseIcmp(message, field, problems) };
  }
}

type Field = 'port' | 'endPort' | 'portName' | 'icmpType' | 'icmpCode';

function refuse(
  message: SecurityServiceMessage,
  field: string,
  names: readonly Field[],
  rule: string,
  problems: Problems,
): void {
  for (const name of names) {
    const value = message[name];
    const absent = name.startsWith('icmp') ? undefined : typeof value === 'string' ? '' : 0;
    if (value !== absent) problems.add(`${field}.${name}`, rule);
  }
}

function parsePorts(
  { port, endPort, portName }: SecurityServiceMessage,
  field: string,
  problems: Problems,
): Extract<SecurityService, { protocol: 'TCP' | 'UDP' }>['ports'] {
  const name = optional(problems, `${field}.portName`, portName, parsePortName);
  const first = optional(problems, `${field}.port`, port, parsePortNumber);
  const last = optional(problems, `${field}.endPort`, endPort, parsePortNumber);
  if (portName !== '') {
    if (port !== 0) problems.add(`${field}.port`, 'must be absent with portName');
    if (endPort !== 0) problems.add(`${field}.endPort`, 'must be absent with portName');
    return name && { name };
  }
  if (port === 0 && endPort !== 0)
    problems.add(`${field}.endPort`, 'needs port, with which the range begins');
  if (first === undefined) return undefined;
  if (last !== undefined && last < first)
    problems.add(`${field}.endPort`, `must not be before port, ${first}`);
  return { first, last: last ?? first };
}

function parseIcmp(
  { icmpType, icmpCode }: SecurityServiceMessage,
  field: string,
  problems: Problems,
): { readonly type: number | undefined; readonly code: number | undefined } {
  for (const [name, value] of Object.entries({ icmpType, icmpCode })) {
    if ((value ?? 0) > MAX_ICMP_VALUE) problems.add(`${field}.${name}`, `must be 0 to ${MAX_ICMP_VALUE}`);
  }
  if (icmpCode !== undefined && icmpType === undefined) {
    problems.add(`${field}.icmpCode`, 'needs icmpType, whose code it is');
  }
  return { type: icmpType, code: icmpCode };
}
