import {
  AppError,
  type Clock,
  err,
  ok,
  type Random,
  type Result,
  systemClock,
  systemRandom,
} from '@outboard/core';
import { busErrors } from '../errors.js';
import type {
  ConsumerSpec,
  Message,
  PublishAck,
  Received,
  StreamAdministration,
  StreamChange,
  StreamSpec,
} from '../port.js';
import { differences, provisioningProblems } from '../provisioning.js';
import { overlaps } from '../subject-patterns.js';
import { DurableConsumer } from './consumer.js';
import { InProcessStream, travelled } from './stream.js';

/** Where the reply to a message goes. */
export type Reply = (message: Message) => void;

/** A subscription of one of the buses. */
export interface Listener {
  readonly matches: (subject: string) => boolean;
  readonly queueGroup: string | undefined;
  deliver(received: Received, reply: Reply | undefined): void;
}

/** The inside of a broker in this process: who listens, what is stored, who has consumed what. */
export class Exchange implements StreamAdministration {
  readonly clock: Clock;
  readonly random: Random;
  readonly #listeners = new Set<Listener>();
  readonly #streams = new Map<string, InProcessStream>();
  /** When the last stream was made. */
  #lastMadeAt = 0;
  readonly #consumers = new Map<string, DurableConsumer>();

  constructor({ clock = systemClock, random = systemRandom }: { clock?: Clock; random?: Random } = {}) {
    this.clock = clock;
    this.random = random;
  }

  listen(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Sends to every listener, and to one of each queue group; returns how many that were. Nothing is stored. */
  send(subject: string, message: Message, reply?: Reply): number {
    const groups = new Map<string, Listener[]>();
    const chosen: Listener[] = [];
    for (const listener of this.#listeners) {
      if (!listener.matches(subject)) continue;
      if (listener.queueGroup === undefined) chosen.push(listener);
      else groups.set(listener.queueGroup, [...(groups.get(listener.queueGroup) ?? []), listener]);
    }
    for (const members of groups.values()) {
      const member = members[Math.floor(this.random.fraction() * members.length)];
      if (member) chosen.push(member);
    }
    for (const listener of chosen) {
      const received = { subject, ...travelled(message) };
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener.deliver(received, reply);
      });
    }
    return chosen.length;
  }

  /** Stores, and sends as well: a stream listens like everybody else. */
  store(subject: string, message: Message, messageId: string): Result<PublishAck, AppError> {
    const stream = this.#streamOf(subject);
    if (!stream) return err(busErrors.notCaptured(subject));
    const arrived = travelled(message, messageId);
    const stored = stream.append(subject, arrived, messageId);
    this.send(subject, arrived);
    return stored;
  }

  /** A message that nobody waits for; a stream that captures its subject keeps it all the same. */
  broadcast(subject: string, message: Message): void {
    this.#streamOf(subject)?.append(subject, travelled(message), undefined);
    this.send(subject, message);
  }

  stream(name: string): InProcessStream {
    const stream = this.#streams.get(name);
    if (stream) return stream;
    throw busErrors.streamMissing(name);
  }

  /** The durable consumer, made or changed to what the specification says. */
  consumer(spec: ConsumerSpec): DurableConsumer {
    const stream = this.stream(spec.stream);
    const { subjects, retention } = stream.spec;
    if (!subjects.some((captured) => overlaps(captured, spec.filterSubject))) {
      throw new AppError(
        'FAILED_PRECONDITION',
        `stream ${spec.stream} does not capture ${spec.filterSubject}`,
      );
    }
    const id = `${spec.stream}.${spec.durable}`;
    for (const [other, { filterSubject }] of this.#consumers) {
      const rival = retention === 'workqueue' && other !== id && other.startsWith(`${spec.stream}.`);
      if (rival && overlaps(filterSubject, spec.filterSubject)) {
        throw new AppError(
          'FAILED_PRECONDITION',
          `${spec.filterSubject} of the work queue ${spec.stream} belongs to ${other}`,
        );
      }
    }
    let consumer = this.#consumers.get(id);
    if (!consumer) {
      consumer = new DurableConsumer(stream, spec.filterSubject, this.clock);
      this.#consumers.set(id, consumer);
    } else if (consumer.filterSubject !== spec.filterSubject) {
      consumer.refilter(spec.filterSubject);
    }
    return consumer;
  }

  provision(
    specs: readonly StreamSpec[],
    mode: 'apply' | 'verify',
  ): Promise<Result<readonly StreamChange[], AppError>> {
    const plans = specs.map((spec) => {
      const actual = this.#streams.get(spec.name)?.spec;
      return { spec, exists: actual !== undefined, differences: actual ? differences(actual, spec) : [] };
    });
    const problems = provisioningProblems(plans, mode);
    if (problems) return Promise.resolve(err(problems));
    const changes = plans.map(({ spec, exists, differences: found }): StreamChange => {
      const differences = found.map(({ text }) => text);
      if (!exists) {
        // No two are made at the same time: it tells them apart.
        this.#lastMadeAt = Math.max(this.clock.now(), this.#lastMadeAt + 1);
        this.#streams.set(spec.name, new InProcessStream(spec, this.clock, this.#lastMadeAt));
      }
      const stream = this.stream(spec.name);
      if (found.length > 0) stream.update(spec);
      const action = !exists ? 'created' : found.length > 0 ? 'updated' : 'unchanged';
      return { stream: spec.name, action, differences, madeAt: stream.madeAt };
    });
    return Promise.resolve(ok(changes));
  }

  remove(stream: string, sequence: number): Promise<Result<boolean, AppError>> {
    const found = this.#streams.get(stream);
    return Promise.resolve(found ? ok(found.remove(sequence)) : err(busErrors.streamMissing(stream)));
  }

  #streamOf(subject: string): InProcessStream | undefined {
    for (const stream of this.#streams.values()) if (stream.captures(subject)) return stream;
    return undefined;
  }
}
