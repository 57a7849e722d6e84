import type { IpAddress, Name } from '@outboard/model';
import type { RetentionRecord } from '../records.js';

/** Addresses of one subnet that are kept; at most one for a name. Reached only where ports of ever new names come and go. */
export const MAX_RETENTIONS_PER_SUBNET = 4096;

/** The addresses of a subnet that are kept for ports that are gone. */
export class Retentions {
  readonly #byPort = new Map<Name, RetentionRecord>();
  readonly #byAddress = new Map<IpAddress, RetentionRecord>();

  get size(): number {
    return this.#byPort.size;
  }

  addresses(): Iterable<IpAddress> {
    return this.#byAddress.keys();
  }

  values(): Iterable<RetentionRecord> {
    return this.#byPort.values();
  }

  has(address: IpAddress): boolean {
    return this.#byAddress.has(address);
  }

  of(address: IpAddress): RetentionRecord | undefined {
    return this.#byAddress.get(address);
  }

  for(port: Name): RetentionRecord | undefined {
    return this.#byPort.get(port);
  }

  /** The one that is given up before the others, of those that may be; depends on nothing but what is kept. */
  first(mayBe: (record: RetentionRecord) => boolean = () => true): RetentionRecord | undefined {
    let first: RetentionRecord | undefined;
    for (const record of this.#byPort.values()) {
      if (first && (record.until - first.until || (record.port < first.port ? -1 : 1)) > 0) continue;
      if (mayBe(record)) first = record;
    }
    return first;
  }

  add(record: RetentionRecord): void {
    this.#byPort.set(record.port, record);
    this.#byAddress.set(record.address, record);
  }

  delete({ port, address }: RetentionRecord): void {
    this.#byPort.delete(port);
    this.#byAddress.delete(address);
  }
}
