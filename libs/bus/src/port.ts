import type { AppError, Result } from '@outboard/core';
import type { GatherLimits } from './gathering.js';

export type { GatherLimits };

/** A body with its headers, as it travels. */
export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A message that arrived, with the subject it arrived on. */
export interface Received extends Message {
  readonly subject: string;
}

/** The stream's receipt of a durable publish. */
export interface PublishAck {
  readonly stream: string;
  readonly sequence: number;
  /** True when the stream had this message id already: nothing was stored again. */
  readonly duplicate: boolean;
}

/** How the handling of a durable delivery ended. */
export type Settlement =
  /** Handled, effects committed. */
  | { readonly kind: 'ack' }
  /** Deliver again after a backoff (the consumer's, or `afterMilliseconds`); parked when the deliveries are used up. */
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMilliseconds?: number }
  /** Never deliver again: move to the dead letters with the reason. */
  | { readonly kind: 'park'; readonly reason: string };

/** A durable delivery. */
export interface Delivery extends Received {
  /** 1 for the first delivery. */
  readonly deliveries: number;
  /** Sequence in the stream. */
  readonly streamSequence: number;
  /** When the stream took it, milliseconds since the epoch on the broker's clock, which may be set back. */
  readonly storedAt: number;
  /** When that stream was made, likewise: tells it from another of its name, which numbers from 1 again. */
  readonly streamMadeAt: number;
}

/**
 * A durable pull consumer. Deliveries of one key are handled one after the other and in stream order, across retries and
 * across a restart of the process: what follows a message that is being retried waits, different keys go on in parallel.
 * Order needs that one process at a time consumes a durable; replicas take durables of their own with disjoint filters.
 */
export interface ConsumerSpec {
  readonly stream: string;
  /** The name that the position is kept under: 1-64 of a-z, A-Z, 0-9, `-`, `_`. */
  readonly durable: string;
  /** One filter subject (wildcards allowed): nats-server 2.9 knows no more. */
  readonly filterSubject: string;
  /** Deliveries in flight, 1 to 10000. */
  readonly maxInFlight: number;
  /** Milliseconds before the n-th redelivery; the last one repeats. Jitter is added. */
  readonly backoffMilliseconds: readonly number[];
  /** A handling that fails at this delivery or a later one parks the message. A death of the process counts as one. */
  readonly maxDeliveries: number;
  /** Serialisation key of a message; its subject when absent. */
  readonly key?: (received: Received) => string;
}

/** A reader of a last-value stream: first what is there, then every change; `current` once all that was there is delivered. */
export interface WatchSpec {
  readonly stream: string;
  readonly filterSubject: string;
  /**
   * `last-per-subject`: list and watch; a number: replay from that stream sequence, 0 for all there is. A stream that
   * no longer holds the sequence (or is not there yet) refuses with OUT_OF_RANGE: list again.
   */
  readonly from: 'last-per-subject' | 'new' | number;
}

/** A message of a stream that is read. */
export interface Watched extends Received {
  readonly streamSequence: number;
  /** When the stream took it, milliseconds since the epoch on the broker's clock. */
  readonly storedAt: number;
}

export interface WatchHandler {
  /** Awaited: a slow handler slows the watch, not the broker. A rejection ends the watch. */
  message(received: Watched): void | Promise<void>;
  /**
   * Everything that was in the stream when the watch started (or started over) has been delivered. Called once per
   * start, not after a reconnect that lost nothing.
   */
  current?(): void;
  /** The watch starts over, as the stream was lost: until `current`, what comes is all there is. */
  restart?(): void;
}

/** A running subscription, consumer, responder or watch. Disposing stops the intake and awaits what is in flight. */
export interface Subscription extends AsyncDisposable {
  /** Resolves when it has ended; rejects when it ended by a failure that could not be recovered. */
  readonly closed: Promise<void>;
}

/** One endpoint of a service, for discovery (ADR-32) and dispatch. */
export interface Endpoint {
  readonly name: string;
  /** Subject to listen on; wildcards allowed. */
  readonly subject: string;
  /** The reply, or a refusal that travels as an error reply with ADR-32 headers. Thrown errors become INTERNAL. */
  handle(request: Received): Promise<Result<Message, AppError>>;
}

