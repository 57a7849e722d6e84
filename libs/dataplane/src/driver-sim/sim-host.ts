import { contains, parsePrefix } from '../realise/addresses.js';
import {
  claim,
  ETHERTYPE,
  type Family,
  familyOf,
  ipFrame,
  ND,
  numberOfIp,
  type Question,
  question,
  questionIn,
  textOf,
} from './frames.js';
import { type Headers, numberOf, type Packet, type Payload } from './switch/packet.js';

/** As a Port's status has it. */
export interface HostAddress {
  readonly ip: string;
  readonly prefixLength: number;
  /** Absent or empty: none. */
  readonly gateway?: string | undefined;
}

export interface SimHostOptions {
  readonly macAddress: string;
  readonly addresses: readonly HostAddress[];
  /** What it answers for besides: what it may send as. */
  readonly more?: readonly string[];
}

/** What is tried: an echo request, a connection, a datagram. */
export interface Probe {
  readonly destination: string;
  readonly protocol: 'ICMP' | 'TCP' | 'UDP';
  /** Of TCP and UDP; 0 if absent. */
  readonly port?: number;
  /** Absent: the host's own address of the destination's family. */
  readonly source?: string;
  /** Of TCP and UDP; absent: another one for each probe, as sockets have. */
  readonly sourcePort?: number;
}

/** Hands a frame to the network, which has delivered it, and what came of it, when it returns. */
export type Send = (headers: Headers, payload: Payload) => void;

const FIRST_SOURCE_PORT = 32_768;
const SOURCE_PORTS = 28_000;

/**
 * A pod behind a function: it asks who has an address, says which it has, and answers every probe. It believes what it
 * is told of neighbours for as long as it is connected.
 */
export class SimHost {
  readonly #mac: bigint;
  readonly #own: ReadonlySet<string>;
  readonly #neighbours = new Map<string, bigint>();
  readonly #arrived = new Set<number>();
  readonly #answered = new Set<number>();
  #send: Send = () => undefined;

  constructor(private readonly options: SimHostOptions) {
    this.#mac = numberOf('eth_src', options.macAddress);
    const all = [...options.addresses.map(({ ip }) => ip), ...(options.more ?? [])];
    this.#own = new Set(all.map((ip) => own(familyOf(ip), numberOfIp(ip))));
  }

  get macAddress(): bigint {
    return this.#mac;
  }

  /** Whether it answers for an address. */
  has(family: Family, ip: bigint): boolean {
    return this.#own.has(own(family, ip));
  }

  /** Undefined: it is unplugged. */
  connect(send: Send | undefined): void {
    this.#send = send ?? (() => undefined);
    this.#neighbours.clear();
  }

