const EMPTY: ReadonlySet<string> = new Set();

/** Members by group; a group without members is none. */
export class Groups {
  readonly #members = new Map<string, Set<string>>();

  of(group: string): ReadonlySet<string> {
    return this.#members.get(group) ?? EMPTY;
  }

  /** Groups that have members. */
  get names(): readonly string[] {
    return [...this.#members.keys()];
  }

  add(group: string, member: string): void {
    const members = this.#members.get(group) ?? new Set();
    this.#members.set(group, members.add(member));
  }

  remove(group: string, member: string): void {
    const members = this.#members.get(group);
    members?.delete(member);
    if (members?.size === 0) this.#members.delete(group);
  }
}
