import {
  type BatchFailure,
  type BatchResult,
  failed,
  requireProtocol,
  resultOf,
  unencodable,
} from './batch.js';
import { appendMessage, type Channel, NetlinkError, NLMSG, readAcknowledgement } from './channel.js';
import type { Writer } from './codec/bytes.js';
import { DecodeError, EncodeError } from './codec/errors.js';
import { type Message, type MessageFamily, NLM_F } from './codec/family.js';

// linux/netfilter/nfnetlink.h
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFNL_SUBSYS_NFTABLES = 10;
/** A transaction is one sendto, which the send buffer must hold as a whole. */
export const MAX_TRANSACTION_BYTES = 1 << 20;

/** nfnetlink's brackets around a transaction: a header that names the subsystem, no attributes. */
const bracket: MessageFamily = {
  name: 'batch',
  protocol: 'netfilter',
  newType: NFNL_MSG_BATCH_BEGIN,
  deleteType: NFNL_MSG_BATCH_END,
  write(writer) {
    writer.view.setUint16(writer.space(4) + 2, NFNL_SUBSYS_NFTABLES, false);
  },
  read: () => undefined,
};
const BEGIN: Message = { family: bracket, type: NFNL_MSG_BATCH_BEGIN, flags: NLM_F.REQUEST, body: {} };
const END: Message = { family: bracket, type: NFNL_MSG_BATCH_END, flags: NLM_F.REQUEST, body: {} };

/** Sends the messages as one transaction and reads its outcome; see `NetlinkSocket.transaction`. */
export function commit(channel: Channel, writer: Writer, messages: readonly Message[]): BatchResult {
  const total = messages.length;
  if (total === 0) return { total, failures: [] };
  const first = channel.reserve(total + 2);
  const failures = encode(writer, channel, messages, first);
  if (failures.length > 0) return { total, failures };
  channel.send(writer);
  let refusal: NetlinkError | undefined;
  let acknowledged = false;
  // Everything is answered before sendto returns: there is nothing left to come when the queue is empty.
  while (
    channel.receive((type, flags, sequence, source, offset, end) => {
      const index = sequence - first - 1;
      if (type !== NLMSG.ERROR || index < -1 || index > total) return;
      const { errno, message } = readAcknowledgement(type, source, offset, end, flags);
      if (errno === 0) acknowledged ||= index === total - 1;
      else if (index === -1 || index === total)
        refusal = new NetlinkError('nftables transaction', errno, message);
      else failures.push(failed(index, errno, message));
    })
  );
  if (failures.length > 0) return resultOf(total, failures);
  if (refusal !== undefined) throw refusal;
  if (!acknowledged) throw new DecodeError('the kernel did not answer an nftables transaction');
  return { total, failures };
}

function encode(
  writer: Writer,
  channel: Channel,
  messages: readonly Message[],
  first: number,
): BatchFailure[] {
  const failures: BatchFailure[] = [];
  writer.length = 0;
  appendMessage(writer, BEGIN, first);
  for (const [index, message] of messages.entries()) {
    requireProtocol(channel, message);
    try {
      appendMessage(writer, message, first + 1 + index, index === messages.length - 1 ? NLM_F.ACK : 0);
    } catch (failure) {
      failures.push(unencodable(index, failure));
    }
  }
  appendMessage(writer, END, first + 1 + messages.length);
  if (writer.length > MAX_TRANSACTION_BYTES) {
    throw new EncodeError(
      `a transaction must be at most ${MAX_TRANSACTION_BYTES} bytes, is ${writer.length}`,
    );
  }
  return failures;
}
