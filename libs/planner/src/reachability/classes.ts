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
  /** By tenant and key: classes of several networks that are alike. */
  readonly #alike = new Map<string, Map<string, Set<PortClass>>>();
  readonly #of = new Map<PortEntry, PortClass>();

  /** The port is new, or something of it or of its policies is another. */
  put(port: PortEntry): void {
    const key = keyOf(port);
    const before = this.#of.get(port);
    if (before?.key === key) return;
    this.remove(port);
    const classes = this.#byNetwork.get(port.network) ?? new Map<string, PortClass>();
    this.#byNetwork.set(port.network, classes);
    const own = classes.get(key) ?? this.#make(key, port.network);
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
    this.#forget(own);
    if (classes?.size === 0) this.#byNetwork.delete(own.network);
  }

  of(port: PortEntry): PortClass | undefined {
    return this.#of.get(port);
  }

  in(network: NetworkEntry): Iterable<PortClass> {
    return this.#byNetwork.get(network)?.values() ?? [];
  }

  find(network: NetworkEntry, key: string): PortClass | undefined {
    return this.#byNetwork.get(network)?.get(key);
  }

  /** The classes of all networks of a tenant by their keys. */
  ofTenant(tenant: string): Iterable<readonly [key: string, classes: Iterable<PortClass>]> {
    return this.#alike.get(tenant) ?? [];
  }

  #make(key: string, network: NetworkEntry): PortClass {
    const { tenant } = network.record.resource.metadata;
    const ofTenant = this.#alike.get(tenant) ?? new Map<string, Set<PortClass>>();
    this.#alike.set(tenant, ofTenant);
    const own = { key, network, ports: new Set<PortEntry>() };
    ofTenant.set(key, (ofTenant.get(key) ?? new Set<PortClass>()).add(own));
    return own;
  }

  #forget(own: PortClass): void {
    const { tenant } = own.network.record.resource.metadata;
    const ofTenant = this.#alike.get(tenant);
    const alike = ofTenant?.get(own.key);
    alike?.delete(own);
    if (alike?.size === 0) ofTenant?.delete(own.key);
    if (ofTenant?.size === 0) this.#alike.delete(tenant);
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
