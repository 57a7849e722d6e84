/**
 * Which hops of service chains work, as whoever runs them sees it: by the uid of a port that they have. What nobody has
 * said anything of is up.
 */
export interface HopHealth {
  isUp(portUid: string): boolean;
  /** Tells every change until it is disposed. */
  watch(onChange: (portUid: string) => void): Disposable;
}

/** What somebody says of hops, for those who steer by it. */
export class HopHealthBoard implements HopHealth {
  readonly #down = new Set<string>();
  readonly #watchers = new Set<(portUid: string) => void>();

  isUp(portUid: string): boolean {
    return !this.#down.has(portUid);
  }

  /** Saying it again is no change. A hop that is gone for good is said to be up, so that nothing is kept of it. */
  report(portUid: string, state: 'up' | 'down'): void {
    if (this.isUp(portUid) === (state === 'up')) return;
    if (state === 'up') this.#down.delete(portUid);
    else this.#down.add(portUid);
    for (const watcher of this.#watchers) watcher(portUid);
  }

  watch(onChange: (portUid: string) => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => this.#watchers.delete(onChange) };
  }
}

/** What a realisation that depends on a hop's health refers to, among its neutral keys. */
export const hopKey = (portUid: string): string => `hop/${portUid}`;

/** The health of those of whom nobody tells any. */
export const ALL_HOPS_UP: HopHealth = new HopHealthBoard();
