import { setImmediate as nextTurn } from 'node:timers/promises';
import { libc, type NetworkNamespace } from '@outboard/ffi';
import {
  type BatchFailure,
  type BatchResult,
  drainChunk,
  encodeChunk,
  requireProtocol,
  resultOf,
} from './batch.js';
import { appendMessage, Channel, describe, NetlinkError, NLMSG, readAcknowledgement } from './channel.js';
import { formatLinkAddress } from './codec/address.js';
import { Writer } from './codec/bytes.js';
import { DecodeError } from './codec/errors.js';
import { type Message, NLM_F, type ProtocolName, type Request } from './codec/family.js';
import { type Keep, takeDump } from './dump.js';
import { commit } from './transaction.js';

export interface SocketOptions {
  readonly protocol?: ProtocolName;
  /** Where the sockets live; the caller's own if absent. The handle may be closed afterwards. */
  readonly namespace?: NetworkNamespace;
}

/** Questions of netdevice(7), by ioctl(2). */
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;

/** What the kernel tells of a device without waiting for its lock of all devices. */
export interface QuickLink {
  readonly ifiIndex: number;
  readonly address: string;
  /** Bytes. */
  readonly mtu: number;
}

// Encoded and sent within one turn: all sockets share it. Only the off-thread lane has a writer of its own.
const sharedWriter = new Writer();

/**
 * Requests to one protocol in one namespace. Three lanes, so that nothing waits for what it need not wait for:
 * batches and gets (each chunk is one turn of the event loop: a small batch runs between the chunks of a large one),
 * dumps (one at a time, as the kernel wants it), and slow operations off the main thread.
 */
export class NetlinkSocket implements Disposable {
  readonly #control: Channel;
  readonly #dumps: Lane;
  readonly #slow: Lane;
  readonly #slowWriter = new Writer(4096);

  private constructor(options: SocketOptions) {
    const open = (): Channel =>
      new Channel({ protocol: options.protocol ?? 'route', namespace: options.namespace });
    this.#control = open();
    this.#dumps = new Lane(open());
    this.#slow = new Lane(open());
  }

