import { type Claim, functionIdentityKey, type Port } from '@outboard/model';

/** Which port has bound which function: a projection of network-intent's ports, never the truth. */
export class Claims {
  readonly #byIdentity = new Map<string, Claim>();
  readonly #byPort = new Map<string, string>();

  /** Takes over a port as it is now; the identities whose claim has changed. */
  set(port: Pick<Port, 'metadata' | 'spec'>): readonly string[] {
    const { tenant, name } = port.metadata;
    const identity = port.spec.function && functionIdentityKey(port.spec.function);
    const before = this.#byPort.get(`${tenant}/${name}`);
    if (before === identity) return [];
    const changed = this.remove(tenant, name);
    if (identity === undefined) return changed;
    this.#byPort.set(`${tenant}/${name}`, identity);
    this.#byIdentity.set(identity, { tenant, kind: 'Port', name });
    return [...changed, identity];
  }

  remove(tenant: string, name: string): readonly string[] {
    const identity = this.#byPort.get(`${tenant}/${name}`);
    if (identity === undefined) return [];
    this.#byPort.delete(`${tenant}/${name}`);
    const holder = this.#byIdentity.get(identity);
    // Another port may have bound it before the removal of this one was seen here.
    if (holder?.tenant === tenant && holder.name === name) this.#byIdentity.delete(identity);
    return [identity];
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
