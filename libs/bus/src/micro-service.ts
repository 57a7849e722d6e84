import { encodeError, MAX_BODY_BYTES } from '@outboard/contracts';
import { AppError, type Clock } from '@outboard/core';
import { busErrors } from './errors.js';
import type { Endpoint, Message, Received, ServiceSpec } from './port.js';

/** Queue group of all endpoints: the instances of a service share its requests (the default of ADR-32). */
const QUEUE_GROUP = 'q';

/** A subject that an adapter subscribes to for a service. */
export interface ServiceSubject {
  readonly subject: string;
  readonly queueGroup: string | undefined;
  /** The reply. Never rejects. */
  answer(request: Received): Promise<Message>;
}

interface Statistics {
  requests: number;
  errors: number;
  lastError: string;
  /** Milliseconds. */
  processing: number;
}

const VERBS = ['PING', 'INFO', 'STATS'] as const;

/**
 * A discoverable service, as ADR-32 of the NATS project describes the protocol: endpoints, statistics, and the answers
 * to `$SRV.PING|INFO|STATS[.name[.id]]`. Written by hand because the project's own package exists for this client only
 * as a pre-release that lets a rejecting handler go unanswered. Knows no broker: adapters subscribe to `subjects`.
 */
export class MicroService {
  readonly subjects: readonly ServiceSubject[];
  readonly #spec: ServiceSpec;
  readonly #id: string;
  readonly #clock: Clock;
  readonly #started: string;
  readonly #statistics = new Map<Endpoint, Statistics>();
  #inFlight = 0;
  #idle: (() => void) | undefined;

  constructor(spec: ServiceSpec, { id, clock }: { id: string; clock: Clock }) {
    this.#spec = spec;
    this.#id = id;
    this.#clock = clock;
    this.#started = new Date(clock.now()).toISOString();
    for (const endpoint of spec.endpoints) {
      this.#statistics.set(endpoint, { requests: 0, errors: 0, lastError: '', processing: 0 });
    }
    this.subjects = [
      ...spec.endpoints.map((endpoint) => ({
        subject: endpoint.subject,
        queueGroup: QUEUE_GROUP,
        answer: (request: Received) => this.#answer(endpoint, request),
      })),
      ...VERBS.flatMap((verb) =>
        ['', `.${spec.name}`, `.${spec.name}.${id}`].map((suffix) => ({
          subject: `$SRV.${verb}${suffix}`,
          queueGroup: undefined,
          answer: () => Promise.resolve(json(this.#discovery(verb))),
        })),
      ),
    ];
  }

  /** Resolves when no request is being handled. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  async #answer(endpoint: Endpoint, request: Received): Promise<Message> {
    const statistics = this.#statistics.get(endpoint);
    const start = this.#clock.monotonic();
    const reply = await this.#handle(endpoint, request);
    if (statistics) {
      statistics.requests++;
      statistics.processing += this.#clock.monotonic() - start;
      if (reply instanceof AppError) {
        statistics.errors++;
        statistics.lastError = `${reply.code}: ${reply.message}`;
      }
    }
    return reply instanceof AppError ? encodeError(reply) : reply;
  }

  async #handle(endpoint: Endpoint, request: Received): Promise<Message | AppError> {
    const size = request.body.length;
    if (size > MAX_BODY_BYTES) return busErrors.tooLarge('body', MAX_BODY_BYTES, size, request.subject);
    if (this.#inFlight >= this.#spec.maxInFlight) {
      return new AppError(
        'RESOURCE_EXHAUSTED',
        `${this.#spec.name} handles ${this.#spec.maxInFlight} requests already`,
        {
          reason: 'TOO_MANY_REQUESTS',
        },
      );
    }
    this.#inFlight++;
    try {
      const result = await endpoint.handle(request);
      return result.ok ? result.value : result.error;
    } catch (thrown) {
      return AppError.from(thrown);
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#idle?.();
    }
  }

  #discovery(verb: (typeof VERBS)[number]): object {
    const { name, version, description, endpoints } = this.#spec;
    const identity = { name, id: this.#id, version, metadata: {} };
    const type = `io.nats.micro.v1.${verb.toLowerCase()}_response`;
    const common = endpoints.map((endpoint) => ({
      name: endpoint.name,
      subject: endpoint.subject,
      queue_group: QUEUE_GROUP,
    }));
    switch (verb) {
      case 'PING':
        return { type, ...identity };
      case 'INFO':
        return {
          type,
          ...identity,
          description,
          endpoints: common.map((endpoint) => ({ ...endpoint, metadata: {} })),
        };
      case 'STATS': {
        const started = this.#started;
        const statistics = [...this.#statistics.values()].map(
          ({ requests, errors, lastError, processing }, index) => ({
            ...common[index],
            num_requests: requests,
            num_errors: errors,
            last_error: lastError,
            processing_time: nanoseconds(processing),
            average_processing_time: requests === 0 ? 0 : nanoseconds(processing / requests),
          }),
        );
        // Beyond ADR-32, which leaves a service's own health to the service.
        const problem = this.#spec.problem?.();
        return { type, ...identity, started, ...(problem && { problem }), endpoints: statistics };
      }
    }
  }
}

const nanoseconds = (milliseconds: number): number => Math.round(milliseconds * 1e6);

const json = (value: object): Message => ({
  headers: {},
  body: new TextEncoder().encode(JSON.stringify(value)),
});
