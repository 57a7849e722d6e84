/**
 * Where a worker keeps what must outlive it: its sealing key, sealed keys that it made, nonces that are used up. Names are
 * of `a-z`, `0-9`, `-`, `.`. It must be readable by nobody else.
 */
export interface KeyStorage {
  read(name: string): Promise<Uint8Array | undefined>;
  /** Resolves when it would be there after a crash of the machine. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

/** For tests, and for whoever keeps nothing. */
export class MemoryKeyStorage implements KeyStorage {
  readonly records = new Map<string, Uint8Array>();

  read(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.records.get(name));
  }

  write(name: string, bytes: Uint8Array): Promise<void> {
    this.records.set(name, Uint8Array.from(bytes));
    return Promise.resolve();
  }

  remove(name: string): Promise<void> {
    this.records.delete(name);
    return Promise.resolve();
  }
}
