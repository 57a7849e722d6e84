import { type Send, SimHost } from './sim-host.js';
import type { Packet } from './switch/packet.js';

/** Whether a frame comes out at the other end. */
export type LetsThrough = (packet: Packet) => boolean;

/** An end of a hop: it has no address, and hands what comes in to the other end. */
class HopEnd extends SimHost {
  /** Set by the hop that it is an end of. */
  other: HopEnd = this;
  #out: Send = () => undefined;

  constructor(private readonly letsThrough: LetsThrough) {
    super({ macAddress: '00:00:00:00:00:00', addresses: [] });
  }

  override connect(send: Send | undefined): void {
    this.#out = send ?? (() => undefined);
  }

  override receive(packet: Packet): void {
    if (this.letsThrough(packet)) this.other.#out(packet.headers(), packet.payload);
  }
}

/** A hop of a service chain, behind two functions: what comes in by one leaves by the other as it is, where it is let through. */
export class SimHop {
  readonly ingress: SimHost;
  readonly egress: SimHost;

  constructor(letsThrough: LetsThrough) {
    const [ingress, egress] = [new HopEnd(letsThrough), new HopEnd(letsThrough)];
    ingress.other = egress;
    egress.other = ingress;
    this.ingress = ingress;
    this.egress = egress;
  }
}
