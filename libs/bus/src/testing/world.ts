import { SUBJECT_PREFIX } from '@outboard/contracts';
import { type AppError, type Result, unwrap } from '@outboard/core';
import type {
  ConsumerSpec,
  Delivery,
  Message,
  Received,
  Settlement,
  StreamBus,
  StreamSpec,
  Subscription,
} from '../port.js';

/** A broker to test: every `connect` is a connection of its own. */
export interface BusHarness extends AsyncDisposable {
  connect(): Promise<StreamBus>;
}

/** Long enough for a loaded machine: where a deadline is not what is tested. */
export const PATIENT = { deadlineMilliseconds: 30_000 };

/** A backoff that no test waits for. */
export const AN_HOUR = 60 * 60 * 1000;

const MEBIBYTE = 1024 * 1024;

export const message = (text = '', headers: Record<string, string> = {}): Message => ({
  headers,
  body: new TextEncoder().encode(text),
});

export const textOf = ({ body }: { body: Uint8Array }): string => new TextDecoder().decode(body);

export const ack: Settlement = { kind: 'ack' };
export const retry: Settlement = { kind: 'retry', reason: 'not yet' };

/** The error of a refusal; throws when it was none. */
export function refusal(result: Result<unknown, AppError>): AppError {
  if (result.ok) throw new Error(`not refused: ${JSON.stringify(result.value)}`);
  return result.error;
}

/** The connections, names and streams of a suite's tests. Names are never used twice, so tests cannot meet. */
export class World {
  #harness: BusHarness | undefined;
  #bus: StreamBus | undefined;
  #names = 0;
  readonly #opened: AsyncDisposable[] = [];

  async begin(harness: BusHarness): Promise<void> {
    this.#harness = harness;
    this.#bus = await harness.connect();
    const dead = this.specOf('dead', { name: 'DEAD', subjects: [`${SUBJECT_PREFIX}.dead.>`] });
    unwrap(await this.#bus.streams.provision([dead], 'apply'));
  }

  async end(): Promise<void> {
    for (const one of this.#opened.reverse()) await one[Symbol.asyncDispose]();
    await this.#bus?.[Symbol.asyncDispose]();
  }

  /** The connection that all tests share. */
  get bus(): StreamBus {
    if (!this.#bus) throw new Error('the world has not begun');
    return this.#bus;
  }

  /** A name that was never used before. */
  name(): string {
    return `n${++this.#names}`;
  }

  /** Another connection, closed at the end of the suite. */
  async connect(): Promise<StreamBus> {
    if (!this.#harness) throw new Error('the world has not begun');
    const bus = await this.#harness.connect();
    this.#opened.push(bus);
    return bus;
  }

  specOf(name: string, changes: Partial<StreamSpec> = {}): StreamSpec {
    return {
      name: name.toUpperCase(),
      subjects: [`${name}.>`],
      storage: 'file',
      retention: 'limits',
      maxAgeMilliseconds: 0,
      maxBytes: 8 * MEBIBYTE,
      whenFull: 'discard-oldest',
      maxMessageBytes: MEBIBYTE / 2,
      maxMessages: -1,
      maxMessagesPerSubject: -1,
      duplicateWindowMilliseconds: 120_000,
      ...changes,
    };
  }

  /** A stream of its own for a test; returns its name and the first token of its subjects. */
  async stream(changes: Partial<StreamSpec> = {}): Promise<{ stream: string; root: string }> {
    const root = this.name();
    const spec = this.specOf(root, changes);
    unwrap(await this.bus.streams.provision([spec], 'apply'));
    return { stream: spec.name, root };
  }

  /** Publishes texts to subjects, one after the other; ids are new. Returns their sequences. */
  async publish(...messages: readonly (readonly [subject: string, text: string])[]): Promise<number[]> {
    const sequences: number[] = [];
    for (const [subject, text] of messages) {
      const acknowledged = await this.bus.publish(subject, message(text), { messageId: this.name() });
      sequences.push(unwrap(acknowledged).sequence);
    }
    return sequences;
  }

  /** A consumer that ends with the suite at the latest. */
  async consume(
    { stream, root }: { stream: string; root: string },
    handler: (delivery: Delivery) => Promise<Settlement>,
    changes: Partial<ConsumerSpec> = {},
    bus: StreamBus = this.bus,
  ): Promise<Subscription> {
    const spec = {
      stream,
      durable: 'owner',
      filterSubject: `${root}.>`,
      maxInFlight: 10,
      backoffMilliseconds: [1],
      maxDeliveries: 3,
      ...changes,
    };
    const subscription = await bus.consume(spec, handler);
    this.#opened.push(subscription);
    return subscription;
  }

  /** The dead letters of a subject that are parked now and later, told to `found`. */
  async watchDead(originalSubject: string, found: (letter: Received) => void): Promise<void> {
    const filterSubject = `${SUBJECT_PREFIX}.dead.${originalSubject}`;
    this.#opened.push(
      await this.bus.watch(
        { stream: 'DEAD', filterSubject, from: 0 },
        { message: (letter) => found(letter) },
      ),
    );
  }

  /** Registers something to be disposed at the end of the suite. */
  keep<Kept extends AsyncDisposable>(one: Kept): Kept {
    this.#opened.push(one);
    return one;
  }
}
