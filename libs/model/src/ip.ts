import type { Brand } from '@outboard/core';

/** 4 or 6, as in "IPv4". */
export type IpFamily = 4 | 6;

/** An IPv4 address, or an IPv6 address in the form of RFC 5952. Equal addresses are equal strings. */
export type IpAddress = Brand<string, 'IpAddress'>;

/** An address without host bits, `/` and the prefix length (`10.0.1.0/24`). Equal prefixes are equal strings. */
export type IpPrefix = Brand<string, 'IpPrefix'>;
