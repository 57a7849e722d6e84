/** Who waits for what: a missing dependency is no timer's business, its appearance wakes those who need it. */
export class WakeIndex {
  readonly #waiters = new Map<string, Set<string>>();
  readonly #dependency = new Map<string, string>();

  /** `waiter` waits for `dependency`, and for nothing else any more. */
  wait(waiter: string, dependency: string): void {
    const current = this.#dependency.get(waiter);
    if (current === dependency) return;
    this.forget(waiter);
    this.#dependency.set(waiter, dependency);
    const waiters = this.#waiters.get(dependency);
    if (waiters === undefined) this.#waiters.set(dependency, new Set([waiter]));
    else waiters.add(waiter);
  }

  /** `waiter` waits no longer. */
  forget(waiter: string): void {
    const dependency = this.#dependency.get(waiter);
    if (dependency === undefined) return;
    this.#dependency.delete(waiter);
    const waiters = this.#waiters.get(dependency);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(dependency);
  }

  /** Takes and returns those who waited for it. */
  wake(dependency: string): readonly string[] {
    const waiters = this.#waiters.get(dependency);
    if (waiters === undefined) return [];
    this.#waiters.delete(dependency);
    for (const waiter of waiters) this.#dependency.delete(waiter);
    return [...waiters];
  }

  /** Takes and returns all who wait. */
  wakeAll(): readonly string[] {
    const waiters = [...this.#dependency.keys()];
    this.#dependency.clear();
    this.#waiters.clear();
    return waiters;
  }

  get size(): number {
    return this.#dependency.size;
  }
}
