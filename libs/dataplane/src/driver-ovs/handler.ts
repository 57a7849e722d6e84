import { AppError } from '@outboard/core';
import type { ObservedObject, Operation, OperationResult } from '../driver.js';
import type { OvsSpec } from './realise/ovs-objects.js';

export type Observed = ObservedObject<OvsSpec>;
export type PutOperation = Extract<Operation<OvsSpec>, { action: 'create' | 'update' }>;
export type DeleteOperation = Extract<Operation<OvsSpec>, { action: 'delete' }>;

/** How one sort of the switch's objects is made, taken away and looked at. One result per operation, at its index. */
export interface Handler {
  put(operations: readonly PutOperation[]): Promise<readonly OperationResult[]>;
  remove(operations: readonly DeleteOperation[]): Promise<readonly OperationResult[]>;
  /** These, where missing ones are absent; or all. */
  observe(keys: readonly string[] | 'all'): Promise<readonly Observed[]>;
}

export const DONE: OperationResult = { kind: 'done' };

export const missing = (dependency: string): OperationResult => ({
  kind: 'missing',
  dependency,
  message: `waits for ${dependency}`,
});

/** The switch may come back: then it is tried again. */
export function resultOfThrown(failure: unknown): OperationResult {
  const { code, message } = AppError.from(failure);
  const error = { code, message };
  return code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED'
    ? { kind: 'retry', error }
    : { kind: 'failed', error };
}
