import {
  BROADCAST,
  formatIp,
  formatLinkAddress,
  ipBytes,
  type ReadPacket,
  readUdp,
  udpFrame,
} from '@outboard/netlink';
import { addresses, uint16, uint32 } from './byte-writer.js';
import {
  type DhcpSubnet,
  dhcpSubnets,
  type ResponderSpec,
  type ToldByDhcp,
  type ToldSubnet,
} from './responder-spec.js';

const SERVER_PORT = 67;
const CLIENT_PORT = 68;
/** Where things are in a message (RFC 2131 section 2). */
const AT = { FLAGS: 10, CLIENT_ADDRESS: 12, YOUR_ADDRESS: 16, RELAY: 24, HARDWARE_ADDRESS: 28, COOKIE: 236 };
const OPTIONS = 240;
const MAGIC_COOKIE = 0x63825363;
const BOOT = { REQUEST: 1, REPLY: 2 } as const;
const ETHERNET = 1;
const BROADCAST_FLAG = 0x8000;
const ANY = '0.0.0.0';
const EVERYBODY = '255.255.255.255';
/** What every client takes: an IP packet of 576 bytes (RFC 2131 section 2). */
const MIN_MAX_MESSAGE = 576;
const IP_AND_UDP = 28;
const MAX_OPTION = 255;

/** RFC 2132 section 9.6. */
const MESSAGE = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;

/** RFC 2132; classless static routes of RFC 3442. */
const OPTION = {
  PAD: 0,
  SUBNET_MASK: 1,
  ROUTER: 3,
  DNS_SERVERS: 6,
  HOST_NAME: 12,
  DOMAIN_NAME: 15,
  MTU: 26,
  NTP_SERVERS: 42,
  REQUESTED_ADDRESS: 50,
  LEASE_SECONDS: 51,
  MESSAGE_TYPE: 53,
  SERVER: 54,
  MAX_MESSAGE: 57,
  RENEWAL_SECONDS: 58,
  REBINDING_SECONDS: 59,
  CLASSLESS_ROUTES: 121,
  END: 255,
} as const;

/** The answer to a message of a DHCP client (RFC 2131); undefined: there is none. */
export function answerDhcp(packet: ReadPacket, spec: ResponderSpec): Buffer | undefined {
  const request = readUdp(packet, SERVER_PORT);
  if (!request || !isOfPort(request, spec)) return undefined;
  const options = readOptions(request);
  const offered = dhcpSubnets(spec, 4);
  const wanted = wantedAddress(request, options);
  // A port with addresses of several subnets is told of the one that it asks for.
  const subnet = offered.find(({ address }) => address === wanted) ?? offered[0];
  if (!subnet) return undefined;
  const type = answerType(request, options, subnet, wanted);
  if (type === undefined) return undefined;
  const isInform = options.get(OPTION.MESSAGE_TYPE)?.[0] === MESSAGE.INFORM;
  const gives = type !== MESSAGE.NAK && !isInform;
  return reply(request, { type, gives }, optionsOf(type, options, subnet, spec), subnet, spec);
}

/** Whether it is whole, of the port itself, and came by no relay. */
function isOfPort(request: Buffer, { mac }: ResponderSpec): boolean {
  return (
    request.length >= OPTIONS &&
    request[0] === BOOT.REQUEST &&
    request[1] === ETHERNET &&
    request[2] === 6 &&
    request.readUInt32BE(AT.COOKIE) === MAGIC_COOKIE &&
    request.readUInt32BE(AT.RELAY) === 0 &&
    formatLinkAddress(request, AT.HARDWARE_ADDRESS, 6) === mac
  );
}

/** By their numbers; of those that come more than once, the parts are one (RFC 3396). */
function readOptions(request: Buffer): ReadonlyMap<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = OPTIONS; at < request.length; ) {
    const number = request[at] ?? OPTION.END;
    if (number === OPTION.END) break;
    if (number === OPTION.PAD) {
      at++;
      continue;
    }
    const end = at + 2 + (request[at + 1] ?? MAX_OPTION);
    if (end > request.length) break;
    const before = options.get(number);
    const value = request.subarray(at + 2, end);
    options.set(number, before ? Buffer.concat([before, value]) : value);
    at = end;
  }
  return options;
}

const addressIn = (bytes: Buffer | undefined): string | undefined =>
  bytes?.length === 4 ? formatIp(bytes, 0, 4) : undefined;

/** What it has, or asks to have. */
function wantedAddress(request: Buffer, options: ReadonlyMap<number, Buffer>): string | undefined {
  const own = formatIp(request, AT.CLIENT_ADDRESS, 4);
  return own === ANY ? addressIn(options.get(OPTION.REQUESTED_ADDRESS)) : own;
}

function answerType(
  request: Buffer,
  options: ReadonlyMap<number, Buffer>,
  { address, gateway }: ToldSubnet,
  wanted: string | undefined,
): number | undefined {
  const server = addressIn(options.get(OPTION.SERVER));
  switch (options.get(OPTION.MESSAGE_TYPE)?.[0]) {
    case MESSAGE.DISCOVER:
      return MESSAGE.OFFER;
    case MESSAGE.REQUEST:
      // It has taken somebody else's offer; but nobody else is heard here, so it can be of no use.
      if (server !== undefined && server !== gateway) return undefined;
      return wanted === address ? MESSAGE.ACK : MESSAGE.NAK;
    case MESSAGE.INFORM:
      return formatIp(request, AT.CLIENT_ADDRESS, 4) === address ? MESSAGE.ACK : undefined;
    default:
      // Whether it declines or releases its address: it is the port's.
      return undefined;
  }
}

