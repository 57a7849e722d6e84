import {
  type Dpu,
  type DpuFunction,
  functionIdentityKey,
  functionIdentityOf,
  type SerialNumber,
} from '@outboard/model';

export type InventoryResource = Dpu | DpuFunction;

/** Those functions of a DPU that somebody has claimed: counted as they come and go, as each that does is asked about. */
export interface ClaimedFunctions {
  readonly count: number;
  /** Of these, those that their DPU shows. */
  readonly present: number;
  first(count: number): readonly DpuFunction[];
}

const NONE_CLAIMED: ClaimedFunctions = { count: 0, present: 0, first: () => [] };

/** DPUs and functions with everything by which they are looked up. */
export class InventoryTables {
  readonly #dpus = new Map<string, Dpu>();
  readonly #functions = new Map<string, DpuFunction>();
  readonly #dpuNames = new Map<SerialNumber, string>();
  /** Names of the functions of a DPU, and of those that have an identity. */
  readonly #ofDpu = new Map<string, Set<string>>();
  readonly #ofIdentity = new Map<string, Set<string>>();
  readonly #claimedOf = new Map<string, Claimed>();

  dpu(name: string): Dpu | undefined {
    return this.#dpus.get(name);
  }

  dpus(): Iterable<Dpu> {
    return this.#dpus.values();
  }

  function(name: string): DpuFunction | undefined {
    return this.#functions.get(name);
  }

  functions(): Iterable<DpuFunction> {
    return this.#functions.values();
  }

  /** The DPU that has presented this serial number, or must. */
  dpuWith(serialNumber: SerialNumber): Dpu | undefined {
    const name = this.#dpuNames.get(serialNumber);
    return name === undefined ? undefined : this.#dpus.get(name);
  }

  functionsOf(dpu: string): DpuFunction[] {
    return this.#named(this.#ofDpu.get(dpu));
  }

  claimedOf(dpu: string): ClaimedFunctions {
    return this.#claimedOf.get(dpu) ?? NONE_CLAIMED;
  }

  /** Functions with an identity as `functionIdentityKey` gives it. */
  functionsWith(identity: string): DpuFunction[] {
    return this.#named(this.#ofIdentity.get(identity));
  }

  clear(): void {
    const indexes = [this.#dpuNames, this.#ofDpu, this.#ofIdentity, this.#claimedOf];
    for (const table of [this.#dpus, this.#functions, ...indexes]) table.clear();
  }

  put(resource: InventoryResource): void {
    this.remove(resource.kind, resource.metadata.name);
    const { name } = resource.metadata;
    if (resource.kind === 'Dpu') {
      this.#dpus.set(name, resource);
      const serialNumber = serialNumberOf(resource);
      if (serialNumber !== undefined) this.#dpuNames.set(serialNumber, name);
    } else {
      this.#functions.set(name, resource);
      for (const [index, value] of this.#entriesOf(resource)) {
        const names = index.get(value);
        if (names) names.add(name);
        else index.set(value, new Set([name]));
      }
      this.#claimed(resource)?.add(resource);
    }
  }

  remove(kind: InventoryResource['kind'], name: string): void {
    if (kind === 'Dpu') {
      const dpu = this.#dpus.get(name);
      const serialNumber = dpu && serialNumberOf(dpu);
      if (serialNumber !== undefined) this.#dpuNames.delete(serialNumber);
      this.#dpus.delete(name);
      return;
    }
    const found = this.#functions.get(name);
    if (!found) return;
    for (const [index, value] of this.#entriesOf(found)) {
      const names = index.get(value);
      names?.delete(name);
      if (names?.size === 0) index.delete(value);
    }
    this.#claimed(found)?.delete(found);
    this.#functions.delete(name);
  }

  /** Where a function is counted that is claimed. */
  #claimed({ status: { claim, dpu } }: DpuFunction): Claimed | undefined {
    if (claim === undefined || dpu === undefined) return undefined;
    const known = this.#claimedOf.get(dpu) ?? new Claimed();
    this.#claimedOf.set(dpu, known);
    return known;
  }

  *#entriesOf({ status }: DpuFunction): Iterable<[Map<string, Set<string>>, string]> {
    if (status.dpu !== undefined) yield [this.#ofDpu, status.dpu];
    const identity = functionIdentityOf(status);
    if (identity) yield [this.#ofIdentity, functionIdentityKey(identity)];
  }

  #named(names: Iterable<string> = []): DpuFunction[] {
    const found: DpuFunction[] = [];
    for (const name of names) {
      const one = this.#functions.get(name);
      if (one !== undefined) found.push(one);
    }
    return found;
  }
}

class Claimed implements ClaimedFunctions {
  readonly #functions = new Map<string, DpuFunction>();
  present = 0;

  get count(): number {
    return this.#functions.size;
  }

  first(count: number): readonly DpuFunction[] {
    const first: DpuFunction[] = [];
    for (const each of this.#functions.values()) {
      if (first.length === count) break;
      first.push(each);
    }
    return first;
  }

  add(claimed: DpuFunction): void {
    this.#functions.set(claimed.metadata.name, claimed);
    if (isPresent(claimed)) this.present++;
  }

  delete(claimed: DpuFunction): void {
    if (this.#functions.delete(claimed.metadata.name) && isPresent(claimed)) this.present--;
  }
}

/** Its DPU shows it. */
export const isPresent = ({ status }: Pick<DpuFunction, 'status'>): boolean => status.state !== undefined;

/** What a worker has presented, or else what one must present. */
export const serialNumberOf = ({ spec, status }: Dpu): SerialNumber | undefined =>
  status.serialNumber ?? spec.serialNumber;
