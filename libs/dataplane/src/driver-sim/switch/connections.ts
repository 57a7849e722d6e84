import type { ConnectionTracking } from '../../driver-ovs/openflow/actions.js';
import { type FieldName, fieldNumber } from '../../driver-ovs/openflow/fields.js';
import type { Packet } from './packet.js';

/** The bits of `ct_state` (ovs-fields(7)). */
const STATE = { new: 1n, est: 2n, rel: 4n, rpl: 8n, inv: 16n, trk: 32n, snat: 64n, dnat: 128n } as const;

const IPV4 = 0x0800n;
const IPV6 = 0x86ddn;
const ICMP = 1n;
const TCP = 6n;
const UDP = 17n;
const ICMPV6 = 58n;
/** Echo requests, which open connections, and the type that answers each (RFC 792, RFC 4443). */
const ECHO = new Map([
  [8n, 0n],
  [128n, 129n],
]);

interface Tuple {
  readonly isV6: boolean;
  readonly protocol: bigint;
  readonly source: bigint;
  readonly destination: bigint;
  /** Of ICMP: the type, and for the destination the code. */
  readonly sourcePort: bigint;
  readonly destinationPort: bigint;
  /** Of ICMP: of whoever asks, as the identifier of an echo is. */
  readonly identifier: number;
}

interface Connection {
  /** As its opener sends, and as it is answered: differs from the reverse where it is translated. */
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly zone: number;
  mark: bigint;
  answered: boolean;
}

/** The memory of a switch for connections: those of one zone know nothing of those of others. */
export class Connections {
  readonly #byTuple = new Map<string, Connection>();

  get size(): number {
    return this.#byTuple.size / 2;
  }

  clear(): void {
    this.#byTuple.clear();
  }

  /** Notes on the packet what is known of its connection, translates it, and remembers it where that is asked for. */
  track(packet: Packet, { zone, commit, force, nat, set }: ConnectionTracking): void {
    const tuple = tupleOf(packet);
    packet.set('ct_zone', BigInt(zone));
    if (tuple === undefined) {
      this.#note(packet, undefined, STATE.inv);
      return;
    }
    let found = this.#byTuple.get(keyOf(zone, tuple));
    let isReply = found !== undefined && !same(tuple, found.original);
    if (found !== undefined && isReply && commit && force) {
      this.#forget(found);
      found = undefined;
      isReply = false;
    }
    if (found === undefined) {
      if (!opens(packet, tuple)) {
        this.#note(packet, undefined, STATE.inv);
        return;
      }
      const connection = this.#open(zone, tuple, nat?.source);
      if (commit) {
        if (set !== undefined) connection.mark = BigInt(set.ct_mark);
        this.#byTuple.set(keyOf(zone, connection.original), connection);
        this.#byTuple.set(keyOf(zone, connection.reply), connection);
      }
      this.#note(packet, commit ? connection : { ...connection, mark: 0n }, STATE.new);
      if (nat !== undefined && commit) this.#translate(packet, connection, false);
      return;
    }
    if (isReply) found.answered = true;
    if (commit && set !== undefined) found.mark = BigInt(set.ct_mark);
    const state = (found.answered ? STATE.est : STATE.new) | (isReply ? STATE.rpl : 0n);
    this.#note(packet, found, state);
    if (nat !== undefined) this.#translate(packet, found, isReply);
  }

  #open(zone: number, original: Tuple, source: string | undefined): Connection {
    const from = source === undefined ? original.source : fieldNumber(sourceField(original), source).value;
    let reply = reversed({ ...original, source: from });
    // Another connection may have the translated ports already.
    if (from !== original.source) {
      for (let port = original.sourcePort; this.#byTuple.has(keyOf(zone, reply)); port = nextPort(port))
        reply = { ...reply, destinationPort: nextPort(port) };
    }
    return { original, reply, zone, mark: 0n, answered: false };
  }

