import { randomBytes } from 'node:crypto';
import { AppError, systemClock } from '@outboard/core';
import { libc, SO_RCVBUFFORCE, SOCK_DGRAM, SOL_SOCKET, SystemError, watchReadable } from '@outboard/ffi';
import { within } from '../deadline.js';
import type { Endpoint } from '../places.js';
import {
  decodeSocketAddress,
  encodeSocketAddress,
  openSocket,
  receiverDrops,
  versionOf,
} from '../sockets.js';

const RATE = 1000;
const PAYLOAD_BYTES = 64;
/** Token and sequence number. */
const STAMP = 12;
/** Over an hour at 1,000 packets a second; times and marks of that many take 36 MiB. */
const MAX_PACKETS = 1 << 22;
const MAX_GAPS = 1000;
/** After a pause of the event loop at most so many packets are sent at once, so that the probe does not flood. */
const MAX_BURST = 256;
const TICK_MILLISECONDS = 1;
const RECEIVE_BUFFER_BYTES = 8 << 20;
const DRAIN_MILLISECONDS = 500;

export interface UdpFlowOptions {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Where it is sent: absent, the first address of `to` of an IP version that `from` has. */
  readonly ip?: string;
  /** Absent: any free port. */
  readonly port?: number;
  /** Packets per second, 1 to 20,000; default 1,000. */
  readonly rate?: number;
  /** UDP payload, 12 to 9,000 bytes; default 64. */
  readonly payloadBytes?: number;
}

/** Consecutive packets that did not arrive. */
export interface Gap {
  /** Sequence numbers, inclusive. */
  readonly first: number;
  readonly last: number;
  /** When the first of them was sent, after the start of the flow. */
  readonly startMilliseconds: number;
  /** From the sending of the first lost packet to that of the next one that arrived (or the last one sent). */
  readonly milliseconds: number;
}

export interface UdpFlowReport {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  /** Arrived after a packet that was sent later. */
  readonly reordered: number;
  readonly duplicates: number;
  /** The first 1,000. */
  readonly gaps: readonly Gap[];
  readonly gapTotal: number;
  readonly longestGapMilliseconds: number;
  /** Packets that the sender's own kernel refused, by errno's name; they count as sent and lost. */
  readonly refused: Readonly<Record<string, number>>;
  /** Lost by the probe, not by the network: its receive buffer was full. Anything but 0 spoils the measurement. */
  readonly receiverDrops: number;
  /** The longest time between two sendings: an outage that fits into it may have gone unseen. */
  readonly longestPauseMilliseconds: number;
  readonly milliseconds: number;
}

/**
 * A stream of numbered datagrams at a steady rate. Gaps are told in the sender's time, so that a pause of the measuring
 * process (it shares its event loop with the test) shows up neither as loss nor as a longer gap.
 */
export class UdpFlow implements Disposable {
  readonly #sender: number;
  readonly #receiver: number;
  readonly #destination: Buffer;
  readonly #rate: number;
  readonly #packet: Buffer;
  readonly #token = randomBytes(8);
  readonly #startedAt = systemClock.monotonic();
  readonly #received = new PacketLog();
  readonly #refused = new Map<string, number>();
  readonly #incoming = Buffer.alloc(65_536);
  readonly #ticker: NodeJS.Timeout;
  readonly #watcher: Disposable;
  readonly #waiting = new Set<() => void>();
  #report: UdpFlowReport | undefined;

  private constructor(options: UdpFlowOptions, sender: number, receiver: number, destination: Buffer) {
    this.#sender = sender;
    this.#receiver = receiver;
    this.#destination = destination;
    this.#rate = options.rate ?? RATE;
    this.#packet = Buffer.alloc(options.payloadBytes ?? PAYLOAD_BYTES);
    this.#packet.set(this.#token);
    this.#watcher = watchReadable(receiver, () => this.#drain());
    this.#ticker = setInterval(() => this.#tick(), TICK_MILLISECONDS);
  }

