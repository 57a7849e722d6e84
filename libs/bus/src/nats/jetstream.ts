import type { ApiError, ConsumerConfig, ConsumerInfo, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { AppError, err, ok, type Result } from '@outboard/core';
import { busErrors } from '../errors.js';
import type { PublishAck } from '../port.js';
import type { Question, Requester } from './requester.js';

/** How long a call of the JetStream API may take, milliseconds. */
const API_DEADLINE = 5_000;

/** How long a durable publish may take, over a reconnect if need be, milliseconds. */
const PUBLISH_DEADLINE = 10_000;

/** `err_code` of nats-server (server/errors.json). */
const SERVER_ERROR = {
  consumerNotFound: 10014,
  streamNotFound: 10059,
  messageNotFound: 10037,
  messageTooLarge: 10054,
  /** "maximum bytes exceeded", "maximum messages exceeded" and the like come as this with their text. */
  storeFailed: 10077,
  streamResources: 10047,
  memoryResources: 10028,
} as const;

/** The calls of the JetStream API that this adapter makes, with their errors as `AppError`. */
export class JetStream {
  readonly #requester: Requester;

  constructor(requester: Requester) {
    this.#requester = requester;
  }

  /** Stores a message. The same id may be asked again after a reconnect: the stream recognises it. */
  async publish(message: Omit<Question, 'deadline' | 'repeatable'>): Promise<Result<PublishAck, AppError>> {
    const answer = await this.#requester.ask({ ...message, deadline: PUBLISH_DEADLINE, repeatable: true });
    const { subject } = message;
    if (!answer.ok) {
      return answer.error.reason === 'NO_RESPONDERS' ? err(busErrors.notCaptured(subject)) : answer;
    }
    const reply = parse(answer.value.data);
    if (!reply) {
      const text = `${subject} was answered by something that is no stream`;
      return err(new AppError('INTERNAL', text, { reason: 'NO_STREAM_ANSWER', metadata: { subject } }));
    }
    const { error, stream, seq, duplicate } = reply as Partial<{
      error: ApiError;
      stream: string;
      seq: number;
      duplicate: boolean;
    }>;
    if (error) return err(publishError(error, stream ?? '', subject));
    return ok({ stream: stream ?? '', sequence: seq ?? 0, duplicate: duplicate === true });
  }

  /** Ends or continues a delivery, and resolves when the server has done what that takes. */
  acknowledge(reply: string, what: string): Promise<Result<unknown, AppError>> {
    const question = { subject: reply, body: what, headers: undefined, deadline: API_DEADLINE };
    return this.#requester.ask({ ...question, repeatable: false });
  }

  consumerInfo(stream: string, consumer: string): Promise<Result<ConsumerInfo | undefined, AppError>> {
    return this.#found(`CONSUMER.INFO.${stream}.${consumer}`, '', stream, SERVER_ERROR.consumerNotFound);
  }

  /** Makes a consumer, or changes the one of that name. The subject names stream, consumer and filter: roles see it. */
  setConsumer(
    stream: string,
    name: string,
    filterSubject: string,
    config: Omit<ConsumerConfig, 'name' | 'filter_subject'>,
  ): Promise<Result<ConsumerInfo, AppError>> {
    const filter = filterSubject === '>' ? {} : { filter_subject: filterSubject };
    const suffix = filterSubject === '>' ? '' : `.${filterSubject}`;
    const body = { stream_name: stream, config: { ...config, ...filter, name } };
    return this.#call(`CONSUMER.CREATE.${stream}.${name}${suffix}`, body, stream);
  }

  deleteConsumer(stream: string, name: string): Promise<Result<unknown, AppError>> {
    return this.#call(`CONSUMER.DELETE.${stream}.${name}`, '', stream);
  }

  streamInfo(stream: string): Promise<Result<StreamInfo | undefined, AppError>> {
    return this.#found(`STREAM.INFO.${stream}`, '', stream, SERVER_ERROR.streamNotFound);
  }

  createStream(config: Partial<StreamConfig> & { name: string }): Promise<Result<StreamInfo, AppError>> {
    return this.#call(`STREAM.CREATE.${config.name}`, config, config.name);
  }

  updateStream(config: Partial<StreamConfig> & { name: string }): Promise<Result<StreamInfo, AppError>> {
    return this.#call(`STREAM.UPDATE.${config.name}`, config, config.name);
  }

  /** False when there was no such message. */
  async deleteMessage(stream: string, sequence: number): Promise<Result<boolean, AppError>> {
    const body = { seq: sequence, no_erase: true };
    const deleted = await this.#call<{ success: boolean }>(`STREAM.MSG.DELETE.${stream}`, body, stream);
    if (deleted.ok) return ok(deleted.value.success);
    // The server has no code of its own for it, and a text for each reason why it is not there.
    return /no message found|deleted message|store EOF/i.test(deleted.error.message) ? ok(false) : deleted;
  }

  async #found<Answer>(
    call: string,
    body: object | '',
    stream: string,
    absent: number,
  ): Promise<Result<Answer | undefined, AppError>> {
    const answer = await this.#call<Answer>(call, body, stream);
    return !answer.ok && answer.error.metadata.serverError === String(absent) ? ok(undefined) : answer;
  }

  async #call<Answer>(call: string, body: object | '', stream: string): Promise<Result<Answer, AppError>> {
    const answer = await this.#requester.ask({
      subject: `$JS.API.${call}`,
      body: body === '' ? '' : JSON.stringify(body),
      headers: undefined,
      deadline: API_DEADLINE,
      // Every call says how things should be, so asking twice does no harm.
      repeatable: true,
    });
    if (!answer.ok) {
      if (answer.error.reason !== 'NO_RESPONDERS') return answer;
      return err(
        new AppError('UNAVAILABLE', 'JetStream is not enabled on this server', { reason: 'NO_JETSTREAM' }),
      );
    }
    const reply = parse(answer.value.data);
    if (!reply) return err(new AppError('INTERNAL', `${call} was answered with something that is no JSON`));
    const { error } = reply as { error?: ApiError };
    return error ? err(apiError(error, stream, call)) : ok(reply as Answer);
  }
}

function publishError(error: ApiError, stream: string, subject: string): AppError {
  switch (error.err_code) {
    case SERVER_ERROR.messageTooLarge:
      return new AppError('INVALID_ARGUMENT', `${subject}: ${error.description}`, {
        reason: 'BODY_TOO_LARGE',
        metadata: { subject, stream },
      });
    case SERVER_ERROR.storeFailed:
    case SERVER_ERROR.streamResources:
    case SERVER_ERROR.memoryResources:
      return busErrors.streamFull(stream, error.description);
    default:
      return apiError(error, stream, `publish to ${subject}`);
  }
}

function apiError(error: ApiError, stream: string, call: string): AppError {
  const metadata = { stream, serverError: String(error.err_code) };
  if (error.err_code === SERVER_ERROR.streamNotFound) {
    const missing = busErrors.streamMissing(stream);
    return new AppError(missing.code, missing.message, { reason: 'STREAM_MISSING', metadata });
  }
  // 503 is the server's own trouble; everything else is a request that cannot be met as things stand.
  const code = error.code === 503 ? 'UNAVAILABLE' : 'FAILED_PRECONDITION';
  return new AppError(code, `${call}: ${error.description}`, { reason: 'JETSTREAM_REFUSED', metadata });
}

function parse(data: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