  /** By which the kernel tells who did what: of the lanes that change things. */
  get portIds(): readonly number[] {
    return [this.#control.portId, this.#slow.channel.portId];
  }

  /** Throws SystemError: EPERM without CAP_NET_ADMIN, EPROTONOSUPPORT where the kernel lacks the protocol. */
  static open(options: SocketOptions = {}): NetlinkSocket {
    return new NetlinkSocket(options);
  }

  /**
   * Sends messages in order, in chunks, and tells of each one that failed. The first chunk is sent before this
   * returns. A generator is asked for messages as they are sent, so that many need not exist at once; it must not use
   * sockets itself. Rejects only if the socket itself fails (or the generator throws): how far it came is unknown.
   */
  async batch(messages: Iterable<Message>): Promise<BatchResult> {
    const failures: BatchFailure[] = [];
    const iterator = messages[Symbol.iterator]();
    for (let sent = 0; ; ) {
      this.#control.requireOpen();
      const chunk = encodeChunk(this.#control, sharedWriter, iterator, sent, failures);
      if (chunk.barrier >= 0) {
        this.#control.send(sharedWriter);
        drainChunk(this.#control, chunk, failures);
      }
      if (chunk.last) return resultOf(chunk.end, failures);
      sent = chunk.end;
      await nextTurn();
    }
  }

  /**
   * The same for operations over which the kernel blocks the caller (deleting or moving devices: 16-20 ms each),
   * on a pool thread. Calls run one after the other.
   */
  batchOffThread(messages: Iterable<Message>): Promise<BatchResult> {
    return this.#slow.exclusive(async (channel) => {
      const failures: BatchFailure[] = [];
      const iterator = messages[Symbol.iterator]();
      for (let sent = 0; ; ) {
        const chunk = encodeChunk(channel, this.#slowWriter, iterator, sent, failures);
        if (chunk.barrier >= 0) {
          await channel.sendOffThread(this.#slowWriter);
          drainChunk(channel, chunk, failures);
        }
        if (chunk.last) return resultOf(chunk.end, failures);
        sent = chunk.end;
      }
    });
  }

  /** One message; throws NetlinkError if it failed. */
  async send(message: Message): Promise<void> {
    const { failures } = await this.batch([message]);
    for (const { errno, message: text } of failures) throw new NetlinkError(describe(message), errno, text);
  }

  /**
   * One value: the answer to a `get`, or what a `create` with NLM_F.ECHO made. Throws NetlinkError (ENODEV, ENOENT,
   * ...), EncodeError.
   */
  async get<Output>(request: Request<Output>): Promise<Output> {
    const channel = this.#control;
    channel.requireOpen();
    requireProtocol(channel, request);
    const expected = channel.reserve(1);
    sharedWriter.length = 0;
    appendMessage(sharedWriter, request, expected, NLM_F.ACK);
    channel.send(sharedWriter);
    const values: Output[] = [];
    let done = false;
    while (!done) {
      const more = channel.receive((type, flags, sequence, source, offset, end) => {
        if (sequence !== expected) return;
        if (type === request.family.newType) values.push(request.family.read(source, offset, end));
        else if (type === NLMSG.ERROR) {
          done = true;
          const { errno, message } = readAcknowledgement(type, source, offset, end, flags);
          if (errno !== 0) throw new NetlinkError(describe(request), errno, message);
        }
      });
      if (!more) break;
    }
    const [value] = values;
    if (value === undefined) throw new DecodeError(`the kernel did not answer ${describe(request)}`);
    return value;
  }

  /**
   * The device of that name, at once, where a `get` waits as long as somebody moves a device (20 ms). Only for one that
   * should be there, as the kernel looks for a module of that name otherwise. Undefined: there is none.
   */
  quickLink(ifname: string): QuickLink | undefined {
    this.#control.requireOpen();
    const ask = (question: number): Buffer | undefined =>
      libc.askDevice(this.#control.descriptor, question, ifname);
    const index = ask(SIOCGIFINDEX);
    const mtu = index && ask(SIOCGIFMTU);
    const address = mtu && ask(SIOCGIFHWADDR);
    if (index === undefined || mtu === undefined || address === undefined) return undefined;
    return {
      ifiIndex: index.readInt32LE(),
      mtu: mtu.readInt32LE(),
      // Behind the family of struct sockaddr.
      address: formatLinkAddress(address, 2, 6),
    };
  }

  /**
   * All values, as one consistent picture: a dump that the kernel interrupted because the table changed under it is
   * taken again, up to 5 times; then NetlinkError EINTR. Yields to the event loop. Dumps run one after the other.
   * `keep` is asked about each value as it is read: of a large table, only what it returns has to exist at once.
   */
  dump<Output>(request: Request<Output>): Promise<Output[]>;
  dump<Output, Kept>(request: Request<Output>, keep: Keep<Output, Kept>): Promise<Kept[]>;
  dump<Output>(request: Request<Output>, keep: Keep<Output, unknown> = (value) => value): Promise<unknown[]> {
    return this.#dumps.exclusive((channel) => {
      requireProtocol(channel, request);
      return takeDump(channel, sharedWriter, request, keep);
    });
  }

  /**
   * Applies nftables messages all or not at all, in one turn. The failures name what was wrong; with any, nothing was
   * applied. At most 1 MiB of messages (some 20,000 elements), else EncodeError. Throws NetlinkError if the
   * transaction as a whole was refused (EPERM, or what committing found).
   */
  async transaction(messages: readonly Message[]): Promise<BatchResult> {
    this.#control.requireOpen();
    return commit(this.#control, sharedWriter, messages);
  }

  /** Closes the lanes. What runs off the main thread ends first; what waits for its turn rejects. */
  close(): void {
    this.#control.close();
    this.#dumps.close();
    this.#slow.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A channel that is used by one operation at a time. */
class Lane {
  #tail: Promise<unknown> = Promise.resolve();
  #closing = false;

  constructor(readonly channel: Channel) {}

  exclusive<Value>(operation: (channel: Channel) => Promise<Value>): Promise<Value> {
    const result = this.#tail.then(() => {
      if (this.#closing) throw new Error('the netlink socket is closed');
      return operation(this.channel);
    });
    // Not the result itself: a table that was read would be kept until the next one is.
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  close(): void {
    this.#closing = true;
    void this.#tail.finally(() => this.channel.close());
  }
}
