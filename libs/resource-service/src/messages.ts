import {
  HEADERS,
  type ResourceAddress,
  subjects,
  type Transition,
  type WireError,
} from '@outboard/contracts';
import { invariant } from '@outboard/core';
import {
  type AnyResource,
  addressOf,
  apiVersionOf,
  encodeResource,
  findKind,
  isReady,
  kindToken,
  readinessTransition,
} from '@outboard/model';
import type { Key, OutboxMessage } from '@outboard/store';
import type { DomainChange } from './domain.js';
import type { Trigger } from './trigger.js';

/** A resource as JSON text: made once, however many messages and answers carry it. */
interface ResourceText {
  /** All of it. */
  readonly whole: string;
  /** The body of events. */
  readonly withoutSpec: string;
  /** The body of tombstones. */
  readonly identity: string;
}

/** Makes the events and states of a commit. Ids are unique per store and stable when the commit is repeated. */
export class MessageFactory {
  #count = 0;
  readonly #texts = new WeakMap<AnyResource, ResourceText>();
  readonly #time: string;

  constructor(
    private readonly source: string,
    private readonly epoch: string,
    private readonly revision: number,
    now: number,
  ) {
    this.#time = new Date(now).toISOString();
  }

  /** The public form of a resource. */
  textOf(resource: AnyResource): ResourceText {
    let text = this.#texts.get(resource);
    if (!text) {
      text = toText(resource);
      this.#texts.set(resource, text);
    }
    return text;
  }

  /** The new state of a resource, or its tombstone, and the transitions of its readiness. */
  ofChange({ resource }: DomainChange, trigger: Trigger): OutboxMessage[] {
    const subject = resource?.after ?? resource?.before;
    if (!resource || !subject) return [];
    const transition = transitionOf(resource, trigger);
    const messages = [resource.after ? this.state(resource.after) : this.#removal(subject)];
    if (transition) messages.push(this.event(subject, transition, trigger));
    return messages;
  }

  /** An event whose body is the resource without its spec. */
  event(resource: AnyResource, transition: Transition, trigger: Trigger): OutboxMessage {
    const body = Buffer.from(this.textOf(resource).withoutSpec);
    return this.#event(addressOf(resource), transition, body, trigger, {});
  }

  /** The event of an answer that was given before: `accepted`, or `deleted`. */
  again(address: ResourceAddress, transition: Transition, text: string, trigger: Trigger): OutboxMessage {
    return this.#event(address, transition, Buffer.from(text), trigger, {});
  }

  /** The answer to an intent that was refused. */
  refused(address: ResourceAddress, error: WireError, trigger: Trigger): OutboxMessage {
    return this.#event(address, 'refused', error.body, trigger, error.headers);
  }

  /** The state of a resource. */
  state(resource: AnyResource): OutboxMessage {
    const body = Buffer.from(this.textOf(resource).whole);
    return { messageId: this.#nextId(), subject: subjects.state(addressOf(resource)), headers: {}, body };
  }

  /** The tombstone of what is not known any more but by its name. */
  tombstone({ kind: name, ...metadata }: Key): OutboxMessage {
    const kind = findKind(name);
    invariant(kind, 'what is stored is of a kind');
    const address = { ...metadata, api: kind.api, kind: kindToken(kind) };
    return this.#tombstone(address, JSON.stringify({ apiVersion: apiVersionOf(kind), kind: name, metadata }));
  }

  #removal(resource: AnyResource): OutboxMessage {
    return this.#tombstone(addressOf(resource), this.textOf(resource).identity);
  }

  #tombstone(address: ResourceAddress, identity: string): OutboxMessage {
    return {
      messageId: this.#nextId(),
      subject: subjects.state(address),
      headers: { [HEADERS.operation]: 'delete' },
      body: Buffer.from(identity),
    };
  }

  #event(
    address: ResourceAddress,
    transition: Transition,
    body: Uint8Array,
    { actor, cause }: Trigger,
    headers: Readonly<Record<string, string>>,
  ): OutboxMessage {
    const messageId = this.#nextId();
    return {
      messageId,
      subject: subjects.event(address, transition),
      headers: {
        ...headers,
        [HEADERS.actor]: actor,
        [HEADERS.revision]: `${this.revision}`,
        ...(cause?.messageId && { [HEADERS.cause]: cause.messageId }),
        ...(cause?.requestedBy && { [HEADERS.requestedBy]: cause.requestedBy }),
        ...(cause?.traceparent && { [HEADERS.traceparent]: cause.traceparent }),
        // CloudEvents 1.0, binary mode of the NATS protocol binding.
        'ce-specversion': '1.0',
        'ce-id': messageId,
        'ce-source': `/${this.source}`,
        'ce-type': `dev.outboard.${address.api}.${address.kind}.${transition}`,
        'ce-subject': `${address.tenant}/${address.name}`,
        'ce-time': this.#time,
        'ce-datacontenttype': 'application/json',
      },
      body,
    };
  }

  #nextId(): string {
    return `${this.source}.${this.epoch}.${this.revision}.${this.#count++}`;
  }
}

/** The revision whose commit made a message of this service and epoch, as its id tells; undefined: it is another one's. */
export function revisionIn(messageId: string, source: string, epoch: string): number | undefined {
  const start = `${source}.${epoch}.`;
  if (!messageId.startsWith(start)) return undefined;
  const revision = Number(messageId.slice(start.length).split('.')[0]);
  return Number.isSafeInteger(revision) ? revision : undefined;
}

/** What a change is to those who follow a resource; undefined: no news but its state. */
function transitionOf(
  { before, after }: NonNullable<DomainChange['resource']>,
  { cause }: Trigger,
): Transition | undefined {
  if (!after) return 'deleted';
  const { conditions } = after.status;
  // What appears without being asked for is never accepted: how it is tells that it is there.
  if (!before && !cause) return isReady(conditions) ? 'ready' : 'notready';
  return readinessTransition(before?.status.conditions, conditions);
}

function toText(resource: AnyResource): ResourceText {
  const { spec, status, ...identifying } = encodeResource(resource);
  // Put together from its parts: turning all of it into text three times is what intents would cost most.
  const identity = JSON.stringify(identifying);
  const head = identity.slice(0, -1);
  const tail = `"status":${JSON.stringify(status)}}`;
  return {
    whole: `${head},"spec":${JSON.stringify(spec)},${tail}`,
    withoutSpec: `${head},${tail}`,
    identity,
  };
}
