import { MessagePattern } from '@nestjs/microservices';
import type { ConsumerSpec, Endpoint } from '../port.js';

/** Identifies the transport, so that handlers of other transports in the same application are left alone. */
export const BUS_TRANSPORT = Symbol('outboard bus');

/** What a decorator leaves for the strategy. */
export interface HandlerExtras {
  readonly endpoint?: Omit<Endpoint, 'handle'>;
  readonly consumer?: ConsumerSpec;
}

/** The method `(request: Received) => Promise<Result<Message, AppError>>` answers requests on the subject. */
export const HandleRequest = (name: string, subject: string): MethodDecorator =>
  MessagePattern(subject, BUS_TRANSPORT, { endpoint: { name, subject } } satisfies HandlerExtras);

/** The method `(delivery: Delivery) => Promise<Settlement>` handles the deliveries of a durable consumer. */
export const HandleDelivery = (consumer: ConsumerSpec): MethodDecorator =>
  MessagePattern(`consumer ${consumer.durable}`, BUS_TRANSPORT, { consumer } satisfies HandlerExtras);
