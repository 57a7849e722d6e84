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
  /** -1 if nothing could be encoded: there is nothing to send then. */
  readonly barrier: number;
}

/** Encodes the next chunk into the writer; only its last message asks for an acknowledgement, as the barrier. */
export function encodeChunk(
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
    requireProtocol(channel, message);
    const at = writer.length;
    try {
      appendMessage(writer, message, sequence + index - start);
      last = at;
    } catch (failure) {
      failures.push(unencodable(index, failure));
    }
  }
  if (last < 0) return { start, end: index, sequence, barrier: -1 };
  const flags = writer.view.getUint16(last + FLAGS_OFFSET, true);
  writer.view.setUint16(last + FLAGS_OFFSET, flags | NLM_F.ACK, true);
  return { start, end: index, sequence, barrier: writer.view.getUint32(last + SEQUENCE_OFFSET, true) };
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
