import {
  type IpAddress,
  type IpFamily,
  type IpRange,
  ipFamily,
  ipFromNumber,
  ipToNumber,
  rangeContains,
} from '@outboard/model';
import { LowestFree } from './lowest-free.js';

/** Offsets are plain numbers: of an IPv6 range, more than any subnet will ever use. */
const MAX_ADDRESSES = 2n ** 52n;

interface Segment {
  readonly first: bigint;
  readonly last: bigint;
  /** Number of `first` among the addresses of the pool. */
  readonly offset: number;
}

/** The addresses of a subnet that may be allocated, and which of them are taken. */
export class AddressPool {
  readonly #family: IpFamily;
  readonly #segments: readonly Segment[];
  readonly #numbers: LowestFree;
  /** How many addresses it has, free or taken. */
  readonly size: number;

  /** `ranges` are of one family and may overlap; `gateway` is never allocated. */
  constructor(ranges: readonly IpRange[], gateway: IpAddress | undefined) {
    this.#family = ranges[0]?.family ?? 4;
    const segments: Segment[] = [];
    let size = 0n;
    for (const range of merge(ranges)) {
      const last = bigintMin(range.last, range.first + MAX_ADDRESSES - size - 1n);
      if (last < range.first) break;
      segments.push({ first: range.first, last, offset: Number(size) });
      size += last - range.first + 1n;
    }
    this.#segments = segments;
    this.size = Number(size);
    this.#numbers = new LowestFree(this.size);
    if (gateway !== undefined) this.take(gateway);
  }

  get free(): number {
    return this.size - this.#numbers.taken;
  }

  has(address: IpAddress): boolean {
    return this.#numberOf(address) !== undefined;
  }

  /** The lowest address that is free; undefined: all are taken. */
  lowest(): IpAddress | undefined {
    const number = this.#numbers.lowest();
    if (number === undefined) return undefined;
    const segment = this.#segments.findLast(({ offset }) => offset <= number);
    if (!segment) return undefined;
    return ipFromNumber(this.#family, segment.first + BigInt(number - segment.offset));
  }

  /** Addresses outside the pool's ranges are not counted. */
  take(address: IpAddress): void {
    const number = this.#numberOf(address);
    if (number !== undefined) this.#numbers.take(number);
  }

  release(address: IpAddress): void {
    const number = this.#numberOf(address);
    if (number !== undefined) this.#numbers.release(number);
  }

  #numberOf(address: IpAddress): number | undefined {
    if (ipFamily(address) !== this.#family) return undefined;
    const value = ipToNumber(address);
    const segment = this.#segments.find(({ first, last }) => first <= value && value <= last);
    return segment && segment.offset + Number(value - segment.first);
  }
}

/** The same addresses in ascending order, each once. */
function merge(ranges: readonly IpRange[]): IpRange[] {
  const merged: IpRange[] = [];
  for (const range of [...ranges].sort((left, right) => (left.first < right.first ? -1 : 1))) {
    const previous = merged.at(-1);
    if (previous && range.first <= previous.last + 1n) {
      merged[merged.length - 1] = {
        ...previous,
        last: previous.last > range.last ? previous.last : range.last,
      };
    } else merged.push(range);
  }
  return merged;
}

const bigintMin = (left: bigint, right: bigint): bigint => (left < right ? left : right);

/** Whether any of the ranges has the address. */
export const anyContains = (ranges: readonly IpRange[], address: IpAddress): boolean =>
  ranges.some((range) => rangeContains(range, address));
