import { invariant } from '@outboard/core';
import type { MacAddress, Uid } from '@outboard/model';

/** Addresses that `macAddressOf` tries: more than a network can have taken. */
const MAX_ATTEMPTS = 2 ** 20;

/**
 * A locally administered unicast address (IEEE 802, section 8.4) made of the random end of a port's uid: the same uid
 * gives the same address, on every machine. The next one is tried while `isTaken`.
 */
export function macAddressOf(uid: Uid, isTaken: (address: MacAddress) => boolean): MacAddress {
  const digits = uid.slice(-12);
  const first = (parseInt(digits.slice(0, 2), 16) & 0xfc) | 0x02;
  const start = parseInt(digits.slice(2), 16);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const address = format(first, (start + attempt) % 2 ** 40);
    if (!isTaken(address)) return address;
  }
  invariant(false, 'a network has fewer ports than locally administered addresses');
}

function format(first: number, rest: number): MacAddress {
  const digits = first.toString(16).padStart(2, '0') + rest.toString(16).padStart(10, '0');
  return [0, 2, 4, 6, 8, 10].map((start) => digits.slice(start, start + 2)).join(':') as MacAddress;
}
