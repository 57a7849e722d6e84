import { constants } from 'node:os';
import { invariant } from '@outboard/core';
import { errnoName } from '@outboard/ffi';
import { appendMessage, type Channel, NLMSG, readAcknowledgement } from './channel.js';
import type { Writer } from './codec/bytes.js';
import { DecodeError, EncodeError } from './codec/errors.js';
import { type Message, NLM_F } from './codec/family.js';

/** Measured optimum: larger chunks cost more per message (vmalloc'd skb, cache), smaller ones more system calls. */
const MESSAGES_PER_CHUNK = 128;
const BYTES_PER_CHUNK = 15 * 1024;
const FLAGS_OFFSET = 6;
const SEQUENCE_OFFSET = 8;

/** One message that failed. The others of its batch stand: batches are not atomic, transactions are. */
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

/** A part of a batch: its positions, the sequence number of the first, and that of the acknowledged last. */
export interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly sequence: number;
  /** -1 if nothing was encoded: there is nothing to send then. */
  readonly barrier: number;
  /** Whether the messages end here. */
  readonly last: boolean;
}

/** Encodes the next chunk into the writer; only its last message asks for an acknowledgement, as the barrier. */
export function encodeChunk(
  channel: Channel,
  writer: Writer,
  messages: Iterator<Message>,
  start: number,
  failures: BatchFailure[],
): Chunk {
  writer.length = 0;
  const sequence = channel.reserve(MESSAGES_PER_CHUNK);
  let lastAt = -1;
  let index = start;
  let last = false;
  for (; index - start < MESSAGES_PER_CHUNK && writer.length < BYTES_PER_CHUNK; index++) {
    const next = messages.next();
    if (next.done === true) {
      last = true;
      break;
    }
    requireProtocol(channel, next.value);
    const at = writer.length;
    try {
      appendMessage(writer, next.value, sequence + index - start);
      lastAt = at;
    } catch (failure) {
      failures.push(unencodable(index, failure));
    }
  }
  if (lastAt < 0) return { start, end: index, sequence, barrier: -1, last };
  const flags = writer.view.getUint16(lastAt + FLAGS_OFFSET, true);
  writer.view.setUint16(lastAt + FLAGS_OFFSET, flags | NLM_F.ACK, true);
  const barrier = writer.view.getUint32(lastAt + SEQUENCE_OFFSET, true);
  return { start, end: index, sequence, barrier, last };
}

/** Reads the answers to a chunk until its barrier; the kernel has queued them all before sendto returned. */
export function drainChunk(channel: Channel, chunk: Chunk, failures: BatchFailure[]): void {
  let done = false;
  while (!done) {
    const more = channel.receive((type, flags, sequence, source, offset, end) => {
      const position = sequence - chunk.sequence;
      if (type !== NLMSG.ERROR || position < 0 || position >= chunk.end - chunk.start) return;
      const { errno, message } = readAcknowledgement(type, source, offset, end, flags);
      if (errno !== 0) failures.push(failed(chunk.start + position, errno, message));
      done ||= sequence === chunk.barrier;
    });
    if (!more && !done) throw new DecodeError('the kernel did not answer a batch');
  }
}

export const failed = (index: number, errno: number, message: string): BatchFailure => ({
  index,
  errno,
  code: errnoName(errno),
  message,
});

/** A message that its own codec refused, as a failure of the batch; any other throw is a bug and goes on. */
export function unencodable(index: number, failure: unknown): BatchFailure {
  if (!(failure instanceof EncodeError)) throw failure;
  return failed(index, constants.errno.EINVAL, failure.message);
}

export const resultOf = (total: number, failures: BatchFailure[]): BatchResult => ({
  total,
  failures: failures.sort((a, b) => a.index - b.index),
});

export function requireProtocol(channel: Channel, message: Message): void {
  invariant(
    message.family.protocol === channel.protocol,
    `${message.family.name} is no message of the ${channel.protocol} protocol`,
  );
}
