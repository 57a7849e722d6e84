import { randomBytes } from 'node:crypto';
import { systemClock } from '@outboard/core';
import { libc, type NetworkNamespace, SOCK_RAW, SystemError, watchReadable } from '@outboard/ffi';
import { internetChecksum } from '@outboard/netlink';
import { encodeSocketAddress, type IpVersion, openSocket } from '../sockets.js';

/** What became of an echo request. */
export type EchoOutcome =
  | { readonly kind: 'reply'; readonly milliseconds: number }
  | { readonly kind: 'timeout' }
  /** A router, or the own kernel, said that it cannot be delivered; `mtu` where that is the reason. */
  | { readonly kind: 'unreachable'; readonly reason: string; readonly mtu?: number }
  /** It could not even be sent: the errno's name (ENETUNREACH, EMSGSIZE, ...). */
  | { readonly kind: 'unsent'; readonly code: string };

interface Pending {
  readonly sentAt: number;
  readonly settle: (outcome: EchoOutcome) => void;
}

/** Names of RFC 792 and RFC 4443, by IP version, type and code. */
const UNREACHABLE: Record<string, string> = {
  '4/3/0': 'network unreachable',
  '4/3/1': 'host unreachable',
  '4/3/3': 'port unreachable',
  '4/3/4': 'fragmentation needed',
  '4/3/9': 'network prohibited',
  '4/3/10': 'host prohibited',
  '4/3/13': 'communication prohibited',
  '4/11/0': 'time to live exceeded',
  '6/1/0': 'no route to destination',
  '6/1/1': 'communication prohibited',
  '6/1/3': 'address unreachable',
  '6/2/0': 'packet too big',
  '6/3/0': 'hop limit exceeded',
};

const ECHO = {
  4: { protocol: 1, request: 8, reply: 0 },
  6: { protocol: 58, request: 128, reply: 129 },
} as const;
const ICMP_HEADER = 8;
/** Token and number, by which answers are told apart from those to other programs in the namespace. */
const STAMP = 12;
const IPV6_HEADER = 40;
const FRAGMENTATION_NEEDED = '4/3/4';
const PACKET_TOO_BIG = '6/2/0';
const SOL_IP = 0;
const SOL_IPV6 = 41;
const IP_MTU_DISCOVER = 10;
const IPV6_MTU_DISCOVER = 23;
const IPV6_DONTFRAG = 62;
const PMTUDISC_DO = 2;

const received = Buffer.alloc(65_536);

/** A raw ICMP or ICMPv6 socket inside a namespace: any number of echo requests to any number of addresses at once. */
export class IcmpSocket implements Disposable {
  readonly #descriptor: number;
  readonly #watcher: Disposable;
  readonly #token = randomBytes(8);
  readonly #pending = new Map<number, Pending>();
  #next = 0;

  constructor(
    namespace: NetworkNamespace,
    readonly version: IpVersion,
    options: { readonly doNotFragment?: boolean } = {},
  ) {
    this.#descriptor = openSocket(namespace, version, SOCK_RAW, ECHO[version].protocol);
    if (options.doNotFragment) this.#setDoNotFragment();
    this.#watcher = watchReadable(this.#descriptor, () => this.#drain());
  }

  /** Sends one echo request with so many bytes behind the ICMP header, at least 12. Never rejects. */
  echo(ip: string, payloadBytes: number, timeoutMilliseconds: number): Promise<EchoOutcome> {
    const sequence = this.#next++;
    const message = this.#request(sequence, payloadBytes);
    return new Promise((resolve) => {
      const sentAt = systemClock.monotonic();
      const timer = systemClock.schedule(timeoutMilliseconds, () => settle({ kind: 'timeout' }));
      const settle = (outcome: EchoOutcome): void => {
        timer[Symbol.dispose]();
        this.#pending.delete(sequence);
        resolve(outcome);
      };
      this.#pending.set(sequence, { sentAt, settle });
      try {
        libc.sendto(this.#descriptor, message, message.length, encodeSocketAddress({ ip, port: 0 }));
      } catch (failure) {
        if (!(failure instanceof SystemError)) throw failure;
        settle({ kind: 'unsent', code: failure.code });
      }
    });
  }

  /** What is still pending times out. */
  [Symbol.dispose](): void {
    this.#watcher[Symbol.dispose]();
    libc.close(this.#descriptor);
    for (const { settle } of [...this.#pending.values()]) settle({ kind: 'timeout' });
  }

  #setDoNotFragment(): void {
    if (this.version === 4) libc.setsockopt(this.#descriptor, SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DO);
    else {
      libc.setsockopt(this.#descriptor, SOL_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO);
      libc.setsockopt(this.#descriptor, SOL_IPV6, IPV6_DONTFRAG, 1);
    }
  }

  #request(sequence: number, payloadBytes: number): Buffer {
    const message = Buffer.alloc(ICMP_HEADER + Math.max(payloadBytes, STAMP));
    message[0] = ECHO[this.version].request;
    message.set(this.#token.subarray(0, 2), 4);
    message.writeUInt16BE(sequence & 0xffff, 6);
    this.#token.copy(message, ICMP_HEADER);
    message.writeUInt32BE(sequence, ICMP_HEADER + this.#token.length);
    // The kernel computes ICMPv6's, which covers addresses that only it knows.
    if (this.version === 4) message.writeUInt16BE(internetChecksum(message), 2);
    return message;
  }

  #drain(): void {
    for (;;) {
      const length = libc.receive(this.#descriptor, received);
      if (length < 0) return;
      this.#take(received.subarray(0, Math.min(length, received.length)));
    }
  }

  /** IPv4 raw sockets are given the IP header, IPv6 ones are not (ip(7), RFC 3542). */
  #take(packet: Buffer): void {
    const icmp = this.version === 4 ? packet.subarray(((packet[0] ?? 0) & 15) * 4) : packet;
    if (icmp.length < ICMP_HEADER) return;
    const { reply } = ECHO[this.version];
    if (icmp[0] === reply) {
      const pending = this.#pendingOf(icmp);
      pending?.settle({ kind: 'reply', milliseconds: systemClock.monotonic() - pending.sentAt });
      return;
    }
    const kind = `${this.version}/${icmp[0]}/${icmp[1]}`;
    const reason = UNREACHABLE[kind];
    if (reason === undefined) return;
    // Behind an error's header comes the packet that it is about, from its IP header on.
    const original = icmp.subarray(ICMP_HEADER);
    const header = this.version === 4 ? ((original[0] ?? 0) & 15) * 4 : IPV6_HEADER;
    const mtu =
      kind === FRAGMENTATION_NEEDED
        ? icmp.readUInt16BE(6)
        : kind === PACKET_TOO_BIG
          ? icmp.readUInt32BE(4)
          : undefined;
    this.#pendingOf(original.subarray(header))?.settle({
      kind: 'unreachable',
      reason,
      ...(mtu !== undefined && { mtu }),
    });
  }

  #pendingOf(echo: Buffer): Pending | undefined {
    if (echo.length < ICMP_HEADER + STAMP) return undefined;
    const token = echo.subarray(ICMP_HEADER, ICMP_HEADER + this.#token.length);
    if (!token.equals(this.#token)) return undefined;
    return this.#pending.get(echo.readUInt32BE(ICMP_HEADER + this.#token.length));
  }
}
