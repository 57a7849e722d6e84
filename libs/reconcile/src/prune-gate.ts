/**
 * Decides when a leftover (marked as ours, wanted by nobody) may be removed: once the complete document of the owner
 * that its mark names is known; without a name, once those of all owners are. Until then it may still be wanted by a
 * document that has not arrived.
 */
export class PruneGate {
  readonly #unknown: Set<string>;
  readonly #owners: ReadonlySet<string>;

  constructor(owners: readonly string[]) {
    this.#owners = new Set(owners);
    this.#unknown = new Set(owners);
  }

  /** The owner's complete document is known now. */
  complete(owner: string): void {
    this.#unknown.delete(owner);
  }

  /** True for an owner whose complete document is known. */
  isComplete(owner: string): boolean {
    return this.#owners.has(owner) && !this.#unknown.has(owner);
  }

  /** May a leftover go that is marked with this owner, or with none? An owner that nobody knows never loses anything. */
  allows(owner: string | undefined): boolean {
    return owner === undefined ? this.#unknown.size === 0 : this.isComplete(owner);
  }
}
