import { ipFamily } from '@outboard/model';
import type { NetworkEntry, PortEntry } from '../entries.js';

/** Ports of a network that policies treat alike, but for addresses: nobody can tell them apart by what they are. */
export interface PortClass {
  readonly key: string;
  readonly network: NetworkEntry;
  readonly ports: Set<PortEntry>;
}

/** Every port in its class, kept as ports and policies change: what compares many ports compares classes. */
export class PortClasses {
  readonly #byNetwork = new Map<NetworkEntry, Map<string, PortClass>>();
  readonly #of = new Map<PortEntry, PortClass>();

  /** The port is new, or something of it or of its policies is another. */
  put(port: PortEntry): void {
    const key = keyOf(port);
    const before = this.#of.get(port);
    if (before?.key === key) return;
    this.remove(port);
    const classes = this.#byNetwork.get(port.network) ?? new Map<string, PortClass>();
    this.#byNetwork.set(port.network, classes);
    const own = classes.get(key) ?? { key, network: port.network, ports: new Set() };
    classes.set(key, own);
    own.ports.add(port);
    this.#of.set(port, own);
  }

  remove(port: PortEntry): void {
    const own = this.#of.get(port);
    if (!own) return;
    this.#of.delete(port);
    own.ports.delete(port);
    if (own.ports.size > 0) return;
    const classes = this.#byNetwork.get(own.network);
    classes?.delete(own.key);
    if (classes?.size === 0) this.#byNetwork.delete(own.network);
  }

  of(port: PortEntry): PortClass | undefined {
    return this.#of.get(port);
  }

  in(network: NetworkEntry): Iterable<PortClass> {
    return this.#byNetwork.get(network)?.values() ?? [];
  }
}

/** Whether anything of the port comes in or goes out. */
export const isUp = ({ placement, record }: PortEntry): boolean =>
  placement !== undefined && record.resource.spec.adminState === 'UP';

/** All that rules may look at, besides addresses. */
function keyOf(port: PortEntry): string {
  const { policies, groups, record } = port;
  const { namedPorts } = record.resource.spec;
  const families = record.resource.status.addresses.map(({ ip }) => ipFamily(ip)).sort();
  return [
    isUp(port) ? 'up' : '',
    ...new Set(families),
    ...policies.map((policy) => policy.record.resource.metadata.uid),
    ...groups.map(({ id }) => id).sort(),
    ...namedPorts.map(({ name, protocol, port: number }) => `${name}=${protocol}${number}`),
  ].join(' ');
}
