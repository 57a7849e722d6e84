/** One operation of a key at a time, in the order in which they came; different keys in parallel. */
export class KeyLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  isHeld(key: string): boolean {
    return this.#tails.has(key);
  }

  run<Value>(key: string, operation: () => Promise<Value>): Promise<Value> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(operation, operation);
    const tail = result.catch(() => {});
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }

  /** Resolves when nothing that has begun by now is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
