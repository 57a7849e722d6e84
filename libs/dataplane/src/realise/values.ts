import type { AllowedAddressPair } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import type { Underlay } from '../driver.js';
import { canonicalAddress, parsePrefix } from './addresses.js';
import { NULL_MAC } from './linux-keys.js';
import { ipVersion } from './realise-encapsulation.js';
import type { Pair } from './segment.js';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

export function macAddress(field: string, text: string, problems: Problems): string {
  const mac = text.toLowerCase();
  if (!MAC.test(mac) || mac === NULL_MAC || Number.parseInt(mac.slice(0, 2), 16) & 1) {
    problems.add(field, 'must be a unicast MAC address such as 02:00:5e:00:10:05');
  }
  return mac;
}

export function ipAddress(field: string, text: string, problems: Problems): string {
  const address = canonicalAddress(text);
  if (address === undefined) problems.add(field, 'must be an IP address');
  return address ?? '';
}

export const ipAddresses = (texts: readonly string[], problems: Problems): string[] =>
  texts.map((text, index) => ipAddress(`ipAddresses[${index}]`, text, problems));

export function tunnelDestination(text: string, underlay: Underlay | undefined, problems: Problems): string {
  const address = canonicalAddress(text);
  if (address === undefined) problems.add('tunnelEndpoint', 'must be an IP address');
  else if (underlay !== undefined && ipVersion(address) !== ipVersion(underlay.address))
    problems.add('tunnelEndpoint', `must be of the same family as the underlay's ${underlay.address}`);
  return address ?? '';
}

export function addressPairs(pairs: readonly AllowedAddressPair[], own: string, problems: Problems): Pair[] {
  return pairs.flatMap(({ ip, macAddress: text }, index) => {
    const field = `allowedAddressPairs[${index}]`;
    const source = parsePrefix(ip);
    if (source === undefined) problems.add(`${field}.ip`, 'must be an IP address or prefix');
    const mac = text === '' ? own : macAddress(`${field}.macAddress`, text, problems);
    return source === undefined ? [] : [{ mac, source }];
  });
}