  #forget(connection: Connection): void {
    for (const tuple of [connection.original, connection.reply])
      this.#byTuple.delete(keyOf(connection.zone, tuple));
  }

  #note(packet: Packet, connection: Connection | undefined, state: bigint): void {
    packet.set('ct_state', state | STATE.trk);
    packet.set('ct_mark', connection?.mark ?? 0n);
    for (const name of ORIGINAL_FIELDS) packet.set(name, 0n);
    if (connection === undefined) return;
    const { isV6, protocol, source, destination, sourcePort, destinationPort } = connection.original;
    packet.set('ct_nw_proto', protocol);
    packet.set(isV6 ? 'ct_ipv6_src' : 'ct_nw_src', source);
    packet.set(isV6 ? 'ct_ipv6_dst' : 'ct_nw_dst', destination);
    packet.set('ct_tp_src', sourcePort);
    packet.set('ct_tp_dst', destinationPort);
  }

  #translate(packet: Packet, { original, reply }: Connection, isReply: boolean): void {
    const to = isReply ? reversed(original) : reversed(reply);
    if (to.source === packet.get(sourceField(to)) && to.destination === packet.get(destinationField(to)))
      return;
    packet.set(sourceField(to), to.source);
    packet.set(destinationField(to), to.destination);
    if (to.protocol !== TCP && to.protocol !== UDP) return;
    const [source, destination] = portFields(to.protocol);
    packet.set(source, to.sourcePort);
    packet.set(destination, to.destinationPort);
  }
}

const ORIGINAL_FIELDS = [
  'ct_nw_proto',
  'ct_nw_src',
  'ct_nw_dst',
  'ct_ipv6_src',
  'ct_ipv6_dst',
  'ct_tp_src',
  'ct_tp_dst',
] as const satisfies readonly FieldName[];

const nextPort = (port: bigint): bigint => (port % 0xffffn) + 1n;
const sourceField = ({ isV6 }: Tuple): FieldName => (isV6 ? 'ipv6_src' : 'ipv4_src');
const destinationField = ({ isV6 }: Tuple): FieldName => (isV6 ? 'ipv6_dst' : 'ipv4_dst');
const portFields = (protocol: bigint): [FieldName, FieldName] =>
  protocol === TCP ? ['tcp_src', 'tcp_dst'] : ['udp_src', 'udp_dst'];

function tupleOf(packet: Packet): Tuple | undefined {
  const type = packet.get('eth_type');
  if (type !== IPV4 && type !== IPV6) return undefined;
  const isV6 = type === IPV6;
  const protocol = packet.get('ip_proto');
  const source = packet.get(isV6 ? 'ipv6_src' : 'ipv4_src');
  const destination = packet.get(isV6 ? 'ipv6_dst' : 'ipv4_dst');
  const isEcho = protocol === ICMP || protocol === ICMPV6;
  const identifier = isEcho ? packet.payload.probe : 0;
  const tuple = { isV6, protocol, source, destination, identifier };
  if (protocol === TCP || protocol === UDP) {
    const [sourcePort, destinationPort] = portFields(protocol);
    return { ...tuple, sourcePort: packet.get(sourcePort), destinationPort: packet.get(destinationPort) };
  }
  if (isEcho) {
    const [sourcePort, destinationPort] = isV6
      ? [packet.get('icmpv6_type'), packet.get('icmpv6_code')]
      : [packet.get('icmpv4_type'), packet.get('icmpv4_code')];
    return { ...tuple, sourcePort, destinationPort };
  }
  return { ...tuple, sourcePort: 0n, destinationPort: 0n };
}

/** As the other end answers. */
function reversed(tuple: Tuple): Tuple {
  const { protocol, source, destination, sourcePort, destinationPort } = tuple;
  const isIcmp = protocol === ICMP || protocol === ICMPV6;
  return {
    ...tuple,
    source: destination,
    destination: source,
    sourcePort: isIcmp ? (answerOf(sourcePort) ?? sourcePort) : destinationPort,
    destinationPort: isIcmp ? destinationPort : sourcePort,
  };
}

const answerOf = (type: bigint): bigint | undefined =>
  ECHO.get(type) ?? [...ECHO].find(([, answer]) => answer === type)?.[0];

/** Whether a packet of no known connection may open one: no answer may. */
function opens(packet: Packet, { protocol, sourcePort }: Tuple): boolean {
  if (protocol === TCP) return packet.payload.segment === 'SYN';
  if (protocol === ICMP || protocol === ICMPV6) return ECHO.has(sourcePort);
  return true;
}

const keyOf = (zone: number, tuple: Tuple): string => {
  const { protocol, source, destination, sourcePort, destinationPort, identifier } = tuple;
  return [zone, protocol, source, destination, sourcePort, destinationPort, identifier].join(' ');
};
const same = (a: Tuple, b: Tuple): boolean => keyOf(0, a) === keyOf(0, b);
