import { type Endpoint, FrameCapture } from '@outboard/testbed';

const ETHERNET_HEADER = 14;
const ICMP = 1;
const UDP = 17;
const UNREACHABLE = 3;
const IKE_PORT = 500;
const NAT_TRAVERSAL_PORT = 4500;
const PORT_OF_TESTBED = 'pv-1';
/** What those who speak by IPsec alone need. */
const EXPECTED = ['ARP', 'discovery', 'IKE', 'ESP', 'keepalive', 'unreachable: IKE', 'unreachable: ESP'];

/** What a frame between the gateways is, as somebody on the wire sees it (RFC 3948 for ESP and IKE on port 4500). */
export function kindOf(frame: Buffer): string {
  const etherType = frame.readUInt16BE(12);
  if (etherType === 0x0806) return 'ARP';
  const packet = frame.subarray(ETHERNET_HEADER);
  // Neighbour and listener discovery of the devices themselves: to ff02::/16.
  if (etherType === 0x86dd && packet.readUInt16BE(24) === 0xff02) return 'discovery';
  if (etherType !== 0x0800) return `0x${etherType.toString(16)}`;
  const content = packet.subarray(headerLength(packet));
  if (packet[9] === ICMP && content[0] === UNREACHABLE) {
    // A gateway whose program is down says so; what it quotes is what it got.
    return `unreachable: ${kindOfPacket(content.subarray(8))}`;
  }
  return kindOfPacket(packet);
}

/** Of an IPv4 packet, or as much of one as an ICMP message quotes. */
function kindOfPacket(packet: Buffer): string {
  if (packet[9] !== UDP) return `protocol ${packet[9]}`;
  const udp = packet.subarray(headerLength(packet));
  const port = udp.readUInt16BE(2);
  if (port === IKE_PORT) return 'IKE';
  if (port !== NAT_TRAVERSAL_PORT) return `UDP to port ${port}`;
  const payload = udp.subarray(8);
  if (payload.length === 1) return 'keepalive';
  return payload.readUInt32BE(0) === 0 ? 'IKE' : 'ESP';
}

const headerLength = (packet: Buffer): number => ((packet[0] ?? 0) & 15) * 4;

/** Counts what passes between the first DPU and the wan, by kind. */
export class WireTap implements Disposable {
  private constructor(
    private readonly kinds: ReadonlyMap<string, number>,
    private readonly capture: FrameCapture,
  ) {}

  static async open(fabric: Endpoint): Promise<WireTap> {
    const kinds = new Map<string, number>();
    const capture = await FrameCapture.open(fabric, PORT_OF_TESTBED, (frame) => {
      const kind = kindOf(frame);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      return true;
    });
    return new WireTap(kinds, capture);
  }

  /** Up to now. Throws when it has missed frames. */
  count(kind: string): number {
    return this.#now().get(kind) ?? 0;
  }

  /** Kinds that somebody who speaks by IPsec alone does not send. */
  get strange(): readonly string[] {
    return [...this.#now().keys()].filter((kind) => !EXPECTED.includes(kind));
  }

  [Symbol.dispose](): void {
    this.capture[Symbol.dispose]();
  }

  #now(): ReadonlyMap<string, number> {
    const { drops } = this.capture.report;
    if (drops > 0) throw new Error(`the capture has missed ${drops} frames`);
    return this.kinds;
  }
}
