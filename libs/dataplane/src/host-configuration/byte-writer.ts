import { ipBytes } from '@outboard/netlink';

/** 16 bits, in network order. */
export const uint16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff);

/** 32 bits, in network order. */
export const uint32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);

export const addresses = (texts: readonly string[]): Buffer => Buffer.concat(texts.map(ipBytes));

/** A DNS name in the wire form (RFC 1035 section 3.1). */
export const dnsName = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')])),
    Buffer.alloc(1),
  ]);
