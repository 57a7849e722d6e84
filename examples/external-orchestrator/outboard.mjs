// A client of Outboard in one file: the stock NATS client, JSON, and the subjects of docs/bus.md. Copy it, or write the
// same in your language.
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { connect, headers, nanos, nkeyAuthenticator, nuid } from 'nats';

const PREFIX = 'outboard.v1alpha1';
const RETRY_MILLISECONDS = 250;
const encoder = new TextEncoder();

/** Connects as an orchestrator of one tenant; reconnects for ever. */
export async function connectOrchestrator({ servers, seedFile, tenant }) {
  return connect({
    servers,
    name: `external-orchestrator-${tenant}`,
    authenticator: nkeyAuthenticator(encoder.encode(readFileSync(seedFile, 'utf8').trim())),
    // Replies go to an inbox of this role only: nobody else may read them.
    inboxPrefix: `_INBOX_orchestrator-${tenant}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
  });
}

/** The subject of a resource on one of the channels `intent`, `event` and `state`. */
export function subjectOf(channel, resource) {
  const api = resource.apiVersion.split('.')[0];
  return `${PREFIX}.${channel}.${resource.metadata.tenant}.${api}.${resource.kind.toLowerCase()}.${resource.metadata.name}`;
}

const json = (message) => JSON.parse(new TextDecoder().decode(message.data));

/** The last token tells the transition of an event. */
const transitionOf = (subject) => subject.split('.').at(-1);

/**
 * Follows what a filter matches, without gaps: a consumer that is lost with the broker is made anew from where it was.
 * The stream is named and nothing is asked about it: it is all tenants', and an orchestrator may not look at it.
 */
class Follower {
  #connection;
  #stream;
  #filter;
  #consumer;
  #messages;
  #last;
  #closed = false;

  static async open(connection, stream, filter, deliverPolicy) {
    const follower = new Follower();
    follower.#connection = connection;
    follower.#stream = stream;
    follower.#filter = filter;
    follower.#consumer = await follower.#makeConsumer({ deliver_policy: deliverPolicy });
    return follower;
  }

  async *[Symbol.asyncIterator]() {
    while (!this.#closed) {
      try {
        this.#consumer ??= await this.#makeConsumer({
          deliver_policy: 'by_start_sequence',
          opt_start_seq: this.#last + 1,
        });
        this.#messages = await this.#consumer.consume({ abort_on_missing_resource: true });
        for await (const message of this.#messages) {
          this.#last = message.seq;
          yield message;
        }
      } catch (failure) {
        if (this.#closed || this.#connection.isClosed()) return;
        process.stderr.write(`${this.#stream}: ${failure.message}; following it anew\n`);
        await setTimeout(RETRY_MILLISECONDS);
      }
      this.#consumer = undefined;
    }
  }

  async close() {
    this.#closed = true;
    await this.#messages?.close();
  }

  async #makeConsumer(start) {
    const manager = await this.#connection.jetstreamManager({ checkAPI: false });
    const { name } = await manager.consumers.add(this.#stream, {
      name: nuid.next(),
      filter_subject: this.#filter,
      ack_policy: 'none',
      // The broker forgets it when nobody has asked for so long.
      inactive_threshold: nanos(300_000),
      ...start,
    });
    return this.#connection.jetstream().consumers.get(this.#stream, name);
  }
}

/**
 * Publishes intents and follows their answers. The broker's acknowledgement only says that the intent is queued; the
 * `accepted` or `refused` event that names our message id says what became of it. Until it comes, the same message is
 * sent again with the same id: the system answers a repetition without doing anything twice.
 */
export class IntentPublisher {
  #connection;
  #waiting = new Map();
  #closed;

  constructor(connection, { resendMilliseconds = 2000 } = {}) {
    this.#connection = connection;
    this.resendMilliseconds = resendMilliseconds;
  }

  /** Starts to follow the tenant's events; everything that is published later is answered. */
  async open(tenant) {
    const filter = `${PREFIX}.event.${tenant}.>`;
    const events = await Follower.open(this.#connection, 'OUTBOARD_EVENT', filter, 'new');
    this.#closed = (async () => {
      for await (const message of events) this.#take(message);
    })();
    this.close = async () => {
      await events.close();
      await this.#closed;
    };
    return this;
  }

  #take(message) {
    const cause = message.headers?.get('Outboard-Cause');
    const waiting = this.#waiting.get(cause);
    if (!waiting) return;
    const transition = transitionOf(message.subject);
    const body = json(message);
    if (transition === 'accepted') waiting.resolve({ accepted: true, object: body });
    if (transition === 'deleted') waiting.resolve({ accepted: true, object: body });
    if (transition === 'refused') waiting.resolve({ accepted: false, error: body });
  }

  /** Resolves with `{accepted: true, object}` or `{accepted: false, error}` (google.rpc.Status as JSON). */
  async submit(resource, { messageId = crypto.randomUUID(), operation = 'apply' } = {}) {
    const subject = subjectOf('intent', resource);
    const header = headers();
    header.set('Nats-Msg-Id', messageId);
    header.set('Outboard-Operation', operation);
    const body = operation === 'delete' ? new Uint8Array() : encoder.encode(JSON.stringify(resource));
    const limit = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (body.length > limit)
      throw new Error(`the intent has ${body.length} bytes, the broker takes ${limit}`);
    const answer = new Promise((resolve) => this.#waiting.set(messageId, { resolve }));
    let timer;
    const send = () => {
      // JetStream drops a repetition within its window by itself; later ones the service recognises.
      this.#connection
        .jetstream()
        .publish(subject, body, { headers: header })
        .catch(() => {});
      timer = globalThis.setTimeout(send, this.resendMilliseconds);
    };
    send();
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(messageId);
    }
  }
}

/**
 * The present state of a tenant's resources and every change from then on, as `{subject, deleted, object, current}`.
 * After a reconnect the client library goes on where it was. `current` turns true once all that was there has come.
 */
export async function* watchState(connection, tenant, { signal } = {}) {
  const filter = `${PREFIX}.state.${tenant}.>`;
  const states = await Follower.open(connection, 'OUTBOARD_STATE', filter, 'last_per_subject');
  signal?.addEventListener('abort', () => states.close(), { once: true });
  for await (const message of states) {
    const deleted = message.headers?.get('Outboard-Operation') === 'delete';
    yield { subject: message.subject, deleted, object: json(message), current: message.info.pending === 0 };
  }
}

/** A request to the API, for instance `request(nc, 'acme', 'network', 'port', 'list', {})`. */
export async function request(connection, tenant, api, kind, verb, parameters) {
  const subject = `${PREFIX}.rpc.${tenant}.${api}.${kind}.${verb}`;
  const reply = await connection.request(subject, encoder.encode(JSON.stringify(parameters)), {
    timeout: 5000,
  });
  const body = reply.json();
  if (reply.headers?.get('Nats-Service-Error-Code'))
    throw Object.assign(new Error(body.message), { status: body });
  return body;
}
