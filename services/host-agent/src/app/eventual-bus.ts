import type { Bus, Message, PublishAck, Received, Subscription } from '@outboard/bus';
import { AppError, type Clock, err, type Result } from '@outboard/core';

/** What an agent needs of the bus. */
export type AgentBus = Pick<Bus, 'request' | 'publish' | 'subscribe'>;

/** A subscription that the server has not confirmed by then is as good as none. */
const SUBSCRIBE_MILLISECONDS = 5_000;

/**
 * A bus that may not be there yet, or not at present: pods are disconnected without it, and whoever needs it is told at
 * once or in time.
 */
export class EventualBus implements AgentBus {
  #bus: AgentBus | undefined;

  constructor(private readonly clock: Clock) {}

  connected(bus: AgentBus): void {
    this.#bus = bus;
  }

  async request(
    subject: string,
    message: Message,
    options: { deadlineMilliseconds: number },
  ): Promise<Result<Message, AppError>> {
    return this.#bus?.request(subject, message, options) ?? err(notConnected());
  }

  async publish(
    subject: string,
    message: Message,
    options: { messageId: string },
  ): Promise<Result<PublishAck, AppError>> {
    return this.#bus?.publish(subject, message, options) ?? err(notConnected());
  }

  async subscribe(subject: string, handler: (received: Received) => void): Promise<Subscription> {
    if (this.#bus === undefined) throw notConnected();
    const subscribing = this.#bus.subscribe(subject, handler);
    const end = new AbortController();
    const late = this.clock.delay(SUBSCRIBE_MILLISECONDS, end.signal).then(() => undefined);
    const subscription = await Promise.race([subscribing, late]).finally(() => end.abort());
    if (subscription !== undefined) return subscription;
    subscribing.then(
      (unwanted) => unwanted[Symbol.asyncDispose](),
      () => {},
    );
    throw new AppError('UNAVAILABLE', 'the bus does not answer', { reason: 'DISCONNECTED' });
  }
}

const notConnected = (): AppError =>
  new AppError('UNAVAILABLE', 'the agent has no connection to the bus yet', { reason: 'NOT_CONNECTED' });
