import type { Clock, Random } from '@outboard/core';
import { libc, type NetworkNamespace, openPacketSocket, SystemError, watchReadable } from '@outboard/ffi';
import { taggedFrame } from '@outboard/netlink';
import { answerTo, MAX_QUESTION_BYTES } from './answers.js';
import { questionFilter } from './question-filter.js';
import type { ResponderSpec } from './responder-spec.js';
import { advertisedSubnets, unsolicited, withdrawal } from './router-advertisement.js';

const ETH_P_ALL = 0x0003;
/** Room for some questions; what comes meanwhile is dropped by the kernel. */
const RECEIVE_BUFFER_BYTES = 32 << 10;
/** Answers at once, and how soon there are as many again: a port that asks for more is not heard until then. */
const BURST = 20;
const PAUSE_MILLISECONDS = 1000;
/** Between advertisements that nobody asked for (RFC 4861 section 6.2.1). */
const MIN_INTERVAL_MILLISECONDS = 200_000;
const MAX_INTERVAL_MILLISECONDS = 600_000;

export interface ResponderPlace {
  readonly namespace: NetworkNamespace | undefined;
  /** Index of the representor. */
  readonly device: number;
}

const received = Buffer.alloc(MAX_QUESTION_BYTES);

/**
 * Answers one port at its representor, by a packet socket: it hears the port's frames before anything else does, and
 * what it sends goes to the port and nobody else.
 */
export class Responder {
  readonly #descriptor: number;
  #spec: ResponderSpec;
  #left = BURST;
  #watcher: Disposable | undefined;
  #pause: Disposable | undefined;
  #advertising: Disposable | undefined;
  #closed = false;

  private constructor(
    spec: ResponderSpec,
    readonly deviceIndex: number,
    descriptor: number,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    this.#spec = spec;
    this.#descriptor = descriptor;
    this.#listen();
    this.#advertise();
  }

  /** Throws SystemError. */
  static open(
    spec: ResponderSpec,
    { namespace, device }: ResponderPlace,
    clock: Clock,
    random: Random,
  ): Responder {
    const descriptor = openPacketSocket({
      namespace,
      device,
      protocol: ETH_P_ALL,
      receiveBufferBytes: RECEIVE_BUFFER_BYTES,
      filter: questionFilter(spec.vlanId),
      outgoing: false,
    });
    return new Responder(spec, device, descriptor, clock, random);
  }

  get spec(): ResponderSpec {
    return this.#spec;
  }

  /** Answers so from now on; where routers are advertised, the port learns it at once. */
  tell(spec: ResponderSpec): void {
    const before = this.#spec;
    this.#spec = spec;
    if (advertisedSubnets(spec).length === 0) this.#send(withdrawal(before));
    this.#advertise();
  }

  /** Ends for good: the port learns that there is no router any more. */
  retire(): void {
    this.#send(withdrawal(this.#spec));
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const each of [this.#watcher, this.#pause, this.#advertising]) each?.[Symbol.dispose]();
    libc.close(this.#descriptor);
  }

  #listen(): void {
    this.#watcher = watchReadable(this.#descriptor, () => this.#drain());
  }

  #drain(): void {
    while (this.#left > 0) {
      const frame = this.#receive();
      if (frame === undefined) break;
      this.#left--;
      this.#send(answerTo(frame, this.#spec));
    }
    this.#pause ??= this.clock.schedule(PAUSE_MILLISECONDS, () => this.#refill());
    if (this.#left > 0) return;
    this.#watcher?.[Symbol.dispose]();
    this.#watcher = undefined;
  }

  #refill(): void {
    this.#pause = undefined;
    this.#left = BURST;
    if (this.#watcher === undefined) this.#listen();
  }

  /** Undefined: there is none now. */
  #receive(): Buffer | undefined {
    try {
      const length = libc.receive(this.#descriptor, received);
      return length < 0 ? undefined : received.subarray(0, Math.min(length, received.length));
    } catch (failure) {
      // The device went down, or away: that is told once, and is for others to see to.
      if (failure instanceof SystemError) return undefined;
      throw failure;
    }
  }

  #send(frame: Buffer | undefined): void {
    // That the device was down is told by the first call after that. While it is down nobody hears it: whoever asked
    // asks again.
    if (frame === undefined) return;
    const { vlanId } = this.#spec;
    // What is heard, the kernel has untagged.
    const sent = vlanId === 0 ? frame : taggedFrame(frame, vlanId);
    if (!this.#trySend(sent)) this.#trySend(sent);
  }

  #trySend(frame: Buffer): boolean {
    try {
      libc.sendto(this.#descriptor, frame, frame.length, null);
      return true;
    } catch (failure) {
      if (failure instanceof SystemError) return false;
      throw failure;
    }
  }

  #advertise(): void {
    this.#advertising?.[Symbol.dispose]();
    this.#advertising = undefined;
    if (advertisedSubnets(this.#spec).length === 0) return;
    this.#send(unsolicited(this.#spec));
    const span = MAX_INTERVAL_MILLISECONDS - MIN_INTERVAL_MILLISECONDS;
    const milliseconds = MIN_INTERVAL_MILLISECONDS + span * this.random.fraction();
    this.#advertising = this.clock.schedule(milliseconds, () => this.#advertise());
  }
}
