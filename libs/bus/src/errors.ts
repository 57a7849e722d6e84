import { AppError } from '@outboard/core';

/** The refusals that both adapters have in common. Programs branch on `code` and `reason`, people read the message. */
export const busErrors = {
  streamMissing: (stream: string): AppError =>
    new AppError('FAILED_PRECONDITION', `there is no stream ${stream}: provision the streams`, {
      reason: 'STREAM_MISSING',
      metadata: { stream },
    }),
  /** A durable publish that no stream took. */
  notCaptured: (subject: string): AppError =>
    new AppError('FAILED_PRECONDITION', `no stream captures ${subject}: provision the streams`, {
      reason: 'STREAM_MISSING',
      metadata: { subject },
    }),
  streamFull: (stream: string, detail: string): AppError =>
    new AppError('RESOURCE_EXHAUSTED', `stream ${stream} is full: ${detail}`, {
      reason: 'STREAM_FULL',
      metadata: { stream },
    }),
  tooLarge: (field: string, limit: number, size: number, subject: string): AppError =>
    AppError.invalid([{ field, description: `must be at most ${limit} bytes, is ${size}` }], {
      reason: 'BODY_TOO_LARGE',
      metadata: { subject },
    }),
  noResponders: (subject: string): AppError =>
    new AppError('UNAVAILABLE', `nobody answers ${subject}`, {
      reason: 'NO_RESPONDERS',
      metadata: { subject },
    }),
  deadline: (subject: string, milliseconds: number): AppError =>
    new AppError('DEADLINE_EXCEEDED', `no answer from ${subject} within ${milliseconds} ms`, {
      metadata: { subject },
    }),
  closed: (): AppError => new AppError('CANCELLED', 'the bus is closed', { reason: 'BUS_CLOSED' }),
  tooManyPending: (limit: number): AppError =>
    new AppError('RESOURCE_EXHAUSTED', `${limit} messages wait for their answers already`, {
      reason: 'TOO_MANY_PENDING',
    }),
  outOfRange: (stream: string, sequence: number): AppError =>
    new AppError(
      'OUT_OF_RANGE',
      `stream ${stream} does not hold sequence ${sequence} any more, or not yet: list again and watch from there`,
      { metadata: { stream, sequence: String(sequence) } },
    ),
} as const;
