import { formatIp, ipBytes, parseLinkAddress, type ReadPacket, readUdp, udpFrame } from '@outboard/netlink';
import { addresses, dnsName, uint16, uint32 } from './byte-writer.js';
import { type DhcpSubnet, dhcpSubnets, GATEWAY_LINK_LOCAL, type ResponderSpec } from './responder-spec.js';

const SERVER_PORT = 547;
const CLIENT_PORT = 546;
/** Type and transaction id. */
const HEADER = 4;

/** RFC 8415 section 7.3. */
const MESSAGE = {
  SOLICIT: 1,
  ADVERTISE: 2,
  REQUEST: 3,
  CONFIRM: 4,
  RENEW: 5,
  REBIND: 6,
  REPLY: 7,
  RELEASE: 8,
  DECLINE: 9,
  INFORMATION_REQUEST: 11,
} as const;

/** RFC 8415 section 21; DNS of RFC 3646, NTP of RFC 5908. */
const OPTION = {
  CLIENT: 1,
  SERVER: 2,
  ADDRESSES: 3,
  ADDRESS: 5,
  STATUS: 13,
  RAPID_COMMIT: 14,
  DNS_SERVERS: 23,
  DNS_SEARCH: 24,
  PREFIXES: 25,
  NTP: 56,
} as const;
const NTP_SERVER_ADDRESS = 1;

const STATUS = { SUCCESS: 0, NO_ADDRESS: 2, NOT_ON_LINK: 4, NO_PREFIX: 6 } as const;

/** Of the hardware address: the same on every DPU, as the gateways are (RFC 8415 section 11.4). */
const DUID_LINK_LAYER = 3;
const ETHERNET = 1;
/** RFC 8415 section 11.1. */
const MAX_DUID = 130;
/** IAID, T1, T2; and address, preferred and valid lifetime. */
const ASSOCIATION_HEAD = 12;
const ADDRESS_HEAD = 24;
/** Associations that are looked at; more are of no use, as a port has one address per subnet. */
const MAX_ASSOCIATIONS = 8;
const MAX_ADDRESSES = 8;

type Option = readonly [number: number, value: Buffer];

/** Who is to be named in a message as the server: by clients that have chosen one, not by those that look for any. */
const NAMES_SERVER: ReadonlySet<number> = new Set([
  MESSAGE.REQUEST,
  MESSAGE.RENEW,
  MESSAGE.RELEASE,
  MESSAGE.DECLINE,
]);
const NAMES_NO_SERVER: ReadonlySet<number> = new Set([MESSAGE.SOLICIT, MESSAGE.CONFIRM, MESSAGE.REBIND]);

/** The answer to a message of a DHCPv6 client (RFC 8415); undefined: there is none. */
export function answerDhcpv6(packet: ReadPacket, spec: ResponderSpec): Buffer | undefined {
  const request = readUdp(packet, SERVER_PORT);
  if (!request || request.length < HEADER) return undefined;
  const options = readOptions(request.subarray(HEADER));
  const subnets = dhcpSubnets(spec, 6);
  if (!options || subnets.length === 0) return undefined;
  const type = request[0] ?? 0;
  const server = serverIdentifier(spec);
  if (!isForServer(type, options, server)) return undefined;
  const told = answerOptions(type, options, subnets);
  if (!told) return undefined;
  const client = find(options, OPTION.CLIENT);
  const isRapid = find(options, OPTION.RAPID_COMMIT) !== undefined;
  const answer = type === MESSAGE.SOLICIT && !isRapid ? MESSAGE.ADVERTISE : MESSAGE.REPLY;
  return udpFrame({
    sourceMac: spec.server,
    destinationMac: spec.mac,
    source: { ip: GATEWAY_LINK_LOCAL, port: SERVER_PORT },
    destination: { ip: formatIp(packet.source, 0, packet.source.length), port: CLIENT_PORT },
    payload: Buffer.concat([
      Uint8Array.of(answer),
      request.subarray(1, HEADER),
      ...(client ? [option(OPTION.CLIENT, client)] : []),
      option(OPTION.SERVER, server),
      ...(type === MESSAGE.SOLICIT && isRapid ? [option(OPTION.RAPID_COMMIT)] : []),
      ...told,
    ]),
  });
}

function serverIdentifier({ server }: ResponderSpec): Buffer {
  const mac = Buffer.alloc(6);
  parseLinkAddress(server, mac, 0);
  return Buffer.concat([uint16(DUID_LINK_LAYER), uint16(ETHERNET), mac]);
}

/** Whether a message names who is asked and who asks as its type demands (RFC 8415 section 16). */
function isForServer(type: number, options: readonly Option[], server: Buffer): boolean {
  const named = find(options, OPTION.SERVER);
  const client = find(options, OPTION.CLIENT);
  if (client && (client.length < 3 || client.length > MAX_DUID)) return false;
  if (type === MESSAGE.INFORMATION_REQUEST) return named === undefined || named.equals(server);
  if (!client) return false;
  if (NAMES_SERVER.has(type)) return named?.equals(server) ?? false;
  return NAMES_NO_SERVER.has(type) && named === undefined;
}

