/** As an intent names it. */
export interface SessionName {
  readonly tenant: string;
  readonly name: string;
}

/** A session that something on this machine may use. */
export interface HeldSession extends SessionName {
  /** SHA-256 of the token that was drawn for it here, 32 bytes. */
  readonly tokenDigest: Uint8Array;
}

/** What runs on this machine and uses sessions with tokens that never left it. */
export class LocalHolders {
  readonly #held = new Map<string, readonly HeldSession[]>();

  /** Has a holder use these and no others; the sessions that this may change something for. */
  set(holder: string, sessions: readonly HeldSession[]): readonly SessionName[] {
    const before = this.#held.get(holder) ?? [];
    if (sessions.length === 0) this.#held.delete(holder);
    else this.#held.set(holder, sessions);
    return [
      ...before.filter((each) => !sessions.some((other) => isSame(each, other))),
      ...sessions.filter((each) => !before.some((other) => isSame(each, other))),
    ];
  }

  tokenDigestsOf({ tenant, name }: SessionName): readonly Uint8Array[] {
    return [...this.#held.values()]
      .flat()
      .filter((each) => each.tenant === tenant && each.name === name)
      .map(({ tokenDigest }) => tokenDigest);
  }
}

const isSame = (one: HeldSession, other: HeldSession): boolean =>
  one.tenant === other.tenant &&
  one.name === other.name &&
  Buffer.compare(one.tokenDigest, other.tokenDigest) === 0;
