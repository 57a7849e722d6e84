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

const dnsJson = ({ nameservers, domain, search, options }: Dns): JsonRecord => ({
  ...(nameservers.length > 0 && { nameservers }),
  ...(domain !== undefined && { domain }),
  ...(search.length > 0 && { search }),
  ...(options.length > 0 && { options }),
});
