import type { AddressGroupMember, DestinationPort } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { Resolve } from '../driver.js';
import { type Prefix, parsePrefix } from './addresses.js';

/** A member whose fields are parsed, and what its group says; or the group is in no document. */
export type ParsedMember =
  | {
      readonly kind: 'known';
      /** Key of the Router. */
      readonly router: string;
      /** Whether the group is one of prefixes. */
      readonly prefixes: boolean;
      readonly prefix: Prefix;
    }
  | { readonly kind: 'missing'; readonly key: string };

/** Throws AppError INVALID_ARGUMENT with every problem of the member. */
export function parseMember(
  { addressGroup, address, namedPorts }: AddressGroupMember,
  resolve: Resolve,
): ParsedMember {
  const group = resolve(addressGroup)?.object;
  if (group?.case !== 'addressGroup') return { kind: 'missing', key: addressGroup };
  const { router, prefixes } = group.value;
  const problems = new Problems();
  const prefix = parsePrefix(address);
  if (prefix === undefined || (!prefixes && prefix.length < prefix.bits)) {
    problems.add('address', prefixes ? 'must be an IP address or prefix' : 'must be an IP address');
  }
  checkNamedPorts(namedPorts, problems);
  if (problems.total > 0 || prefix === undefined) throw problems.toError();
  return { kind: 'known', router, prefixes, prefix };
}

export function checkNamedPorts(namedPorts: readonly DestinationPort[], problems: Problems): void {
  for (const [index, { name, protocol, port }] of namedPorts.entries()) {
    const field = `namedPorts[${index}]`;
    if (!/^[a-z0-9-]{1,15}$/.test(name)) problems.add(`${field}.name`, 'must be 1-15 of a-z, 0-9, -');
    if (protocol !== 6 && protocol !== 17) problems.add(`${field}.protocol`, 'must be 6 or 17');
    if (port < 1 || port > 65535) problems.add(`${field}.port`, 'must be 1 to 65535');
  }
}
