import type { AddressReservation as AddressReservationMessage } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { atMost, distinct, optional, required } from '../../fields.js';
import { type IpAddress, rangeContains } from '../../ip.js';
import { type Parser, parseName } from '../../values.js';
import { allocationRange } from './ranges.js';
import type { AddressReservation, AllocationRange } from './spec.js';

export const MAX_RESERVATIONS = 256;

const FIELD = 'spec.reservations';

export function parseReservations(
  messages: readonly AddressReservationMessage[],
  parseHostAddress: Parser<string, IpAddress>,
  problems: Problems,
): (AddressReservation | undefined)[] {
  if (!atMost(problems, FIELD, messages, MAX_RESERVATIONS)) return [undefined];
  const parsed = messages.map((message, index): AddressReservation | undefined => {
    const field = `${FIELD}[${index}]`;
    const name = required(problems, `${field}.name`, message.name, parseName);
    const ip = required(problems, `${field}.ip`, message.ip, parseHostAddress);
    const port = optional(problems, `${field}.port`, message.port, parseName);
    return name && ip && { name, ip, port };
  });
  for (const key of ['name', 'ip', 'port'] as const) {
    distinct(
      problems,
      parsed,
      (reservation) => reservation?.[key],
      (index) => `${FIELD}[${index}].${key}`,
    );
  }
  return parsed;
}

/** What is set aside can be had by somebody. */
export function checkReservations(
  reservations: readonly (AddressReservation | undefined)[],
  gateway: IpAddress,
  excluded: readonly AllocationRange[],
  problems: Problems,
): void {
  const ranges = excluded.map(allocationRange);
  for (const [index, reservation] of reservations.entries()) {
    if (!reservation) continue;
    const field = `${FIELD}[${index}].ip`;
    if (reservation.ip === gateway) problems.add(field, `must not be the gateway, ${gateway}`);
    const range = ranges.findIndex((each) => rangeContains(each, reservation.ip));
    if (range >= 0) problems.add(field, `must not be in spec.excludedRanges[${range}]`);
  }
}
