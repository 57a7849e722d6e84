import { DOOR_MAC, EXIT_DEVICE, EXIT_MAC } from '../driver-ovs/realise/ovs-objects.js';
import { contains, parsePrefix } from '../realise/addresses.js';
import { DOOR_PREFIX } from '../realise/egress-tables.js';
import { numberOfIp, textOf } from './frames.js';
import { Connections } from './switch/connections.js';
import { numberOf, type Packet } from './switch/packet.js';

const UDP = 17n;
/** Of tunnels: what came out of one would be in any tenant's network that its sender likes. */
const TUNNEL_UDP_PORTS = new Set([4789n, 6081n]);
/** The bit of `ct_state` that says that a packet answers (ovs-fields(7)). */
const REPLY = 8n;
const ZONE = 0;

/**
 * What the kernel of a DPU does between the exit of its switch and its uplink, for IPv4: the rules of `inet outboard-uplink`
 * (realise/egress-tables.ts, docs/adr/0014), and the translation to the underlay's address and back.
 */
export class SimUplink {
  readonly #connections = new Connections();
  readonly #own: bigint;

  constructor(private readonly underlayAddress: string) {
    this.#own = numberOfIp(underlayAddress);
  }

  /** What came out of the exit, as it leaves by the uplink; undefined: it does not. */
  out(packet: Packet): Packet | undefined {
    const source = parsePrefix(textOf(4, packet.get('ipv4_src')));
    const doors = parsePrefix(DOOR_PREFIX);
    if (source === undefined || doors === undefined || !contains(doors, source)) return undefined;
    if (packet.get('ipv4_dst') === this.#own) return undefined;
    if (packet.get('ip_proto') === UDP && TUNNEL_UDP_PORTS.has(packet.get('udp_dst'))) return undefined;
    const leaving = packet.at('');
    this.#connections.track(leaving, { zone: ZONE, commit: true, nat: { source: this.underlayAddress } });
    return leaving;
  }

  /** What came by the uplink for the DPU, as it enters the switch by the exit; undefined: it answers nothing of a router. */
  in(packet: Packet): Packet | undefined {
    const coming = packet.at(EXIT_DEVICE);
    this.#connections.track(coming, { zone: ZONE, nat: {} });
    if ((coming.get('ct_state') & REPLY) === 0n) return undefined;
    coming.set('eth_src', numberOf('eth_src', EXIT_MAC));
    coming.set('eth_dst', numberOf('eth_dst', DOOR_MAC));
    return coming.at(EXIT_DEVICE);
  }
}
