import { type IpAddress, type IpPrefix, ipFromNumber, ipToNumber, prefixAddress } from './ip.js';
import type { MacAddress } from './values.js';

/** Length of the prefixes in which hosts make addresses of their MAC address (RFC 4291 section 2.5.1). */
export const EUI64_PREFIX_LENGTH = 64;

/** The address that a host with that MAC address makes itself in an IPv6 prefix of length 64 (RFC 4291 appendix A). */
export function eui64Address(prefix: IpPrefix, macAddress: MacAddress): IpAddress {
  const [first = 0, ...rest] = macAddress.split(':').map((octet) => Number.parseInt(octet, 16));
  const octets = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const identifier = octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
  return ipFromNumber(6, ipToNumber(prefixAddress(prefix)) | identifier);
}
