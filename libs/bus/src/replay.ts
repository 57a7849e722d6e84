import { AppError, err, ok, type Result } from '@outboard/core';
import { parkedMessage } from './dead-letter.js';
import type { StreamBus, Watched } from './port.js';
import { STREAM } from './streams.js';

/** What became of a dead letter that was replayed: where its message went, and as which. */
export interface Replay {
  readonly subject: string;
  readonly messageId: string;
}

/**
 * Sends again what a dead letter keeps, then removes the letter. It goes under the id that it had or, where its stream
 * takes that for a repetition of what was parked, under one that is made of the letter's sequence and time. So a letter
 * that two people replay at the same time is stored once. A refused publish leaves the letter.
 */
export async function replay(bus: StreamBus, letter: Watched): Promise<Result<Replay, AppError>> {
  const parked = parkedMessage(letter);
  if (!parked) {
    return err(AppError.invalid([{ field: 'subject', description: 'must be that of a dead letter' }]));
  }
  const { subject, message, streamSequence = Number.POSITIVE_INFINITY } = parked;
  const letterId = `replay-${letter.streamSequence}-${Math.trunc(letter.storedAt)}`;
  let messageId = parked.messageId ?? letterId;
  let sent = await bus.publish(subject, message, { messageId });
  // What the stream knows by this id and has got later is a replay of this letter already.
  if (sent.ok && sent.value.duplicate && sent.value.sequence <= streamSequence) {
    messageId = letterId;
    sent = await bus.publish(subject, message, { messageId });
  }
  if (!sent.ok) return sent;
  const removed = await bus.streams.remove(STREAM.dead.name, letter.streamSequence);
  return removed.ok ? ok({ subject, messageId }) : err(notRemoved(removed.error, messageId));
}

const notRemoved = ({ code, message, reason, metadata }: AppError, messageId: string): AppError =>
  new AppError(code, `it was sent as ${messageId}, but its letter could not be removed: ${message}`, {
    metadata,
    ...(reason !== undefined && { reason }),
  });