/** A group of endpoints that is discoverable as `$SRV.PING|INFO|STATS.<name>`. Instances share the work by queue group. */
export interface ServiceSpec {
  /** Alphanumeric, `-` and `_`. */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  readonly description: string;
  readonly endpoints: readonly Endpoint[];
  /** Requests handled at the same time; a request above is refused RESOURCE_EXHAUSTED. */
  readonly maxInFlight: number;
  /** Why the service does only a part of what it is for; undefined: it does everything. Told with its statistics. */
  problem?(): string | undefined;
}

export type ConnectionState = 'connected' | 'reconnecting' | 'closed';

/**
 * The message bus: three verbs with three guarantees.
 * `request`: at most once, answered within a deadline. `publish`: durable, deduplicated by id. `consume`: at least once.
 * `broadcast` and `subscribe` are hints: nobody may depend on their delivery.
 */
export interface Bus extends AsyncDisposable {
  request(
    subject: string,
    message: Message,
    options: { deadlineMilliseconds: number },
  ): Promise<Result<Message, AppError>>;
  /** The answers of everybody who listens, as discovery asks for them. Nobody there: none. */
  gather(
    subject: string,
    message: Message,
    limits: GatherLimits,
  ): Promise<Result<readonly Message[], AppError>>;
  publish(
    subject: string,
    message: Message,
    options: { messageId: string },
  ): Promise<Result<PublishAck, AppError>>;
  consume(spec: ConsumerSpec, handler: (delivery: Delivery) => Promise<Settlement>): Promise<Subscription>;
  watch(spec: WatchSpec, handler: WatchHandler): Promise<Subscription>;
  serve(spec: ServiceSpec): Promise<Subscription>;
  broadcast(subject: string, message: Message): void;
  subscribe(subject: string, handler: (received: Received) => void): Promise<Subscription>;
  /** The way to the broker is another: gives up the connection, which may be dead without knowing it, for a new one. */
  reconnect(): void;
  /** Calls back on every change, and at once with the present state. */
  onState(listener: (state: ConnectionState) => void): Disposable;
}

/** A stream as it should be; provisioning changes what differs, and refuses what cannot be changed. */
export interface StreamSpec {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly storage: 'file' | 'memory';
  /** `workqueue`: a message stays until it is settled, and only one durable may want it. */
  readonly retention: 'limits' | 'workqueue';
  /** 0: no limit. */
  readonly maxAgeMilliseconds: number;
  readonly maxBytes: number;
  /** -1: unlimited. */
  readonly maxMessages: number;
  /** At `maxBytes` or `maxMessages`: forget the oldest messages, or refuse new ones (RESOURCE_EXHAUSTED). */
  readonly whenFull: 'discard-oldest' | 'refuse';
  /** Largest message, headers and body, bytes. */
  readonly maxMessageBytes: number;
  /** 1 makes a last-value stream; -1: unlimited. */
  readonly maxMessagesPerSubject: number;
  readonly duplicateWindowMilliseconds: number;
}

/** What provisioning did to a stream, or in `verify` mode would have to do. */
export interface StreamChange {
  readonly stream: string;
  readonly action: 'created' | 'updated' | 'unchanged';
  /** `field: is A, should be B`. */
  readonly differences: readonly string[];
  /** When the stream was made, milliseconds since the epoch: another time is another stream of that name. */
  readonly madeAt: number;
}

/** What is done to streams themselves. */
export interface StreamAdministration {
  /**
   * Makes the streams as specified. `verify` changes nothing and refuses (FAILED_PRECONDITION, every difference listed)
   * where `apply` would change something. `apply` refuses what a stream cannot become without being deleted, before it
   * changes anything.
   */
  provision(
    streams: readonly StreamSpec[],
    mode: 'apply' | 'verify',
  ): Promise<Result<readonly StreamChange[], AppError>>;
  /** Removes one message: a dead letter that was dealt with, an old tombstone. False when it was gone already. */
  remove(stream: string, sequence: number): Promise<Result<boolean, AppError>>;
}

/** A bus with its streams' administration: what both adapters are. */
export interface StreamBus extends Bus {
  readonly streams: StreamAdministration;
}