  /** Starts sending. Throws AppError INVALID_ARGUMENT, SystemError (EADDRINUSE). */
  static start(options: UdpFlowOptions): UdpFlow {
    const ip = check(options);
    const version = versionOf(ip);
    const receiver = openSocket(options.to.namespace, version, SOCK_DGRAM);
    let sender: number | undefined;
    try {
      libc.setsockopt(receiver, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
      const any = encodeSocketAddress({ ip: version === 4 ? '0.0.0.0' : '::', port: options.port ?? 0 });
      libc.bind(receiver, any);
      libc.getsockname(receiver, any);
      sender = openSocket(options.from.namespace, version, SOCK_DGRAM);
      const destination = encodeSocketAddress({ ip, port: decodeSocketAddress(any).port });
      return new UdpFlow(options, sender, receiver, destination);
    } catch (failure) {
      libc.close(receiver);
      if (sender !== undefined) libc.close(sender);
      throw failure;
    }
  }

  /** Packets sent so far. */
  get sent(): number {
    return this.#received.sent;
  }

  /** So far; packets later than the last one that arrived are not judged yet. */
  get report(): UdpFlowReport {
    return this.#report ?? this.#judge(this.#received.highest + 1);
  }

  /** Resolves when so many more packets have arrived than had when it was called. Throws AppError DEADLINE_EXCEEDED. */
  async progress(packets = 1, deadlineMilliseconds = 10_000): Promise<void> {
    const goal = this.#received.count + packets;
    if (!(await this.#arrivals(() => this.#received.count >= goal, deadlineMilliseconds))) {
      throw new AppError(
        'DEADLINE_EXCEEDED',
        `${goal - this.#received.count} of ${packets} packets did not arrive within ${deadlineMilliseconds} ms`,
      );
    }
  }

  /** Stops sending, waits for what is on its way (at most half a second), closes and reports. */
  async stop(): Promise<UdpFlowReport> {
    if (this.#report !== undefined) return this.#report;
    clearInterval(this.#ticker);
    await this.#arrivals(() => this.#received.count >= this.#received.sent, DRAIN_MILLISECONDS);
    this[Symbol.dispose]();
    return this.report;
  }

  /** Closes at once; what is on its way counts as lost. */
  [Symbol.dispose](): void {
    if (this.#report !== undefined) return;
    clearInterval(this.#ticker);
    this.#drain();
    this.#report = this.#judge(this.#received.sent);
    this.#watcher[Symbol.dispose]();
    libc.close(this.#sender);
    libc.close(this.#receiver);
  }

  /** Waits until a condition on the arrivals holds; false if the time was over first. */
  async #arrivals(condition: () => boolean, milliseconds: number): Promise<boolean> {
    let check = (): void => undefined;
    const enough = new Promise<void>((resolve) => {
      check = () => {
        if (condition()) resolve();
      };
    });
    this.#waiting.add(check);
    check();
    await within(milliseconds, enough);
    this.#waiting.delete(check);
    return condition();
  }

  #tick(): void {
    const log = this.#received;
    const due = Math.floor(((systemClock.monotonic() - this.#startedAt) * this.#rate) / 1000) + 1;
    const end = Math.min(due, log.sent + MAX_BURST, MAX_PACKETS);
    while (log.sent < end) this.#send(log.send(systemClock.monotonic() - this.#startedAt));
  }

  #send(sequence: number): void {
    this.#packet.writeUInt32BE(sequence, this.#token.length);
    try {
      libc.sendto(this.#sender, this.#packet, this.#packet.length, this.#destination);
    } catch (failure) {
      if (!(failure instanceof SystemError)) throw failure;
      this.#refused.set(failure.code, (this.#refused.get(failure.code) ?? 0) + 1);
    }
  }

  #drain(): void {
    for (;;) {
      const length = libc.receive(this.#receiver, this.#incoming);
      if (length < 0) break;
      const ours = length >= STAMP && this.#incoming.subarray(0, this.#token.length).equals(this.#token);
      if (ours) this.#received.receive(this.#incoming.readUInt32BE(this.#token.length));
    }
    for (const check of this.#waiting) check();
  }

  #judge(end: number): UdpFlowReport {
    return {
      ...this.#received.judge(end),
      refused: Object.fromEntries(this.#refused),
      receiverDrops: receiverDrops(this.#receiver),
      milliseconds: systemClock.monotonic() - this.#startedAt,
    };
  }
}

/** When each packet was sent, and whether it arrived. */
export class PacketLog {
  #sentAt = new Float64Array(4096);
  #arrived = new Uint8Array(4096);
  #sent = 0;
  #count = 0;
  #highest = -1;
  #reordered = 0;
  #duplicates = 0;
  #longestPause = 0;

  get sent(): number {
    return this.#sent;
  }

  /** Different packets that arrived. */
  get count(): number {
    return this.#count;
  }

  /** The highest sequence number that arrived, or -1. */
  get highest(): number {
    return this.#highest;
  }

  /** Notes the sending of the next packet; its sequence number. */
  send(milliseconds: number): number {
    const sequence = this.#sent++;
    if (sequence === this.#sentAt.length) this.#grow();
    this.#sentAt[sequence] = milliseconds;
    const pause = milliseconds - (this.#sentAt[sequence - 1] ?? milliseconds);
    this.#longestPause = Math.max(this.#longestPause, pause);
    return sequence;
  }

  receive(sequence: number): void {
    if (sequence >= this.#sent) return;
    if (this.#arrived[sequence] === 1) {
      this.#duplicates++;
      return;
    }
    this.#arrived[sequence] = 1;
    this.#count++;
    if (sequence > this.#highest) this.#highest = sequence;
    else this.#reordered++;
  }

  /** The fate of the packets with sequence numbers below `end`. */
  judge(end: number): Omit<UdpFlowReport, 'refused' | 'receiverDrops' | 'milliseconds'> {
    const gaps: Gap[] = [];
    let received = 0;
    let gapTotal = 0;
    let longest = 0;
    for (let sequence = 0; sequence < end; sequence++) {
      if (this.#arrived[sequence] === 1) {
        received++;
        continue;
      }
      const first = sequence;
      while (sequence + 1 < end && this.#arrived[sequence + 1] !== 1) sequence++;
      const startMilliseconds = this.#sentAt[first] ?? 0;
      const next = Math.min(sequence + 1, this.#sent - 1);
      const milliseconds = (this.#sentAt[next] ?? 0) - startMilliseconds;
      longest = Math.max(longest, milliseconds);
      gapTotal++;
      if (gaps.length < MAX_GAPS) gaps.push({ first, last: sequence, startMilliseconds, milliseconds });
    }
    return {
      sent: end,
      received,
      lost: end - received,
      reordered: this.#reordered,
      duplicates: this.#duplicates,
      gaps,
      gapTotal,
      longestGapMilliseconds: longest,
      longestPauseMilliseconds: this.#longestPause,
    };
  }

  #grow(): void {
    const sentAt = new Float64Array(this.#sentAt.length * 2);
    sentAt.set(this.#sentAt);
    this.#sentAt = sentAt;
    const arrived = new Uint8Array(this.#arrived.length * 2);
    arrived.set(this.#arrived);
    this.#arrived = arrived;
  }
}

/** The destination address of checked options. */
function check({ from, to, ip, rate = RATE, payloadBytes = PAYLOAD_BYTES }: UdpFlowOptions): string {
  const violations = [];
  if (!(rate >= 1 && rate <= 20_000)) violations.push({ field: 'rate', description: 'must be 1 to 20000' });
  if (!Number.isInteger(payloadBytes) || payloadBytes < STAMP || payloadBytes > 9000) {
    violations.push({ field: 'payloadBytes', description: `must be ${STAMP} to 9000` });
  }
  const versions = new Set(from.addresses.map(versionOf));
  const destination = ip ?? to.addresses.find((address) => versions.has(versionOf(address)));
  if (destination === undefined) {
    violations.push({ field: 'to', description: 'must have an address of an IP version of the sender' });
  }
  if (violations.length > 0 || destination === undefined) throw AppError.invalid(violations);
  return destination;
}
