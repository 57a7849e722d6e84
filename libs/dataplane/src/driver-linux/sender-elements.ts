import { formatIp, formatLinkAddress, parseLinkAddress } from '@outboard/netlink';
import { textOf } from '../bytes-text.js';
import { formatPrefix, parsePrefix, prefixBounds } from '../realise/addresses.js';
import { GUARD_SETS } from '../realise/guard-table.js';

/** A sender as elements of the guard's sets: concatenations, each part padded to four bytes. */
export interface SenderElement {
  readonly set: string;
  readonly key: Uint8Array;
  /** Last of the interval, in sets of prefixes. */
  readonly keyEnd?: Uint8Array;
}

/** IFNAMSIZ, and the MAC address padded to a multiple of four. */
const NAME_LENGTH = 16;
const MAC_LENGTH = 8;
const SOURCE_OFFSET = NAME_LENGTH + MAC_LENGTH;

/** The elements of a sender; an IPv6 one may also be the target of neighbour advertisements. */
export function senderElements(port: string, mac: string, source: string | undefined): SenderElement[] {
  if (source === undefined) return [{ set: GUARD_SETS.macs, key: elementKey(port, mac) }];
  const prefix = parsePrefix(source);
  if (prefix === undefined) throw new Error(`${source} is no address or prefix`);
  const { first, last } = prefixBounds(prefix);
  const key = elementKey(port, mac, first);
  const single = prefix.length === prefix.bits;
  const ends = single ? {} : { keyEnd: elementKey(port, mac, last) };
  const { ipv4, ipv4Prefixes, ipv6, ipv6Prefixes, targets, targetPrefixes } = GUARD_SETS;
  if (prefix.bits === 32) return [{ set: single ? ipv4 : ipv4Prefixes, key, ...ends }];
  return [
    { set: single ? ipv6 : ipv6Prefixes, key, ...ends },
    { set: single ? targets : targetPrefixes, key, ...ends },
  ];
}

/** How many there are of a sender with that source. */
export const elementCount = (source: string | undefined): number => (source?.includes(':') ? 2 : 1);

/** Who an element is about; undefined for one that is no element of these sets. */
export function senderOf({
  key,
  keyEnd,
}: Pick<SenderElement, 'key' | 'keyEnd'>):
  | { readonly port: string; readonly mac: string; readonly source?: string }
  | undefined {
  if (key.length < SOURCE_OFFSET) return undefined;
  const nul = key.indexOf(0);
  const port = textOf(key, 0, nul < 0 || nul > NAME_LENGTH ? NAME_LENGTH : nul);
  const mac = formatLinkAddress(key, NAME_LENGTH, 6);
  const length = key.length - SOURCE_OFFSET;
  if (length === 0) return { port, mac };
  if (length !== 4 && length !== 16) return undefined;
  const address = formatIp(key, SOURCE_OFFSET, length);
  if (keyEnd === undefined) return { port, mac, source: address };
  return {
    port,
    mac,
    source: formatPrefix({ address, length: prefixLength(key, keyEnd), bits: length === 4 ? 32 : 128 }),
  };
}

function elementKey(port: string, mac: string, source: Uint8Array = new Uint8Array()): Uint8Array {
  const key = Buffer.alloc(SOURCE_OFFSET + source.length);
  key.write(port, 0, NAME_LENGTH);
  parseLinkAddress(mac, key, NAME_LENGTH);
  key.set(source, SOURCE_OFFSET);
  return key;
}

/** How many leading bits the first and the last address of a prefix have in common. */
function prefixLength(first: Uint8Array, last: Uint8Array): number {
  for (let index = SOURCE_OFFSET; index < first.length; index++) {
    const difference = (first[index] ?? 0) ^ (last[index] ?? 0);
    if (difference !== 0) return (index - SOURCE_OFFSET) * 8 + Math.clz32(difference) - 24;
  }
  return (first.length - SOURCE_OFFSET) * 8;
}
