import {
  type Dpu,
  type DpuFunction,
  functionIdentityKey,
  functionIdentityOf,
  type SerialNumber,
} from '@outboard/model';

export type InventoryResource = Dpu | DpuFunction;

/** DPUs and functions with everything by which they are looked up. */
export class InventoryTables {
  readonly #dpus = new Map<string, Dpu>();
  readonly #functions = new Map<string, DpuFunction>();
  readonly #dpuNames = new Map<SerialNumber, string>();
  /** Names of the functions of a DPU, and of those that have an identity. */
  readonly #ofDpu = new Map<string, Set<string>>();
  readonly #ofIdentity = new Map<string, Set<string>>();

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

  /** Functions with an identity as `functionIdentityKey` gives it. */
  functionsWith(identity: string): DpuFunction[] {
    return this.#named(this.#ofIdentity.get(identity));
  }

  clear(): void {
    for (const table of [this.#dpus, this.#functions, this.#dpuNames, this.#ofDpu, this.#ofIdentity]) {
      table.clear();
    }
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
    this.#functions.delete(name);
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

/** What a worker has presented, or else what one must present. */
export const serialNumberOf = ({ spec, status }: Dpu): SerialNumber | undefined =>
  status.serialNumber ?? spec.serialNumber;