  /** Sends a probe of that number. */
  ask(probe: number, { destination, protocol, port = 0, source, sourcePort }: Probe): void {
    const family = familyOf(destination);
    const ip = source ?? this.options.addresses.find((each) => familyOf(each.ip) === family)?.ip;
    if (ip === undefined) return;
    const asked: Question =
      protocol === 'ICMP'
        ? { protocol }
        : { protocol, port, sourcePort: sourcePort ?? FIRST_SOURCE_PORT + (probe % SOURCE_PORTS) };
    this.#transmit(family, numberOfIp(ip), numberOfIp(destination), destination, asked, {
      probe,
      ...(protocol === 'TCP' && { segment: 'SYN' }),
    });
  }

  /** A probe of that number came here. */
  hasGot(probe: number): boolean {
    return this.#arrived.has(probe);
  }

  /** The answer to a probe of that number came back here. */
  isAnswered(probe: number): boolean {
    return this.#answered.has(probe);
  }

  receive(packet: Packet): void {
    const destination = packet.get('eth_dst');
    const isMulticast = ((destination >> 40n) & 1n) === 1n;
    if (!isMulticast && destination !== this.#mac) return;
    const type = Number(packet.get('eth_type'));
    const asked = questionIn(packet);
    if (asked !== undefined) {
      if (this.#own.has(own(asked.family, asked.ip)))
        this.#send(claim({ ...asked, mac: this.#mac }), packet.payload);
    } else if (type === ETHERTYPE.ARP) {
      this.#learn(4, packet.get('arp_spa'), packet.get('arp_sha'));
    } else if (type === ETHERTYPE.IPV6 && Number(packet.get('icmpv6_type')) === ND.ADVERTISEMENT) {
      this.#learn(6, packet.get('nd_target'), packet.get('nd_tll'));
    } else if (type === ETHERTYPE.IPV4) {
      this.#receiveIp(4, packet, packet.get('ipv4_src'), packet.get('ipv4_dst'));
    } else if (type === ETHERTYPE.IPV6) {
      this.#receiveIp(6, packet, packet.get('ipv6_src'), packet.get('ipv6_dst'));
    }
  }

  #learn(family: Family, ip: bigint, mac: bigint): void {
    this.#neighbours.set(own(family, ip), mac);
  }

  #receiveIp(family: Family, packet: Packet, from: bigint, to: bigint): void {
    if (!this.#own.has(own(family, to))) return;
    const { probe, isAnswer, segment } = packet.payload;
    if (isAnswer || isEchoReply(family, packet)) {
      this.#answered.add(probe);
      return;
    }
    this.#arrived.add(probe);
    const asked = questionOf(packet);
    const payload: Payload = { probe, isAnswer: true, ...(segment && { segment: 'SYN-ACK' }) };
    this.#transmit(family, to, from, undefined, asked, payload);
  }

  /** `destination`: as text, where it is known; otherwise found by the number. */
  #transmit(
    family: Family,
    ip: bigint,
    toIp: bigint,
    destination: string | undefined,
    asked: Question,
    payload: Payload,
  ): void {
    const hop = this.#nextHop(family, destination ?? textOf(family, toIp));
    const toMac = hop === undefined ? undefined : this.#resolve(family, numberOfIp(hop), payload.probe);
    if (toMac === undefined) return;
    const kind = payload.isAnswer ? 'reply' : 'request';
    this.#send(ipFrame({ family, mac: this.#mac, ip, toMac, toIp }, asked, kind), payload);
  }

  /** A neighbour itself, or the gateway of the family. */
  #nextHop(family: Family, destination: string): string | undefined {
    const wanted = parsePrefix(destination);
    const addresses = this.options.addresses.filter(({ ip }) => familyOf(ip) === family);
    const isNear = addresses.some(({ ip, prefixLength }) => {
      const prefix = parsePrefix(`${ip}/${prefixLength}`);
      return prefix !== undefined && wanted !== undefined && contains(prefix, wanted);
    });
    return isNear ? destination : addresses.find(({ gateway }) => gateway)?.gateway;
  }

  #resolve(family: Family, ip: bigint, probe: number): bigint | undefined {
    const key = own(family, ip);
    if (!this.#neighbours.has(key)) {
      const from = this.options.addresses.find((address) => familyOf(address.ip) === family)?.ip ?? '';
      if (from !== '') this.#send(question(family, this.#mac, numberOfIp(from), ip), { probe });
    }
    return this.#neighbours.get(key);
  }
}

const own = (family: Family, ip: bigint): string => `${family} ${ip}`;

/** Also that of a switch, which turns a request round and knows nothing of probes. */
const isEchoReply = (family: Family, packet: Packet): boolean =>
  family === 4
    ? packet.get('ip_proto') === 1n && packet.get('icmpv4_type') === 0n
    : packet.get('ip_proto') === 58n && packet.get('icmpv6_type') === 129n;

function questionOf(packet: Packet): Question {
  const [tcp, udp] = [packet.get('tcp_dst'), packet.get('udp_dst')];
  if (Number(packet.get('ip_proto')) === 6)
    return { protocol: 'TCP', sourcePort: Number(packet.get('tcp_src')), port: Number(tcp) };
  if (Number(packet.get('ip_proto')) === 17)
    return { protocol: 'UDP', sourcePort: Number(packet.get('udp_src')), port: Number(udp) };
  return { protocol: 'ICMP' };
}
