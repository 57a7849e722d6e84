import { type Claim, functionIdentityKey, type Port } from '@outboard/model';

const portText = (tenant: string, name: string): string => `${tenant}/${name}`;

/**
 * Which port has bound which function: a projection of network-intent's ports, never the truth. It is taken over at
 * once, and what has changed is kept until the functions that show it are stored.
 */
export class Claims {
  readonly #byIdentity = new Map<string, Claim>();
  readonly #byPort = new Map<string, string>();
  readonly #changed = new Set<string>();

  /** Identities (as `functionIdentityKey` gives them) whose claim has changed and is not settled. */
  changed(): readonly string[] {
    return [...this.#changed];
  }

  /** The claims of these identities are stored. */
  settled(identities: readonly string[]): void {
    for (const identity of identities) this.#changed.delete(identity);
  }

  /** Takes over a port as it is now. */
  set({ metadata, spec }: Pick<Port, 'metadata' | 'spec'>): void {
    const { tenant, name } = metadata;
    if (spec.function) this.bind(functionIdentityKey(spec.function), { tenant, kind: 'Port', name });
    else this.remove(tenant, name);
  }

  bind(identity: string, claim: Claim): void {
    const port = portText(claim.tenant, claim.name);
    if (this.#byPort.get(port) === identity) return;
    this.remove(claim.tenant, claim.name);
    this.#byPort.set(port, identity);
    this.#byIdentity.set(identity, claim);
    this.#changed.add(identity);
  }

  remove(tenant: string, name: string): void {
    const identity = this.#byPort.get(portText(tenant, name));
    if (identity === undefined) return;
    this.#byPort.delete(portText(tenant, name));
    const holder = this.#byIdentity.get(identity);
    // Another port may have bound it before the removal of this one was seen here.
    if (holder?.tenant !== tenant || holder.name !== name) return;
    this.#byIdentity.delete(identity);
    this.#changed.add(identity);
  }

  holderOf(identity: string): Claim | undefined {
    return this.#byIdentity.get(identity);
  }

  /** Names of all ports that are projected, for dropping those that are gone. */
  ports(): readonly { tenant: string; name: string }[] {
    return [...this.#byPort.keys()].map((text) => {
      const slash = text.indexOf('/');
      return { tenant: text.slice(0, slash), name: text.slice(slash + 1) };
    });
  }
}
