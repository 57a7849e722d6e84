import { AppError } from '@outboard/core';
import type { ObservedObject, OperationResult } from '../driver.js';
import type * as handlers from '../handlers.js';
import type { OvsSpec } from './realise/ovs-objects.js';

export type Observed = ObservedObject<OvsSpec>;
export type PutOperation = handlers.PutOperation<OvsSpec>;
export type DeleteOperation = handlers.DeleteOperation<OvsSpec>;
export type Handler = handlers.Handler<OvsSpec>;

/** The switch may come back: then it is tried again. */
export function resultOfThrown(failure: unknown): OperationResult {
  const { code, message } = AppError.from(failure);
  const error = { code, message };
  return code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED'
    ? { kind: 'retry', error }
    : { kind: 'failed', error };
}
