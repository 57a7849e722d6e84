import { type ArgumentsHost, applyDecorators, Catch, UseFilters } from '@nestjs/common';
import { BaseRpcExceptionFilter, MessagePattern } from '@nestjs/microservices';
import { AppError } from '@outboard/core';
import { type Observable, throwError } from 'rxjs';
import type { ConsumerSpec, Endpoint } from '../port.js';

/** Identifies the transport, so that handlers of other transports in the same application are left alone. */
export const BUS_TRANSPORT = Symbol('outboard bus');

/** What a decorator leaves for the strategy. */
export interface HandlerExtras {
  readonly endpoint?: Omit<Endpoint, 'handle'>;
  readonly consumer?: ConsumerSpec;
}

/**
 * Lets a thrown AppError through as it is. Nest would turn it, like everything that is not its own exception, into
 * "Internal server error" without code, reason and fields; that is what still becomes of other errors, which it logs.
 */
@Catch()
class AppErrorFilter extends BaseRpcExceptionFilter {
  override catch(thrown: unknown, host: ArgumentsHost): Observable<unknown> {
    return thrown instanceof AppError ? throwError(() => thrown) : super.catch(thrown as Error, host);
  }
}

const handles = (pattern: string, extras: HandlerExtras): MethodDecorator =>
  applyDecorators(MessagePattern(pattern, BUS_TRANSPORT, extras), UseFilters(new AppErrorFilter()));

/** The method `(request: Received) => Promise<Result<Message, AppError>>` answers requests on the subject. */
export const HandleRequest = (name: string, subject: string): MethodDecorator =>
  handles(subject, { endpoint: { name, subject } });

/** The method `(delivery: Delivery) => Promise<Settlement>` handles the deliveries of a durable consumer. */
export const HandleDelivery = (consumer: ConsumerSpec): MethodDecorator =>
  handles(`consumer ${consumer.stream} ${consumer.durable}`, { consumer });
