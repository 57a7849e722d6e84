import type { Dns } from './configuration.js';
import { isRecord, type JsonRecord } from './json.js';
import { type CniVersion, isAtLeast } from './version.js';

export interface ConnectedAddress {
  readonly ip: string;
  readonly prefixLength: number;
  readonly gateway: string | undefined;
}

/** What a pod's interface has. */
export interface Connection {
  readonly macAddress: string;
  /** Bytes. */
  readonly mtu: number;
  readonly addresses: readonly ConnectedAddress[];
  /** Gateways of its default routes, at most one of a family. */
  readonly defaultGateways: readonly string[];
  readonly dns: Dns;
}

const familyOf = (ip: string): 4 | 6 => (ip.includes(':') ? 6 : 4);

/** The first gateway of each family. */
export function defaultGatewaysOf(addresses: readonly ConnectedAddress[]): string[] {
  const gateways = new Map<4 | 6, string>();
  for (const { gateway } of addresses) {
    if (gateway !== undefined && !gateways.has(familyOf(gateway))) gateways.set(familyOf(gateway), gateway);
  }
  return [...gateways.values()];
}

/** The result of ADD (CNI specification, section "ADD Success") in the version asked for. */
export function resultOf(
  cniVersion: CniVersion,
  { ifname, netns }: { readonly ifname: string; readonly netns: string },
  { macAddress, mtu, addresses, defaultGateways, dns }: Connection,
  prevResult: unknown,
): JsonRecord {
  const before = isRecord(prevResult) ? prevResult : {};
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  const interfaces = list(before.interfaces);
  const own = {
    name: ifname,
    mac: macAddress,
    sandbox: netns,
    ...(isAtLeast(cniVersion, '1.1.0') && { mtu }),
  };
  const ips = addresses.map(({ ip, prefixLength, gateway }) => ({
    // Until 1.0.0 each address tells its family.
    ...(!isAtLeast(cniVersion, '1.0.0') && { version: String(familyOf(ip)) }),
    address: `${ip}/${prefixLength}`,
    ...(gateway !== undefined && { gateway }),
    interface: interfaces.length,
  }));
  const routes = defaultGateways.map((gw) => ({ dst: familyOf(gw) === 6 ? '::/0' : '0.0.0.0/0', gw }));
  return {
    ...before,
    cniVersion,
    interfaces: [...interfaces, own],
    ips: [...list(before.ips), ...ips],
    routes: [...list(before.routes), ...routes],
    dns: { ...(isRecord(before.dns) ? before.dns : {}), ...dnsJson(dns) },
  };
}

/**
 * What CHECK goes by: what ADD gave, as far as the result of the whole chain of plugins, which the runtime has kept, still
 * says so. Default routes are a later plugin's to change; interface and addresses that it lacks are differences. What the
 * result does not list is not compared.
 */
export function comparePrevious(
  prevResult: JsonRecord,
  ifname: string,
  connection: Connection,
): { readonly differences: readonly string[]; readonly expected: Connection } {
  const listed = (name: string): readonly JsonRecord[] | undefined => {
    const value = prevResult[name];
    return Array.isArray(value) ? value.filter(isRecord) : undefined;
  };
  const differences: string[] = [];
  const interfaces = listed('interfaces');
  const own = interfaces?.find((each) => each.name === ifname && Boolean(each.sandbox));
  if (interfaces !== undefined && own === undefined)
    differences.push(`prevResult.interfaces does not have ${ifname}`);
  const mac = typeof own?.mac === 'string' ? own.mac.toLowerCase() : connection.macAddress;
  if (mac !== connection.macAddress)
    differences.push(
      `prevResult.interfaces has ${ifname} with MAC address ${mac}, not ${connection.macAddress}`,
    );
  const ips = listed('ips');
  for (const { ip, prefixLength } of connection.addresses) {
    const text = `${ip}/${prefixLength}`;
    if (ips?.every(({ address }) => address !== text))
      differences.push(`prevResult.ips does not have ${text}`);
  }
  const routes = listed('routes');
  const defaultGateways = connection.defaultGateways.filter(
    (gateway) => routes === undefined || routes.some(({ gw }) => gw === gateway),
  );
  return { differences, expected: { ...connection, defaultGateways } };
}

const dnsJson = ({ nameservers, domain, search, options }: Dns): JsonRecord => ({
  ...(nameservers.length > 0 && { nameservers }),
  ...(domain !== undefined && { domain }),
  ...(search.length > 0 && { search }),
  ...(options.length > 0 && { options }),
});
