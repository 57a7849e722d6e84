import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { invariant } from '@outboard/core';
import { errnoName, type NetworkNamespace } from '@outboard/ffi';
import { appendMessage, Channel, NetlinkError, NLMSG, readAcknowledgement } from './channel.js';
import { Writer } from './codec/bytes.js';
import { DecodeError, EncodeError } from './codec/errors.js';
import { type Message, NLM_F, type ProtocolName, type Request } from './codec/family.js';

/** Measured optimum: larger chunks cost more per message (vmalloc'd skb, cache), smaller ones more system calls. */
const MESSAGES_PER_CHUNK = 128;
const BYTES_PER_CHUNK = 15 * 1024;
/** After so many parts (32 KiB each) a dump lets the event loop run. */
const PARTS_PER_TURN = 4;
const DUMP_ATTEMPTS = 5;
const MAX_TRANSACTION_BYTES = 4 << 20;
const EINVAL = constants.errno.EINVAL;
const FLAGS_OFFSET = 6;

/** One message that failed. The others of its batch stand: rtnetlink batches are not atomic, transactions are. */
export interface BatchFailure {
  /** Position in the batch. */
  readonly index: number;
  /** Positive; EINVAL for what could not be encoded and was not sent. */
  readonly errno: number;
  readonly code: string;
  /** The kernel's text (or the encoder's, with the attribute's path), '' if it gave none. */
  readonly message: string;
}

export interface BatchResult {
  /** How many messages the batch had. */
  readonly total: number;
  /** In the order of the batch. */
  readonly failures: readonly BatchFailure[];
}

export interface SocketOptions {
  readonly protocol?: ProtocolName;
  /** Where the sockets live; the caller's own if absent. The handle may be closed afterwards. */
  readonly namespace?: NetworkNamespace;
}

// Encoded and sent within one turn: all sockets share it. Only the off-thread lane has a writer of its own.
const sharedWriter = new Writer();

/**
 * Requests to one protocol in one namespace. Three lanes, so that nothing waits for what it need not wait for:
 * batches and gets (each chunk is one turn of the event loop: a small batch runs between the chunks of a large one),
 * dumps (one at a time, as the kernel wants it), and slow operations off the main thread.
 */
export class NetlinkSocket implements Disposable {
  readonly protocol: ProtocolName;
  readonly #control: Channel;
  readonly #dumps: Lane;
  readonly #slow: Lane;
  readonly #slowWriter = new Writer(4096);
  #closed = false;

  private constructor(options: SocketOptions) {
    this.protocol = options.protocol ?? 'route';
    const open = (): Channel => new Channel({ protocol: this.protocol, namespace: options.namespace });
    this.#control = open();
    this.#dumps = new Lane(open());
    this.#slow = new Lane(open());
  }

  /** Throws SystemError: EPERM without CAP_NET_ADMIN, EPROTONOSUPPORT where the kernel lacks the protocol. */
  static open(options: SocketOptions = {}): NetlinkSocket {
    return new NetlinkSocket(options);
  }

  /**
   * Sends messages in order, in chunks, and tells of each one that failed. The first chunk is sent before this
   * returns. Rejects only if the socket itself fails; then how far it came is unknown.
   */
  async batch(messages: readonly Message[]): Promise<BatchResult> {
    const failures: BatchFailure[] = [];
    for (let next = 0; next < messages.length; ) {
      if (next > 0) await nextTurn();
      const chunk = this.#encodeChunk(this.#control, sharedWriter, messages, next, failures);
      if (sharedWriter.length > 0) {
        this.#control.send(sharedWriter);
        drain(this.#control, chunk, failures);
      }
      next = chunk.end;
    }
    return { total: messages.length, failures: sorted(failures) };
  }

  /**
   * The same for operations over which the kernel blocks the caller (deleting or moving devices: 16-20 ms each),
   * on a pool thread. Calls run one after the other.
   */
  batchOffThread(messages: readonly Message[]): Promise<BatchResult> {
    return this.#slow.exclusive(async (channel) => {
      const failures: BatchFailure[] = [];
      for (let next = 0; next < messages.length; ) {
        const chunk = this.#encodeChunk(channel, this.#slowWriter, messages, next, failures);
        if (this.#slowWriter.length > 0) {
          await channel.sendOffThread(this.#slowWriter);
          drain(channel, chunk, failures);
        }
        next = chunk.end;
      }
      return { total: messages.length, failures: sorted(failures) };
    });
  }

  /** One message; throws NetlinkError if it failed. */
  async send(message: Message): Promise<void> {
    const { failures } = await this.batch([message]);
    for (const { errno, message: text } of failures) throw new NetlinkError(describe(message), errno, text);
  }