/** Undefined: it is not to be answered. */
function answerOptions(
  type: number,
  options: readonly Option[],
  subnets: readonly DhcpSubnet[],
): Buffer[] | undefined {
  switch (type) {
    case MESSAGE.SOLICIT:
    case MESSAGE.REQUEST:
    case MESSAGE.RENEW:
    case MESSAGE.REBIND:
      return [...associations(options, subnets), ...common(subnets)];
    case MESSAGE.CONFIRM: {
      const claimed = all(options, OPTION.ADDRESSES).flatMap(addressesIn);
      if (claimed.length === 0) return undefined;
      const areOurs = claimed.every((claim) => subnets.some(({ address }) => address === claim));
      return [status(areOurs ? STATUS.SUCCESS : STATUS.NOT_ON_LINK)];
    }
    case MESSAGE.RELEASE:
    case MESSAGE.DECLINE:
      // The address is the port's, whatever its holder makes of it.
      return [status(STATUS.SUCCESS)];
    default:
      return common(subnets);
  }
}

/** What is given: the first association has the port's addresses, and of others it is told that they are not. */
function associations(options: readonly Option[], subnets: readonly DhcpSubnet[]): Buffer[] {
  const own = new Set(subnets.map(({ address }) => address));
  const [first] = subnets;
  const given = all(options, OPTION.ADDRESSES)
    .slice(0, MAX_ASSOCIATIONS)
    .flatMap((value, index) => {
      if (value.length < ASSOCIATION_HEAD || !first) return [];
      const { leaseSeconds } = first.dhcp;
      const former = addressesIn(value).filter((address) => index > 0 || !own.has(address));
      const ended = former.slice(0, MAX_ADDRESSES).map((address) => addressOption(address, 0));
      const valid =
        index > 0 ? [] : subnets.map(({ address, dhcp }) => addressOption(address, dhcp.leaseSeconds));
      const nothing = valid.length + ended.length > 0 ? [] : [status(STATUS.NO_ADDRESS)];
      const times = [uint32(Math.floor(leaseSeconds / 2)), uint32(Math.floor((leaseSeconds * 4) / 5))];
      const parts = [value.subarray(0, 4), ...times, ...valid, ...ended, ...nothing];
      return [option(OPTION.ADDRESSES, Buffer.concat(parts))];
    });
  const prefixes = all(options, OPTION.PREFIXES)
    .slice(0, MAX_ASSOCIATIONS)
    .filter(({ length }) => length >= ASSOCIATION_HEAD)
    .map((value) =>
      option(OPTION.PREFIXES, Buffer.concat([value.subarray(0, ASSOCIATION_HEAD), status(STATUS.NO_PREFIX)])),
    );
  return [...given, ...prefixes];
}

function common(subnets: readonly DhcpSubnet[]): Buffer[] {
  const dnsServers = [...new Set(subnets.flatMap((subnet) => subnet.dnsServers))];
  const domains = [...new Set(subnets.flatMap(({ domainName }) => (domainName === '' ? [] : [domainName])))];
  const ntpServers = [...new Set(subnets.flatMap(({ dhcp }) => dhcp.ntpServers))];
  return [
    ...(dnsServers.length > 0 ? [option(OPTION.DNS_SERVERS, addresses(dnsServers))] : []),
    ...(domains.length > 0 ? [option(OPTION.DNS_SEARCH, ...domains.map(dnsName))] : []),
    ...(ntpServers.length > 0
      ? [option(OPTION.NTP, ...ntpServers.map((each) => option(NTP_SERVER_ADDRESS, ipBytes(each))))]
      : []),
  ];
}

const addressOption = (address: string, seconds: number): Buffer =>
  option(OPTION.ADDRESS, ipBytes(address), uint32(seconds), uint32(seconds));

const status = (code: number): Buffer => option(OPTION.STATUS, uint16(code));

function option(number: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  return Buffer.concat([uint16(number), uint16(value.length), value]);
}

/** Undefined: they are cut. */
function readOptions(bytes: Buffer): Option[] | undefined {
  const options: Option[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) return undefined;
    options.push([bytes.readUInt16BE(at), bytes.subarray(at + 4, end)]);
    at = end;
  }
  return options;
}

const all = (options: readonly Option[], wanted: number): Buffer[] =>
  options.flatMap(([number, value]) => (number === wanted ? [value] : []));

const find = (options: readonly Option[], wanted: number): Buffer | undefined => all(options, wanted)[0];

/** The addresses that an association names. */
function addressesIn(association: Buffer): string[] {
  const options = readOptions(association.subarray(ASSOCIATION_HEAD)) ?? [];
  return all(options, OPTION.ADDRESS).flatMap((value) =>
    value.length >= ADDRESS_HEAD ? [formatIp(value, 0, 16)] : [],
  );
}
