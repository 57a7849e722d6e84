import {
  HEADERS,
  type ResourceAddress,
  subjects,
  type Transition,
  type WireError,
} from '@outboard/contracts';
import {
  type AnyResource,
  addressOf,
  encodeResource,
  findCondition,
  type ResourceJson,
} from '@outboard/model';
import type { OutboxMessage } from '@outboard/store';
import type { DomainChange } from './domain.js';
import type { Cause } from './origins.js';

/** Makes the events and states of a commit. Ids are unique per store and stable when the commit is repeated. */
export class MessageFactory {
  #count = 0;
  readonly #encoded = new WeakMap<AnyResource, ResourceJson>();

  constructor(
    private readonly source: string,
    private readonly epoch: string,
    private readonly revision: number,
    private readonly now: number,
  ) {}

  /** The public form of a resource; made once, however many messages carry it. */
  encode(resource: AnyResource): ResourceJson {
    let json = this.#encoded.get(resource);
    if (!json) {
      json = encodeResource(resource);
      this.#encoded.set(resource, json);
    }
    return json;
  }

  /** The new state of a resource, or its tombstone, and the transitions of its readiness. */
  ofChange({ resource }: DomainChange, cause: Cause | undefined): OutboxMessage[] {
    const subject = resource?.after ?? resource?.before;
    if (!resource || !subject) return [];
    const transition = transitionOf(resource.before, resource.after);
    const messages = [this.#state(subject, resource.after)];
    if (transition) messages.push(this.event(subject, transition, cause));
    return messages;
  }

  /** An event whose body is the resource without its spec. */
  event(resource: AnyResource, transition: Transition, cause: Cause | undefined): OutboxMessage {
    return this.#event(addressOf(resource), transition, withoutSpec(this.encode(resource)), cause, {});
  }

  /** The event of an answer that was given before: `accepted`, or `deleted`. */
  again(
    address: ResourceAddress,
    transition: Transition,
    object: unknown,
    cause: Cause | undefined,
  ): OutboxMessage {
    return this.#event(address, transition, withoutSpec(object as ResourceJson), cause, {});
  }

  /** The answer to an intent that was refused. */
  refused(address: ResourceAddress, error: WireError, cause: Cause | undefined): OutboxMessage {
    return this.#event(address, 'refused', error.body, cause, error.headers);
  }

  #state(subject: AnyResource, after: AnyResource | undefined): OutboxMessage {
    const { spec: _, status: __, ...identity } = this.encode(subject);
    return {
      messageId: this.#nextId(),
      subject: subjects.state(addressOf(subject)),
      headers: after ? {} : { [HEADERS.operation]: 'delete' },
      body: toBytes(after ? this.encode(after) : identity),
    };
  }

  #event(
    address: ResourceAddress,
    transition: Transition,
    body: Uint8Array,
    cause: Cause | undefined,
    headers: Readonly<Record<string, string>>,
  ): OutboxMessage {
    const messageId = this.#nextId();
    return {
      messageId,
      subject: subjects.event(address, transition),
      headers: {
        ...headers,
        ...(cause && { [HEADERS.cause]: cause.messageId }),
        ...(cause?.traceparent && { [HEADERS.traceparent]: cause.traceparent }),
        // CloudEvents 1.0, binary mode of the NATS protocol binding.
        'ce-specversion': '1.0',
        'ce-id': messageId,
        'ce-source': `/${this.source}`,
        'ce-type': `dev.outboard.${address.api}.${address.kind}.${transition}`,
        'ce-subject': `${address.tenant}/${address.name}`,
        'ce-time': new Date(this.now).toISOString(),
        'ce-datacontenttype': 'application/json',
      },
      body,
    };
  }

  #nextId(): string {
    return `${this.source}.${this.epoch}.${this.revision}.${this.#count++}`;
  }
}

/** The event of a change of readiness: it has become ready, or is not (any more), for another reason than before. */
function transitionOf(
  before: AnyResource | undefined,
  after: AnyResource | undefined,
): Transition | undefined {
  if (!after) return 'deleted';
  const was = before && findCondition(before.status.conditions, 'Ready');
  const is = findCondition(after.status.conditions, 'Ready');
  if (is?.status === 'True') return was?.status === 'True' ? undefined : 'ready';
  return was === undefined || was.reason === is?.reason ? undefined : 'notready';
}

function withoutSpec({ spec: _, ...body }: ResourceJson): Uint8Array {
  return toBytes(body);
}

const toBytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
