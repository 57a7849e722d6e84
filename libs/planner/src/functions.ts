import { invariant } from '@outboard/core';
import { functionIdentityKey } from '@outboard/model';
import type { FunctionRecord } from './records.js';

/** The functions that admin has told of, found by name, identity and DPU. */
export class Functions {
  readonly #byName = new Map<string, FunctionRecord>();
  /** In the order of their names: the first has the identity, should admin ever tell two. */
  readonly #byIdentity = new Map<string, readonly FunctionRecord[]>();
  readonly #byDpu = new Map<string, Set<FunctionRecord>>();

  get size(): number {
    return this.#byName.size;
  }

  keys(): IterableIterator<string> {
    return this.#byName.keys();
  }

  values(): IterableIterator<FunctionRecord> {
    return this.#byName.values();
  }

  get(name: string): FunctionRecord | undefined {
    return this.#byName.get(name);
  }

  withIdentity(identity: string): FunctionRecord | undefined {
    return this.#byIdentity.get(identity)?.[0];
  }

  ofDpu(dpu: string): Iterable<FunctionRecord> {
    return this.#byDpu.get(dpu) ?? [];
  }

  put(record: FunctionRecord): void {
    if (this.#byName.has(record.name)) this.remove(record.name);
    this.#byName.set(record.name, record);
    const identity = functionIdentityKey(record.identity);
    const others = this.#byIdentity.get(identity) ?? [];
    const sorted = [...others, record].sort((left, right) => (left.name < right.name ? -1 : 1));
    this.#byIdentity.set(identity, sorted);
    const ofDpu = this.#byDpu.get(record.dpu);
    if (ofDpu) ofDpu.add(record);
    else this.#byDpu.set(record.dpu, new Set([record]));
  }

  remove(name: string): void {
    const record = this.#byName.get(name);
    invariant(record, `function ${name} is known`);
    this.#byName.delete(name);
    const identity = functionIdentityKey(record.identity);
    const others = (this.#byIdentity.get(identity) ?? []).filter((other) => other !== record);
    if (others.length > 0) this.#byIdentity.set(identity, others);
    else this.#byIdentity.delete(identity);
    const ofDpu = this.#byDpu.get(record.dpu);
    ofDpu?.delete(record);
    if (ofDpu?.size === 0) this.#byDpu.delete(record.dpu);
  }
}
