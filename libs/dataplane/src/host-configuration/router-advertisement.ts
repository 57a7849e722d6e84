import {
  formatIp,
  IP_PROTOCOL,
  ipBytes,
  ND_HOP_LIMIT,
  neighbourDiscoveryFrame,
  parseLinkAddress,
  type ReadPacket,
} from '@outboard/netlink';
import { addresses, dnsName, uint16, uint32 } from './byte-writer.js';
import {
  type Advertised,
  GATEWAY_LINK_LOCAL,
  type ResponderSpec,
  type ToldSubnet,
} from './responder-spec.js';

const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const SOLICITATION_LENGTH = 8;
const CURRENT_HOP_LIMIT = 64;
const ALL_NODES = { ip: 'ff02::1', mac: '33:33:00:00:00:01' };
/** Addresses are there by DHCP; something else is. */
const FLAG = { MANAGED: 0x80, OTHER: 0x40 } as const;
/** The prefix is on the link; hosts make addresses of it. */
const PREFIX_FLAG = { ON_LINK: 0x80, AUTONOMOUS: 0x40 } as const;
/** Numbers of options (RFC 4861 section 4.6, RFC 8106 section 5). */
const OPTION = { SOURCE_LINK_LAYER: 1, PREFIX: 3, MTU: 5, DNS_SERVERS: 25, DNS_SEARCH: 31 } as const;
/** For a day beyond the last advertisement: after that an address that nobody tells of any more is not valid. */
const VALID_SECONDS = 86_400;
const PREFERRED_SECONDS = 14_400;

type AdvertisedSubnet = ToldSubnet & { readonly advertisement: Advertised };

export const advertisedSubnets = ({ subnets }: ResponderSpec): AdvertisedSubnet[] =>
  subnets.filter((subnet): subnet is AdvertisedSubnet => subnet.advertisement !== null);

/** The answer to a router solicitation (RFC 4861 section 4.1); undefined: it is none, or there is nothing to tell. */
export function answerSolicitation(packet: ReadPacket, spec: ResponderSpec): Buffer | undefined {
  const { protocol, payload, hopLimit, source } = packet;
  if (protocol !== IP_PROTOCOL.ICMPV6 || payload.length < SOLICITATION_LENGTH) return undefined;
  if (payload[0] !== ROUTER_SOLICITATION || payload[1] !== 0 || hopLimit !== ND_HOP_LIMIT) return undefined;
  const ip = formatIp(source, 0, source.length);
  return advertisement(spec, ip === '::' ? ALL_NODES : { ip, mac: spec.mac });
}

/** An advertisement (RFC 4861 section 4.2) that nobody asked for; undefined: there is nothing to tell. */
export const unsolicited = (spec: ResponderSpec): Buffer | undefined => advertisement(spec, ALL_NODES);

/** The last advertisement: the router is none any more, and addresses are not to be used for anything new. */
export function withdrawal(spec: ResponderSpec): Buffer | undefined {
  const subnets = advertisedSubnets(spec);
  if (subnets.length === 0) return undefined;
  const options = subnets.map((subnet) => prefixOption(subnet, VALID_SECONDS, 0));
  return frameOf(spec, ALL_NODES, 0, 0, options);
}

function advertisement(spec: ResponderSpec, to: { ip: string; mac: string }): Buffer | undefined {
  const subnets = advertisedSubnets(spec);
  if (subnets.length === 0) return undefined;
  const lifetime = Math.max(...subnets.map((subnet) => subnet.advertisement.lifetimeSeconds));
  const byDhcp = subnets.filter(({ dhcp }) => dhcp);
  const managed = byDhcp.some(({ advertisement: { autonomous } }) => !autonomous);
  const flags = (managed ? FLAG.MANAGED : 0) | (byDhcp.length > 0 ? FLAG.OTHER : 0);
  const dnsServers = [...new Set(subnets.flatMap((subnet) => subnet.dnsServers))];
  const domains = [...new Set(subnets.flatMap(({ domainName }) => (domainName === '' ? [] : [domainName])))];
  const options = [
    option(OPTION.MTU, [uint16(0), uint32(spec.mtu)]),
    ...subnets.map((subnet) => prefixOption(subnet, VALID_SECONDS, PREFERRED_SECONDS)),
    ...(dnsServers.length > 0
      ? [option(OPTION.DNS_SERVERS, [uint16(0), uint32(lifetime), addresses(dnsServers)])]
      : []),
    ...(domains.length > 0
      ? [option(OPTION.DNS_SEARCH, [uint16(0), uint32(lifetime), ...domains.map(dnsName)])]
      : []),
  ];
  return frameOf(spec, to, flags, lifetime, options);
}

function frameOf(
  { server }: ResponderSpec,
  to: { ip: string; mac: string },
  flags: number,
  lifetime: number,
  options: readonly Uint8Array[],
): Buffer {
  const own = Buffer.alloc(6);
  parseLinkAddress(server, own, 0);
  const message = Buffer.concat([
    Uint8Array.of(ROUTER_ADVERTISEMENT, 0),
    uint16(0),
    Uint8Array.of(CURRENT_HOP_LIMIT, flags),
    uint16(lifetime),
    // How long neighbours are reachable, and when to ask again: as the host likes.
    uint32(0),
    uint32(0),
    option(OPTION.SOURCE_LINK_LAYER, [own]),
    ...options,
  ]);
  return neighbourDiscoveryFrame({
    sourceMac: server,
    destinationMac: to.mac,
    source: GATEWAY_LINK_LOCAL,
    destination: to.ip,
    message,
  });
}

function prefixOption(subnet: AdvertisedSubnet, validSeconds: number, preferredSeconds: number): Buffer {
  const { prefix, prefixLength, advertisement: told } = subnet;
  const flags = PREFIX_FLAG.ON_LINK | (told.autonomous ? PREFIX_FLAG.AUTONOMOUS : 0);
  return option(OPTION.PREFIX, [
    Uint8Array.of(prefixLength, flags),
    uint32(validSeconds),
    uint32(preferredSeconds),
    uint32(0),
    ipBytes(prefix),
  ]);
}

/** An option: its length counts units of 8 bytes, to which it is filled up. */
function option(type: number, parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const units = Math.ceil((2 + body.length) / 8);
  const bytes = Buffer.alloc(units * 8);
  bytes[0] = type;
  bytes[1] = units;
  body.copy(bytes, 2);
  return bytes;
}
