import {
  ETH_P_ALL,
  libc,
  openPacketSocket,
  SOCKADDR_LL_LENGTH,
  SOL_PACKET,
  SystemError,
  watchReadable,
} from '@outboard/ffi';
import { link, type NetworkNamespace, withSocket } from '@outboard/netlink';

const PACKET_STATISTICS = 6;
const PACKET_OUTGOING = 4;
const RECEIVE_BUFFER_BYTES = 8 << 20;
const MAX_KEPT = 32;

/** Where a frame was seen: coming in at the device, or going out through it. */
export type Direction = 'in' | 'out';

export interface CaptureReport {
  /** Frames that matched. */
  readonly count: number;
  /** The first 32 of them. */
  readonly frames: readonly Buffer[];
  /** Frames of any kind that the device saw. */
  readonly seen: number;
  /** Not looked at, for the capture was too slow. Anything but 0 means that `count` may be too low. */
  readonly drops: number;
}

/** Sends Ethernet frames as they are through a device in a namespace: whatever addresses they carry. */
export class FrameSender implements Disposable {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Throws NetlinkError ENODEV. */
  static async open(place: Place, device: string): Promise<FrameSender> {
    return new FrameSender(await openSocket(place, device, 0));
  }

  /** Throws SystemError (ENETDOWN, EMSGSIZE). */
  send(frame: Buffer): void {
    libc.sendto(this.#descriptor, frame, frame.length, null);
  }

  [Symbol.dispose](): void {
    libc.close(this.#descriptor);
  }
}

interface Place {
  readonly namespace: NetworkNamespace;
}

/** Counts the frames that pass a device in a namespace and match a predicate, from when it is open. */
export class FrameCapture implements Disposable {
  readonly #descriptor: number;
  readonly #watcher: Disposable;
  readonly #matches: (frame: Buffer, direction: Direction) => boolean;
  readonly #frames: Buffer[] = [];
  readonly #buffer = Buffer.alloc(65_536 + 64);
  readonly #address = Buffer.alloc(SOCKADDR_LL_LENGTH);
  #count = 0;
  #seen = 0;
  #drops = 0;
  #closed = false;

  private constructor(descriptor: number, matches: (frame: Buffer, direction: Direction) => boolean) {
    this.#descriptor = descriptor;
    this.#matches = matches;
    this.#watcher = watchReadable(descriptor, () => this.#drain());
  }

  /** Throws NetlinkError ENODEV. */
  static async open(
    place: Place,
    device: string,
    matches: (frame: Buffer, direction: Direction) => boolean,
  ): Promise<FrameCapture> {
    return new FrameCapture(await openSocket(place, device, ETH_P_ALL), matches);
  }

  /** Up to now, including what the kernel has queued. */
  get report(): CaptureReport {
    if (!this.#closed) this.#drain();
    return { count: this.#count, frames: this.#frames, seen: this.#seen, drops: this.#drops };
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#drain();
    this.#closed = true;
    this.#watcher[Symbol.dispose]();
    libc.close(this.#descriptor);
  }

  /** Bytes; negative: there is nothing now. */
  #receive(): number {
    try {
      return libc.receiveFrom(this.#descriptor, this.#buffer, this.#address);
    } catch (failure) {
      // Told once when the device goes down (packet(7)): it may come up again.
      if (failure instanceof SystemError && failure.code === 'ENETDOWN') return -1;
      throw failure;
    }
  }

  #drain(): void {
    for (;;) {
      const length = this.#receive();
      if (length < 0) break;
      this.#seen++;
      const frame = this.#buffer.subarray(0, Math.min(length, this.#buffer.length));
      if (!this.#matches(frame, this.#address[10] === PACKET_OUTGOING ? 'out' : 'in')) continue;
      this.#count++;
      if (this.#frames.length < MAX_KEPT) this.#frames.push(Buffer.from(frame));
    }
    const statistics = Buffer.alloc(8);
    libc.getsockopt(this.#descriptor, SOL_PACKET, PACKET_STATISTICS, statistics);
    // Reading them resets them.
    this.#drops += statistics.readUInt32LE(4);
  }
}

/** Throws NetlinkError ENODEV. */
async function openSocket({ namespace }: Place, device: string, protocol: number): Promise<number> {
  const { ifiIndex } = await withSocket(namespace, (socket) => socket.get(link.get({ ifname: device })));
  const receiveBufferBytes = RECEIVE_BUFFER_BYTES;
  return openPacketSocket({ namespace, device: ifiIndex, protocol, receiveBufferBytes, outgoing: true });
}
