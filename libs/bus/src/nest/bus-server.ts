import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { AppError, err, type Result } from '@outboard/core';
import { isObservable, lastValueFrom } from 'rxjs';
import type {
  Bus,
  ConsumerSpec,
  Delivery,
  Endpoint,
  Message,
  Received,
  ServiceSpec,
  Settlement,
  Subscription,
} from '../port.js';
import { BUS_TRANSPORT, type HandlerExtras } from './decorators.js';

/**
 * NestJS over the bus port: methods with `@HandleRequest` become endpoints of one ADR-32 service, methods with
 * `@HandleDelivery` durable consumers. A handler refuses by its result or by a thrown AppError; anything else that it
 * throws is a bug, logged by Nest, which callers see as INTERNAL and deliveries as a retry.
 */
export class BusServer extends Server implements CustomTransportStrategy {
  override readonly transportId = BUS_TRANSPORT;
  readonly #subscriptions: Subscription[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly service: Omit<ServiceSpec, 'endpoints'>,
  ) {
    super();
  }

  listen(callback: (failure?: unknown) => void): void {
    this.#listen().then(
      () => callback(),
      (failure) => callback(failure),
    );
  }

  /** Stops the intake and awaits what is in flight: durable deliveries first, as they may take long. */
  async close(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription[Symbol.asyncDispose]()));
    this.#subscriptions.length = 0;
  }

  on(): never {
    throw new Error('connection states are told by the bus itself: Bus.onState');
  }

  unwrap<Value>(): Value {
    return this.bus as Value;
  }

  async #listen(): Promise<void> {
    const endpoints: Endpoint[] = [];
    const consumers: [ConsumerSpec, MessageHandler][] = [];
    for (const handler of this.messageHandlers.values()) {
      const extras = handler.extras as HandlerExtras;
      if (extras.consumer) consumers.push([extras.consumer, handler]);
      if (extras.endpoint)
        endpoints.push({ ...extras.endpoint, handle: (request) => this.#answer(handler, request) });
    }
    for (const [spec, handler] of consumers) {
      this.#subscriptions.push(await this.bus.consume(spec, (delivery) => settle(handler, delivery)));
    }
    // Last: whoever finds the service by discovery finds it complete.
    this.#subscriptions.push(await this.bus.serve({ ...this.service, endpoints }));
  }

  async #answer(handler: MessageHandler, request: Received): Promise<Result<Message, AppError>> {
    try {
      const answered = await invoke(handler, request);
      if (isObject(answered) && 'ok' in answered)
        return this.#withoutBug(answered as Result<Message, AppError>);
    } catch (thrown) {
      if (thrown instanceof AppError) return this.#withoutBug(err(thrown));
    }
    return err(failedByBug());
  }

  /** What was thrown and is answered as it was (by `AppError.from`; a group of changes does so) is a bug like any other. */
  #withoutBug(answered: Result<Message, AppError>): Result<Message, AppError> {
    if (answered.ok || answered.error.code !== 'INTERNAL') return answered;
    const { cause } = answered.error;
    if (!(cause instanceof Error) || cause.message !== answered.error.message) return answered;
    this.logger.error(cause.message, cause.stack);
    return err(failedByBug());
  }
}

const failedByBug = (): AppError =>
  new AppError('INTERNAL', 'the request failed by a bug; the log of the service has it');

async function settle(handler: MessageHandler, delivery: Delivery): Promise<Settlement> {
  try {
    const settlement = await invoke(handler, delivery);
    if (isObject(settlement) && 'kind' in settlement) return settlement as unknown as Settlement;
  } catch (thrown) {
    if (thrown instanceof AppError) return { kind: 'retry', reason: `${thrown.code}: ${thrown.message}` };
  }
  return { kind: 'retry', reason: 'the handler failed by a bug; the log of the service has it' };
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

async function invoke(handler: MessageHandler, message: unknown): Promise<unknown> {
  const result = await handler(message);
  return isObservable(result) ? lastValueFrom(result) : result;
}
