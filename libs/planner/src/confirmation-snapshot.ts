import type { Name } from '@outboard/model';
import { confirm, expectConfirmation } from './confirmation.js';
import type { DpuEntry, RouterEntry } from './entries.js';
import { nameKey, type World } from './world.js';

/**
 * What DPUs have still to confirm of routers, their networks and their ports: not a function of the records, so that an
 * attempt that is undone must restore it.
 */
export class ConfirmationSnapshot {
  readonly #unconfirmed = new Map<DpuEntry, readonly (readonly [uid: string, sequence: number])[]>();
  /** By the network's key. */
  readonly #joining = new Map<string, ReadonlyMap<Name, number>>();
  /** By the router's key. */
  readonly #ofRouters = new Map<string, ReadonlyMap<Name, number>>();

  constructor(
    private readonly world: World,
    routers: Iterable<RouterEntry>,
  ) {
    for (const { tenant, name, unconfirmed, networks } of routers) {
      this.#ofRouters.set(nameKey(tenant, name), new Map(unconfirmed));
      for (const { record, joining, members } of networks) {
        this.#joining.set(nameKey(tenant, record.resource.metadata.name), new Map(joining));
        for (const { dpu } of members.values()) this.#note(dpu);
      }
    }
  }

  restore(): void {
    for (const [dpu, entries] of this.#unconfirmed) {
      for (const port of [...dpu.unconfirmed.keys()]) confirm(port, dpu);
      for (const [uid, sequence] of entries) {
        const port = this.world.portsByUid.get(uid);
        if (port) expectConfirmation(port, dpu, sequence);
      }
    }
    for (const [key, joining] of this.#joining) replace(this.world.networks.get(key)?.joining, joining);
    for (const [key, unconfirmed] of this.#ofRouters) {
      replace(this.world.routers.get(key)?.unconfirmed, unconfirmed);
    }
  }

  #note(dpu: DpuEntry): void {
    if (this.#unconfirmed.has(dpu)) return;
    const entries = [...dpu.unconfirmed].map(
      ([port, sequence]) => [port.record.resource.metadata.uid, sequence] as const,
    );
    this.#unconfirmed.set(dpu, entries);
  }
}

function replace(target: Map<Name, number> | undefined, source: ReadonlyMap<Name, number>): void {
  target?.clear();
  for (const [name, sequence] of source) target?.set(name, sequence);
}
