import type { FieldName } from '../driver-ovs/openflow/fields.js';
import { DOOR_MAC, EXIT_DEVICE, EXIT_MAC, exitKey, type OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import { contains, parsePrefix } from '../realise/addresses.js';
import { DOOR_PREFIX, DOOR_PREFIX_IPV6 } from '../realise/egress-tables.js';
import { guardKey } from '../realise/linux-keys.js';
import { type Family, familyOf, familyOfPacket, numberOfIp, textOf } from './frames.js';
import { Connections } from './switch/connections.js';
import { numberOf, type Packet } from './switch/packet.js';

const UDP = 17n;
/** Of tunnels: what came out of one would be in any tenant's network that its sender likes. */
const TUNNEL_UDP_PORTS = new Set([4789n, 6081n]);
/** The bit of `ct_state` that says that a packet answers (ovs-fields(7)). */
const REPLY = 8n;
const ZONE = 0;
const FIELDS: Readonly<Record<Family, { source: FieldName; destination: FieldName; doors: string }>> = {
  4: { source: 'ipv4_src', destination: 'ipv4_dst', doors: DOOR_PREFIX },
  6: { source: 'ipv6_src', destination: 'ipv6_dst', doors: DOOR_PREFIX_IPV6 },
};

/**
 * What the kernel of a DPU does between the exit of its switch and its uplink: it forwards what comes by an exit that stands, by
 * the rules of `inet outboard-uplink` (realise/egress-tables.ts, docs/adr/0014), and translates to an address of the uplink and back.
 */
export class SimUplink {
  readonly #connections = new Connections();
  readonly #own: ReadonlySet<bigint>;

  /** `addresses`: of the uplink, one of a family. `standing`: what stands in the kernel and the switch, by its key. */
  constructor(
    private readonly addresses: readonly string[],
    private readonly standing: (key: string) => { readonly spec: OvsSpec } | undefined,
  ) {
    this.#own = new Set(addresses.map(numberOfIp));
  }

  /** What came out of the exit, as it leaves by the uplink; undefined: it does not. */
  out(packet: Packet): Packet | undefined {
    const family = familyOfPacket(packet);
    const address = this.addresses.find((each) => familyOf(each) === family);
    if (family === undefined || address === undefined || !this.#isForwarding()) return undefined;
    const { source, destination, doors } = FIELDS[family];
    if (this.#own.has(packet.get(destination))) return undefined;
    const leaving = packet.at('');
    // Without its rules the kernel just forwards.
    if (!this.#isGuarded()) return leaving;
    if (!isWithin(doors, textOf(family, packet.get(source)))) return undefined;
    if (packet.get('ip_proto') === UDP && TUNNEL_UDP_PORTS.has(packet.get('udp_dst'))) return undefined;
    this.#connections.track(leaving, { zone: ZONE, commit: true, nat: { source: address } });
    return leaving;
  }

  /** What came by the uplink, as it enters the switch by the exit; undefined: it answers nothing of a router. */
  in(packet: Packet): Packet | undefined {
    const family = familyOfPacket(packet);
    if (family === undefined || !this.#isForwarding() || !this.#isGuarded()) return undefined;
    const coming = packet.at(EXIT_DEVICE);
    this.#connections.track(coming, { zone: ZONE, nat: {} });
    if ((coming.get('ct_state') & REPLY) === 0n) return undefined;
    coming.set('eth_src', numberOf('eth_src', EXIT_MAC));
    coming.set('eth_dst', numberOf('eth_dst', DOOR_MAC));
    return coming.at(EXIT_DEVICE);
  }

  #isForwarding(): boolean {
    const exit = this.standing(exitKey(EXIT_DEVICE))?.spec;
    return exit?.kind === 'exit' && exit.up && exit.forwarding;
  }

  #isGuarded(): boolean {
    return this.standing(guardKey('', 'uplink')) !== undefined;
  }
}

function isWithin(prefix: string, ip: string): boolean {
  const [outer, inner] = [parsePrefix(prefix), parsePrefix(ip)];
  return outer !== undefined && inner !== undefined && contains(outer, inner);
}
