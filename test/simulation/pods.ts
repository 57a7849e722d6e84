import { type SimFabric, SimHost } from '@outboard/dataplane';
import type { Port } from '@outboard/model';

/** Where a function's representor is. */
export interface Place {
  readonly dpu: string;
  readonly representor: string;
}

interface Pod {
  readonly port: Port;
  readonly host: SimHost;
}

/** Told of every probe, by its sort. */
type Count = (what: string) => void;

/** A pod for each port that is bound, where its function is, and what frames between them show. */
export class Pods {
  readonly #fabric: SimFabric;
  readonly #pods: readonly Pod[];

  /** Behind `functions` that no port has bound is nobody from now on. */
  constructor(fabric: SimFabric, functions: readonly Place[], ports: readonly Port[]) {
    this.#fabric = fabric;
    for (const { dpu, representor } of functions) fabric.detach(dpu, representor);
    this.#pods = ports.flatMap((port) => {
      const { dpu, representor, macAddress, addresses } = port.status;
      if (dpu === undefined || representor === undefined || macAddress === undefined) return [];
      const host = new SimHost({ macAddress, addresses });
      fabric.attach(dpu, representor, host);
      return [{ port, host }];
    });
  }

  /** Who reaches another tenant, whatever happens; undefined: nobody. */
  trespass(count: Count): string | undefined {
    for (const [from, to] of this.#pairs()) {
      if (from.port.metadata.tenant === to.port.metadata.tenant) continue;
      for (const { ip } of to.port.status.addresses) {
        count('probe of another tenant');
        const { arrived } = this.#fabric.probe(from.host, { destination: ip, protocol: 'UDP', port: 9 });
        if (arrived) return `${from.port.metadata.name} reached ${ip} of another tenant`;
      }
    }
    return undefined;
  }

  /** Where ports of a network do not reach each other at rest, or one that is down is reached; undefined: nowhere. */
  misreach(count: Count): string | undefined {
    for (const [from, to] of this.#pairs()) {
      if (from === to || from.port.metadata.tenant !== to.port.metadata.tenant) continue;
      const isUp = [from, to].every(({ port }) => port.spec.adminState !== 'DOWN');
      for (const { ip } of to.port.status.addresses) {
        count(isUp ? 'probe of a neighbour' : 'probe of a port that is down');
        const probe = { destination: ip, protocol: 'TCP', port: 80 } as const;
        const { answered, path } = this.#fabric.probe(from.host, probe);
        if (answered === isUp) continue;
        const does = answered ? 'reaches' : 'does not reach';
        const way = path.map(({ dpu, inPort, flows }) => `${dpu} ${inPort}: ${flows.join(' ')}`).join('; ');
        return `${from.port.metadata.name} ${does} ${to.port.metadata.name} at ${ip} (${way})`;
      }
    }
    return undefined;
  }

  #pairs(): (readonly [Pod, Pod])[] {
    return this.#pods.flatMap((from) => this.#pods.map((to) => [from, to] as const));
  }
}
