import type { Port } from '@outboard/model';

/** What of a port its workload is given. */
export interface PortFacts {
  readonly uid: string;
  /** Undefined: not planned on a DPU at present. */
  readonly dpu: string | undefined;
  readonly representor: string;
  readonly macAddress: string;
  readonly mtu: number;
  /** With prefix length. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
}

const keyOf = (tenant: string, name: string): string => `${tenant}/${name}`;

/**
 * Ports for workloads: a projection of network-intent's, of those alone whose function a DPU has made for itself. What
 * was never told is unknown, as after a start; what is gone is known to be gone.
 */
export class WorkloadPorts {
  readonly #facts = new Map<string, PortFacts | 'gone'>();

  get(tenant: string, name: string): PortFacts | 'gone' | undefined {
    return this.#facts.get(keyOf(tenant, name));
  }

  /**
   * Whether a port as it is now (undefined: gone) is another than it was; of those for others nothing has to be known.
   *
   * @param isNamed a workload names it.
   */
  isNews(tenant: string, name: string, port: Port | undefined, isNamed: boolean): boolean {
    const before = this.#facts.get(keyOf(tenant, name));
    const after = (port && factsOf(port)) ?? 'gone';
    if (before === undefined && after === 'gone') return isNamed;
    return JSON.stringify(before) !== JSON.stringify(after);
  }

  /** Takes over a port as it is now. */
  set(tenant: string, name: string, port: Port | undefined, isNamed: boolean): void {
    const facts = port && factsOf(port);
    if (facts !== undefined || isNamed) this.#facts.set(keyOf(tenant, name), facts ?? 'gone');
    else this.#facts.delete(keyOf(tenant, name));
  }
}

function factsOf({ metadata, spec, status }: Port): PortFacts | undefined {
  if (spec.function?.sfNumber === undefined) return undefined;
  const isPlanned = status.dpu !== undefined && status.representor !== undefined && status.mtu !== undefined;
  return {
    uid: metadata.uid,
    dpu: isPlanned ? status.dpu : undefined,
    representor: status.representor ?? '',
    macAddress: status.macAddress ?? '',
    mtu: status.mtu ?? 0,
    addresses: status.addresses.map(({ ip, prefixLength }) => `${ip}/${prefixLength}`),
    gateways: status.addresses.flatMap(({ gateway }) => gateway ?? []),
  };
}
