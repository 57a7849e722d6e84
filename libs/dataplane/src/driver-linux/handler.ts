import type { ObservedObject, Operation, OperationResult } from '../driver.js';
import type { LinuxSpec } from '../realise/linux-objects.js';

export type Observed = ObservedObject<LinuxSpec>;
export type PutOperation = Extract<Operation<LinuxSpec>, { action: 'create' | 'update' }>;
export type DeleteOperation = Extract<Operation<LinuxSpec>, { action: 'delete' }>;

/** How one sort of kernel object is made, taken away and looked at. One result per operation, at its index. */
export interface Handler {
  put(operations: readonly PutOperation[]): Promise<readonly OperationResult[]>;
  remove(operations: readonly DeleteOperation[]): Promise<readonly OperationResult[]>;
  /** These, where missing ones are absent; or all that are ours. */
  observe(keys: readonly string[] | 'all'): Promise<Observed[]>;
}

/** The wanted spec of an operation that a handler got for its kind. */
export function specOf<Kind extends LinuxSpec['kind']>(
  { object: { spec } }: PutOperation,
  kind: Kind,
): Extract<LinuxSpec, { kind: Kind }> {
  if (spec.kind !== kind) throw new Error(`an object of kind ${spec.kind} where ${kind} belongs`);
  return spec as Extract<LinuxSpec, { kind: Kind }>;
}

export function observedOf<Kind extends LinuxSpec['kind']>(
  { observed }: DeleteOperation,
  kind: Kind,
): Extract<LinuxSpec, { kind: Kind }> {
  if (observed.kind !== kind) throw new Error(`an object of kind ${observed.kind} where ${kind} belongs`);
  return observed as Extract<LinuxSpec, { kind: Kind }>;
}

export const missing = (dependency: string): OperationResult => ({
  kind: 'missing',
  dependency,
  message: `waits for ${dependency}`,
});

/** The second part of a key: the namespace or the device that the object is in. */
export function secondOf(key: string): string {
  const start = key.indexOf('/') + 1;
  const end = key.indexOf('/', start);
  return end < 0 ? key.slice(start) : key.slice(start, end);
}
