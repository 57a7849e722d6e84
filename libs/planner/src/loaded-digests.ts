import { DocumentDigest } from '@outboard/contracts';
import type { SharedObject } from '@outboard/document-owner/documents';
import type { DpuEntry, NetworkEntry } from './entries.js';
import { objectsBesidePorts } from './placement.js';

/**
 * The digests of all DPUs' documents in a world that was just loaded. What a network has on every DPU is summed up once:
 * a DPU's is that, with its own ports' endpoints in the place of what others have of them. One by one, the ports of a network
 * of 100,000 on 1,000 DPUs would be 10^8.
 */
export class LoadedDigests {
  readonly #shared = new Map<NetworkEntry, DocumentDigest>();

  /** @param others objects that the document has beside those of routers, networks and ports. */
  of(dpu: DpuEntry, others: readonly SharedObject[]): DocumentDigest {
    const digest = new DocumentDigest();
    for (const object of [...objectsBesidePorts(dpu), ...others]) digest.plus(object.digest);
    for (const { network } of dpu.memberships.values()) {
      digest.plus(this.#sharedOf(network));
      const member = network.members.get(dpu.record.name);
      if (member?.peer && member.ports.size > 0) digest.minus(member.peer.digest);
      for (const { placement } of member?.ports ?? []) {
        if (placement?.remote) digest.minus(placement.remote.digest);
        if (placement) digest.plus(placement.endpoint.digest);
      }
    }
    return digest;
  }

  #sharedOf(network: NetworkEntry): DocumentDigest {
    let shared = this.#shared.get(network);
    if (shared) return shared;
    shared = new DocumentDigest();
    for (const { peer, ports } of network.members.values())
      if (peer && ports.size > 0) shared.plus(peer.digest);
    for (const { placement } of network.ports) if (placement?.remote) shared.plus(placement.remote.digest);
    this.#shared.set(network, shared);
    return shared;
  }
}
