import { ipBytes } from '@outboard/netlink';

/** Whether an address is in the network of another one that has the length of its prefix. Both must be addresses. */
export function isWithin(addressWithLength: string, ip: string): boolean {
  const slash = addressWithLength.indexOf('/');
  const network = ipBytes(addressWithLength.slice(0, slash));
  const bytes = ipBytes(ip);
  if (network.length !== bytes.length) return false;
  let bits = Number(addressWithLength.slice(slash + 1));
  for (let index = 0; bits > 0; index++, bits -= 8) {
    const mask = bits >= 8 ? 0xff : 0xff << (8 - bits);
    if ((((network[index] ?? 0) ^ (bytes[index] ?? 0)) & mask & 0xff) !== 0) return false;
  }
  return true;
}
