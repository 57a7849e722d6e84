import type { Name } from '@outboard/model';
import { confirm, expectConfirmation } from './confirmation.js';
import type { DpuEntry, NetworkEntry } from './entries.js';
import { nameKey, type World } from './world.js';

/**
 * What the DPUs of networks have still to confirm: not a function of the records, so that an attempt that is undone
 * must restore it.
 */
export class ConfirmationSnapshot {
  readonly #unconfirmed = new Map<DpuEntry, readonly (readonly [uid: string, sequence: number])[]>();
  readonly #joining = new Map<string, ReadonlyMap<Name, number>>();

  constructor(
    private readonly world: World,
    networks: Iterable<NetworkEntry>,
  ) {
    for (const { record, members, joining } of networks) {
      const { tenant, name } = record.resource.metadata;
      this.#joining.set(nameKey(tenant, name), new Map(joining));
      for (const { dpu } of members.values()) {
        if (this.#unconfirmed.has(dpu)) continue;
        const entries = [...dpu.unconfirmed].map(
          ([port, sequence]) => [port.record.resource.metadata.uid, sequence] as const,
        );
        this.#unconfirmed.set(dpu, entries);
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
    for (const [key, before] of this.#joining) {
      const joining = this.world.networks.get(key)?.joining;
      joining?.clear();
      for (const [name, sequence] of before) joining?.set(name, sequence);
    }
  }
}
