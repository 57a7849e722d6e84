import type { IpFamily, NamedPort, Protocol, SecurityService } from '@outboard/model';

/**
 * What packets of one address family can ask for, as places on one line: 65,536 for each protocol, by destination port,
 * or by type and code of ICMP (of ICMPv6, in that family). Every other protocol is one place more.
 */
export interface Interval {
  readonly first: number;
  readonly last: number;
}

/** Sorted intervals that neither overlap nor touch within a protocol. */
export type Services = readonly Interval[];

const SIZE = 0x10000;
const OFFSETS: Readonly<Record<Protocol, number>> = { TCP: 0, UDP: SIZE, ICMP: 2 * SIZE, ICMPv6: 2 * SIZE };
const OTHER = 3 * SIZE;

export const NOTHING: Services = [];
export const EVERYTHING: Services = [{ first: 0, last: OTHER }];

/** A destination port or, of ICMP, type * 256 + code. */
export const placeOf = (protocol: Protocol, value: number): number => OFFSETS[protocol] + value;

/** Whether a protocol occurs in packets of that family. */
export const isOfFamily = (protocol: Protocol, family: IpFamily): boolean =>
  protocol === 'ICMP' ? family === 4 : protocol === 'ICMPv6' ? family === 6 : true;

/** What a rule's services mean for a destination with these named ports; no services: everything. */
export function servicesOf(
  services: readonly SecurityService[],
  namedPorts: readonly NamedPort[],
  family: IpFamily,
): Services {
  if (services.length === 0) return EVERYTHING;
  return union(services.flatMap((service) => intervalsOf(service, namedPorts, family)));
}

function intervalsOf(
  service: SecurityService,
  namedPorts: readonly NamedPort[],
  family: IpFamily,
): readonly Interval[] {
  if (service.protocol === 'any') return EVERYTHING;
  const { protocol } = service;
  if (!isOfFamily(protocol, family)) return NOTHING;
  const range = (first: number, last: number): Interval => ({
    first: placeOf(protocol, first),
    last: placeOf(protocol, last),
  });
  if ('type' in service) {
    const { type, code } = service;
    if (type === undefined) return [range(0, SIZE - 1)];
    return [range(type * 256 + (code ?? 0), type * 256 + (code ?? 255))];
  }
  const { ports } = service;
  if (ports === undefined) return [range(0, SIZE - 1)];
  if ('first' in ports) return [range(ports.first, ports.last)];
  return namedPorts
    .filter((named) => named.name === ports.name && named.protocol === protocol)
    .map(({ port }) => range(port, port));
}

function union(intervals: readonly Interval[]): Services {
  const sorted = intervals.toSorted((one, other) => one.first - other.first);
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of sorted) {
    const end = result.at(-1);
    if (end && first <= end.last + 1) end.last = Math.max(end.last, last);
    else result.push({ first, last });
  }
  return result;
}

export const either = (one: Services, other: Services): Services =>
  one.length === 0 ? other : other.length === 0 ? one : union([...one, ...other]);

export function both(one: Services, other: Services): Services {
  if (one === EVERYTHING) return other;
  if (other === EVERYTHING) return one;
  const result: Interval[] = [];
  for (const left of one) {
    for (const right of other) {
      const first = Math.max(left.first, right.first);
      const last = Math.min(left.last, right.last);
      if (first <= last) result.push({ first, last });
    }
  }
  return result;
}

/** What is in `one` and not in `other`. */
export function without(one: Services, other: Services): Services {
  let rest = one;
  for (const { first, last } of other) {
    rest = rest.flatMap((interval) => {
      if (interval.last < first || last < interval.first) return [interval];
      return [
        ...(interval.first < first ? [{ first: interval.first, last: first - 1 }] : []),
        ...(last < interval.last ? [{ first: last + 1, last: interval.last }] : []),
      ];
    });
  }
  return rest;
}

export const includes = (services: Services, place: number): boolean =>
  services.some(({ first, last }) => first <= place && place <= last);

/** One protocol's part of what is possible; without bounds: all of it. */
export interface ServiceRange {
  readonly protocol: Protocol | 'OTHER';
  /** Destination ports; of ICMP, type * 256 + code. */
  readonly first?: number;
  readonly last?: number;
}

/** Services in words, protocol by protocol. */
export function rangesOf(services: Services, family: IpFamily): readonly ServiceRange[] {
  const protocols = ['TCP', 'UDP', family === 4 ? 'ICMP' : 'ICMPv6'] as const;
  const ranges = protocols.flatMap((protocol): readonly ServiceRange[] => {
    const start = OFFSETS[protocol];
    return both(services, [{ first: start, last: start + SIZE - 1 }]).map(({ first, last }) =>
      last - first === SIZE - 1 ? { protocol } : { protocol, first: first - start, last: last - start },
    );
  });
  return includes(services, OTHER) ? [...ranges, { protocol: 'OTHER' }] : ranges;
}
