import type { Name } from '@outboard/model';
import { confirm, expectConfirmation } from './confirmation.js';
import type { DpuEntry, NetworkEntry } from './entries.js';
import { nameKey, type World } from './world.js';

/**
 * What the DPUs of a network have still to confirm: not a function of the records, so that an attempt that is undone
 * must restore it.
 */
export class ConfirmationSnapshot {
  readonly #unconfirmed = new Map<DpuEntry, readonly (readonly [uid: string, sequence: number])[]>();
  readonly #network: string | undefined;
  readonly #joining: ReadonlyMap<Name, number>;

  constructor(
    private readonly world: World,
    network: NetworkEntry | undefined,
  ) {
    const metadata = network?.record.resource.metadata;
    this.#network = metadata && nameKey(metadata.tenant, metadata.name);
    this.#joining = new Map(network?.joining);
    for (const { dpu } of network?.members.values() ?? []) {
      const entries = [...dpu.unconfirmed].map(
        ([port, sequence]) => [port.record.resource.metadata.uid, sequence] as const,
      );
      this.#unconfirmed.set(dpu, entries);
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
    const network = this.#network === undefined ? undefined : this.world.networks.get(this.#network);
    if (!network) return;
    network.joining.clear();
    for (const [name, sequence] of this.#joining) network.joining.set(name, sequence);
  }
}