  /** One value: the answer to a `get`, or to a `create` with NLM_F.ECHO. Throws NetlinkError (ENODEV, ENOENT, ...). */
  async get<Output>(request: Request<Output>): Promise<Output> {
    this.#check(request);
    const sequence = this.#control.reserve(1);
    sharedWriter.length = 0;
    appendMessage(sharedWriter, request, sequence, NLM_F.ACK);
    this.#control.send(sharedWriter);
    const values: Output[] = [];
    let done = false;
    while (!done) {
      const more = this.#control.receive((type, flags, answers, source, offset, end) => {
        if (answers !== sequence) return;
        if (type === request.family.newType) values.push(request.family.read(source, offset, end));
        else if (type === NLMSG.ERROR) {
          done = true;
          const { errno, message } = readAcknowledgement(source, offset, end, flags);
          if (errno !== 0) throw new NetlinkError(describe(request), errno, message);
        }
      });
      if (!more) break;
    }
    const [value] = values;
    if (value === undefined) throw new DecodeError(`no answer to ${describe(request)}`);
    return value;
  }

  /**
   * All values, as one consistent picture: a dump that the kernel interrupted because the table changed under it is
   * taken again, up to 5 times; then NetlinkError EINTR. Yields to the event loop. Dumps run one after the other.
   */
  dump<Output>(request: Request<Output>): Promise<Output[]> {
    this.#check(request);
    return this.#dumps.exclusive(async (channel) => {
      for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
        const values = await dumpOnce(channel, request);
        if (values !== undefined) return values;
      }
      throw new NetlinkError(describe(request), constants.errno.EINTR, 'the table kept changing');
    });
  }

  /**
   * Applies nftables messages all or not at all. Failures name what was wrong; with any, nothing was applied.
   * Throws NetlinkError if the transaction as a whole was refused (EPERM, or what committing found).
   */
  async transaction(messages: readonly Message[]): Promise<BatchResult> {
    invariant(this.protocol === 'netfilter', 'transactions are of the netfilter protocol');
    if (messages.length === 0) return { total: 0, failures: [] };
    const writer = sharedWriter;
    const first = this.#control.reserve(messages.length + 2);
    const failures: BatchFailure[] = [];
    writer.length = 0;
    appendMessage(writer, batchMark(NFNL_MSG_BATCH_BEGIN), first);
    for (const [index, message] of messages.entries()) {
      this.#check(message);
      const flags = index === messages.length - 1 ? NLM_F.ACK : 0;
      try {
        appendMessage(writer, message, first + 1 + index, flags);
      } catch (failure) {
        failures.push(unencodable(index, failure));
      }
    }
    if (failures.length > 0) return { total: messages.length, failures };
    appendMessage(writer, batchMark(NFNL_MSG_BATCH_END), first + 1 + messages.length);
    if (writer.length > MAX_TRANSACTION_BYTES) {
      throw new EncodeError(
        `a transaction must be at most ${MAX_TRANSACTION_BYTES} bytes, is ${writer.length}`,
      );
    }
    this.#control.send(writer);
    // Everything is answered in one go: there is nothing left to come when the queue is empty.
    let refusal: NetlinkError | undefined;
    let acknowledged = false;
    while (
      this.#control.receive((type, flags, sequence, source, offset, end) => {
        const index = sequence - first - 1;
        if (type !== NLMSG.ERROR || index < -1 || index > messages.length) return;
        const { errno, message } = readAcknowledgement(source, offset, end, flags);
        if (errno === 0) acknowledged ||= index === messages.length - 1;
        else if (index === -1 || index === messages.length) {
          refusal = new NetlinkError('nftables transaction', errno, message);
        } else failures.push({ index, errno, code: errnoName(errno), message });
      })
    );
    if (refusal !== undefined && failures.length === 0) throw refusal;
    if (!acknowledged && failures.length === 0)
      throw new DecodeError('no answer to the nftables transaction');
    return { total: messages.length, failures: sorted(failures) };
  }

  /** Closes the lanes; operations on a pool thread are awaited first, queued ones reject. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#control.close();
    this.#dumps.close();
    this.#slow.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(message: Message): void {
    if (this.#closed) throw new Error('the netlink socket is closed');
    invariant(
      message.family.protocol === this.protocol,
      `${message.family.name} is no message of the ${this.protocol} protocol`,
    );
  }

  /** Encodes the next chunk into the writer; only its last message asks for an acknowledgement, as the barrier. */
  #encodeChunk(
    channel: Channel,
    writer: Writer,
    messages: readonly Message[],
    start: number,
    failures: BatchFailure[],
  ): Chunk {
    writer.length = 0;
    const limit = Math.min(messages.length, start + MESSAGES_PER_CHUNK);
    const sequence = channel.reserve(limit - start);
    let last = -1;
    let index = start;
    for (; index < limit && writer.length < BYTES_PER_CHUNK; index++) {
      const message = messages[index] as Message;
      this.#check(message);
      const at = writer.length;
      try {
        appendMessage(writer, message, sequence + index - start);
        last = at;
      } catch (failure) {
        failures.push(unencodable(index, failure));
      }
    }
    if (last >= 0) {
      const at = last + FLAGS_OFFSET;
      writer.view.setUint16(at, writer.view.getUint16(at, true) | NLM_F.ACK, true);
    }
    const barrier = last < 0 ? -1 : writer.view.getUint32(last + 8, true);
    return { start, end: index, sequence, barrier };
  }
}