/** Those that the client cannot do without come first: what has no room in its messages is left out. */
function optionsOf(
  type: number,
  asked: ReadonlyMap<number, Buffer>,
  { address, prefixLength, gateway, dnsServers, domainName, dhcp }: DhcpSubnet,
  { mtu, hostName }: ResponderSpec,
): Buffer[] {
  const first = [option(OPTION.MESSAGE_TYPE, Uint8Array.of(type)), option(OPTION.SERVER, ipBytes(gateway))];
  if (type === MESSAGE.NAK) return first;
  const { leaseSeconds, ntpServers, routes } = dhcp;
  const isInform = asked.get(OPTION.MESSAGE_TYPE)?.[0] === MESSAGE.INFORM;
  const lease = isInform
    ? []
    : [
        option(OPTION.LEASE_SECONDS, uint32(leaseSeconds)),
        option(OPTION.RENEWAL_SECONDS, uint32(Math.floor(leaseSeconds / 2))),
        option(OPTION.REBINDING_SECONDS, uint32(Math.floor((leaseSeconds * 7) / 8))),
      ];
  const hasGateway = gateway !== address;
  const told: readonly (Buffer | undefined)[] = [
    option(OPTION.SUBNET_MASK, uint32(prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0)),
    hasGateway ? option(OPTION.ROUTER, ipBytes(gateway)) : undefined,
    // Whoever understands these ignores the router: so the default route is among them (RFC 3442).
    routes.length > 0
      ? option(
          OPTION.CLASSLESS_ROUTES,
          Buffer.concat([
            ...routes.map(classlessRoute),
            classlessRoute({ destination: '0.0.0.0/0', nextHop: gateway }),
          ]),
        )
      : undefined,
    option(OPTION.MTU, uint16(mtu)),
    dnsServers.length > 0 ? option(OPTION.DNS_SERVERS, addresses(dnsServers)) : undefined,
    ntpServers.length > 0 ? option(OPTION.NTP_SERVERS, addresses(ntpServers)) : undefined,
    hostName === '' ? undefined : option(OPTION.HOST_NAME, Buffer.from(hostName, 'latin1')),
    domainName === '' ? undefined : option(OPTION.DOMAIN_NAME, Buffer.from(domainName, 'latin1')),
  ];
  const limit = asked.get(OPTION.MAX_MESSAGE);
  const max = Math.min(mtu, Math.max(MIN_MAX_MESSAGE, limit?.length === 2 ? limit.readUInt16BE(0) : 0));
  let room =
    max - IP_AND_UDP - OPTIONS - 1 - [...first, ...lease].reduce((sum, { length }) => sum + length, 0);
  const fitting = told.flatMap((each) => {
    if (!each || each.length > room) return [];
    room -= each.length;
    return [each];
  });
  return [...first, ...lease, ...fitting];
}

function option(number: number, value: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(number, value.length), value]);
}

/** The length of the destination, as many of its bytes as that has, the next hop. */
function classlessRoute({ destination, nextHop }: ToldByDhcp['routes'][number]): Buffer {
  const [address = '', length = ''] = destination.split('/');
  const bytes = ipBytes(address).subarray(0, Math.ceil(Number(length) / 8));
  return Buffer.concat([Uint8Array.of(Number(length)), bytes, ipBytes(nextHop)]);
}

/** `gives`: the address is told, as that of the client. */
function reply(
  request: Buffer,
  { type, gives }: { readonly type: number; readonly gives: boolean },
  options: readonly Buffer[],
  { address, gateway }: ToldSubnet,
  { server, mac }: ResponderSpec,
): Buffer {
  const head = Buffer.alloc(OPTIONS);
  // Transaction, flags and hardware address as they were asked with.
  request.copy(head, 0, 0, 12);
  request.copy(head, AT.HARDWARE_ADDRESS, AT.HARDWARE_ADDRESS, AT.HARDWARE_ADDRESS + 16);
  head[0] = BOOT.REPLY;
  head[3] = 0;
  head.fill(0, 8, AT.FLAGS);
  head.writeUInt32BE(MAGIC_COOKIE, AT.COOKIE);
  const isNak = type === MESSAGE.NAK;
  const own = formatIp(request, AT.CLIENT_ADDRESS, 4);
  if (!isNak) request.copy(head, AT.CLIENT_ADDRESS, AT.CLIENT_ADDRESS, AT.CLIENT_ADDRESS + 4);
  if (gives) head.set(ipBytes(address), AT.YOUR_ADDRESS);
  const wantsBroadcast = own === ANY && (request.readUInt16BE(AT.FLAGS) & BROADCAST_FLAG) !== 0;
  const toAll = isNak || wantsBroadcast;
  return udpFrame({
    sourceMac: server,
    destinationMac: toAll ? BROADCAST : mac,
    source: { ip: gateway, port: SERVER_PORT },
    destination: { ip: toAll ? EVERYBODY : address, port: CLIENT_PORT },
    payload: Buffer.concat([head, ...options, Uint8Array.of(OPTION.END)]),
  });
}
