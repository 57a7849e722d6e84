import type { HostConfiguration, SubnetConfiguration } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Realisation, Resolve } from '../driver.js';
import { canonicalAddress, contains, parsePrefix } from '../realise/addresses.js';
import { linkKey } from '../realise/linux-keys.js';
import { type ResponderSpec, responderKey, type ToldByDhcp, type ToldSubnet } from './responder-spec.js';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const DOMAIN = /^(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/;
const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Bounds of what one answer has to carry. */
const MAX_SERVERS = 3;
const MAX_ROUTES = 16;
const MAX_LEASE_SECONDS = 604_800;
const MAX_LIFETIME_SECONDS = 9000;
const MAX_SUBNETS = 16;

/** Who asks, in parsed fields. */
export interface Asker {
  readonly representor: string;
  /** 0: none. */
  readonly vlanId: number;
  readonly adminUp: boolean;
  readonly mac: string;
  readonly addresses: readonly string[];
  /** Of the port. */
  readonly name: string;
  readonly mtu: number;
}

export const hostConfigurationKey = (networkUid: string): string => `hostconfiguration/${networkUid}`;

/** Every problem of what a network's ports are told. */
function problemsOf(configuration: HostConfiguration): Problems {
  const problems = new Problems();
  if (!MAC.test(configuration.macAddress)) problems.add('macAddress', 'must be a MAC address');
  if (configuration.subnets.length > MAX_SUBNETS) problems.add('subnets', `must be at most ${MAX_SUBNETS}`);
  for (const [index, subnet] of configuration.subnets.entries()) {
    checkSubnet(subnet, (field, rule) => problems.add(`subnets[${index}].${field}`, rule));
  }
  return problems;
}

function checkSubnet(subnet: SubnetConfiguration, add: (field: string, rule: string) => void): void {
  const prefix = parsePrefix(subnet.prefix);
  if (prefix === undefined) {
    add('prefix', 'must be a prefix');
    return;
  }
  const isAddress = (text: string): boolean => parsePrefix(text)?.bits === prefix.bits && !text.includes('/');
  const checkAddresses = (field: string, texts: readonly string[]): void => {
    if (texts.length > MAX_SERVERS) add(field, `must be at most ${MAX_SERVERS}`);
    if (!texts.every(isAddress)) add(field, "must be addresses of the prefix's family");
  };
  if (!isAddress(subnet.gateway)) add('gateway', "must be an address of the prefix's family");
  checkAddresses('dnsServers', subnet.dnsServers);
  if (subnet.domainName !== '' && !DOMAIN.test(subnet.domainName)) add('domainName', 'must be a domain');
  const { dhcp, advertisement } = subnet;
  if (dhcp) {
    checkAddresses('dhcp.ntpServers', dhcp.ntpServers);
    if (dhcp.leaseSeconds < 1 || dhcp.leaseSeconds > MAX_LEASE_SECONDS)
      add('dhcp.leaseSeconds', `must be 1 to ${MAX_LEASE_SECONDS}`);
    if (dhcp.routes.length > MAX_ROUTES) add('dhcp.routes', `must be at most ${MAX_ROUTES}`);
    const areRoutes = dhcp.routes.every(
      ({ destination, nextHop }) =>
        parsePrefix(destination)?.bits === 32 && parsePrefix(nextHop)?.bits === 32,
    );
    if (!areRoutes || (prefix.bits === 128 && dhcp.routes.length > 0)) add('dhcp.routes', 'must be of IPv4');
  }
  if (advertisement && prefix.bits === 32) add('advertisement', 'must be of an IPv6 prefix');
  if (advertisement && advertisement.lifetimeSeconds > MAX_LIFETIME_SECONDS)
    add('advertisement.lifetimeSeconds', `must be at most ${MAX_LIFETIME_SECONDS}`);
}

/**
 * What a port is told: nothing while it is down or where that has a problem, which is told of the configuration itself,
 * and of no subnet that it has no address of.
 */
export function responderObjects(
  { representor, vlanId, adminUp, mac, addresses, name, mtu }: Asker,
  configuration: HostConfiguration | undefined,
): DriverObject<ResponderSpec>[] {
  if (!adminUp || !configuration || problemsOf(configuration).total > 0) return [];
  const subnets = configuration.subnets.flatMap((subnet) => toldSubnet(subnet, addresses) ?? []);
  if (subnets.length === 0) return [];
  const hostName = HOST_NAME.test(name) ? name : '';
  const server = configuration.macAddress;
  const place = { device: representor, vlanId };
  const spec: ResponderSpec = { kind: 'responder', ...place, mac, hostName, mtu, server, subnets };
  return [{ key: responderKey(place), spec, after: [], requires: [linkKey(representor)] }];
}

function toldSubnet(
  { prefix: text, gateway, dnsServers, domainName, dhcp, advertisement }: SubnetConfiguration,
  addresses: readonly string[],
): ToldSubnet | undefined {
  const prefix = parsePrefix(text);
  const address = addresses.find((own) => {
    const host = parsePrefix(own);
    return prefix && host && contains(prefix, host);
  });
  if (!prefix || address === undefined) return undefined;
  return {
    family: prefix.bits === 32 ? 4 : 6,
    address,
    prefix: prefix.address,
    prefixLength: prefix.length,
    gateway: canonicalAddress(gateway) ?? '',
    dnsServers: dnsServers.map((each) => canonicalAddress(each) ?? ''),
    domainName,
    dhcp: dhcp ? toldByDhcp(dhcp) : null,
    advertisement: advertisement
      ? { lifetimeSeconds: advertisement.lifetimeSeconds, autonomous: advertisement.autonomous }
      : null,
  };
}

const toldByDhcp = ({
  leaseSeconds,
  ntpServers,
  routes,
}: NonNullable<SubnetConfiguration['dhcp']>): ToldByDhcp => ({
  leaseSeconds,
  ntpServers: ntpServers.map((each) => canonicalAddress(each) ?? ''),
  routes: routes.map(({ destination, nextHop }) => ({ destination, nextHop })),
});

/** The configuration of a network, among the documents; undefined: its ports are told nothing. */
export function hostConfigurationOf(networkUid: string, resolve: Resolve): HostConfiguration | undefined {
  const found = resolve(hostConfigurationKey(networkUid))?.object;
  return found?.case === 'hostConfiguration' ? found.value : undefined;
}

/** Nothing of its own: it is in what each port is told. */
export function realiseHostConfiguration(configuration: HostConfiguration): Realisation<never> {
  const problems = problemsOf(configuration);
  if (problems.total > 0) throw problems.toError();
  return { kind: 'realised', objects: [], references: [] };
}