/** A part of a batch: its positions, the sequence number of the first, and that of the acknowledged last. */
interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly sequence: number;
  readonly barrier: number;
}

/** A channel that is used by one operation at a time. */
class Lane {
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(readonly channel: Channel) {}

  exclusive<Value>(operation: (channel: Channel) => Promise<Value>): Promise<Value> {
    const result = this.#tail.then(() => {
      if (this.#closed) throw new Error('the netlink socket is closed');
      return operation(this.channel);
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }

  close(): void {
    this.#closed = true;
    void this.#tail.finally(() => this.channel.close());
  }
}

/** Reads the answers to a chunk until its barrier; the kernel has queued them all before sendto returned. */
function drain(channel: Channel, chunk: Chunk, failures: BatchFailure[]): void {
  let done = false;
  while (!done) {
    const more = channel.receive((type, flags, sequence, source, offset, end) => {
      const position = sequence - chunk.sequence;
      if (type !== NLMSG.ERROR || position < 0 || position >= chunk.end - chunk.start) return;
      const { errno, message } = readAcknowledgement(source, offset, end, flags);
      if (errno !== 0)
        failures.push({ index: chunk.start + position, errno, code: errnoName(errno), message });
      done ||= sequence === chunk.barrier;
    });
    if (!more && !done) throw new DecodeError('the kernel did not answer a batch');
  }
}

/** One dump; undefined if the kernel says that it was interrupted. */
async function dumpOnce<Output>(channel: Channel, request: Request<Output>): Promise<Output[] | undefined> {
  const sequence = channel.reserve(1);
  sharedWriter.length = 0;
  appendMessage(sharedWriter, request, sequence);
  channel.send(sharedWriter);
  const values: Output[] = [];
  let interrupted = false;
  let done = false;
  let refusal: unknown;
  for (let part = 1; !done; part++) {
    if (part % PARTS_PER_TURN === 0) await nextTurn();
    const more = channel.receive((type, flags, answers, source, offset, end) => {
      if (answers !== sequence) return;
      if (flags & NLM_F.DUMP_INTR) interrupted = true;
      if (type === NLMSG.DONE || type === NLMSG.ERROR) {
        done = true;
        const { errno, message } = readAcknowledgement(source, offset, end, flags);
        if (errno === constants.errno.EINTR) interrupted = true;
        else if (errno !== 0) refusal ??= new NetlinkError(describe(request), errno, message);
      } else if (type === request.family.newType && refusal === undefined) {
        // A dump must be read to its end even if it cannot be used: until then the kernel starts no other.
        try {
          values.push(request.family.read(source, offset, end));
        } catch (failure) {
          refusal = failure;
        }
      }
    });
    if (!more && !done) throw new DecodeError(`the ${request.family.name} dump ended without its end mark`);
  }
  if (refusal !== undefined) throw refusal;
  return interrupted ? undefined : values;
}

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFNL_SUBSYS_NFTABLES = 10;

/** nfnetlink's brackets around a transaction: a header that names the subsystem, no attributes. */
const batchMark = (type: number): Message => ({
  type,
  flags: NLM_F.REQUEST,
  body: {},
  family: {
    name: 'batch',
    protocol: 'netfilter',
    newType: -1,
    deleteType: -1,
    write(writer) {
      writer.view.setUint16(writer.space(4) + 2, NFNL_SUBSYS_NFTABLES, false);
    },
    read: () => undefined,
  },
});

function unencodable(index: number, failure: unknown): BatchFailure {
  if (!(failure instanceof EncodeError)) throw failure;
  return { index, errno: EINVAL, code: 'EINVAL', message: failure.message };
}

const describe = (message: Message): string => {
  const { family, type } = message;
  return `${type === family.newType ? 'new' : type === family.deleteType ? 'delete' : 'get'} ${family.name}`;
};

const sorted = (failures: BatchFailure[]): BatchFailure[] => failures.sort((a, b) => a.index - b.index);
