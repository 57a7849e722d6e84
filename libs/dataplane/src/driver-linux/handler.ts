import type { ObservedObject } from '../driver.js';
import type * as handlers from '../handlers.js';
import type { LinuxSpec } from '../realise/linux-objects.js';

export type Observed = ObservedObject<LinuxSpec>;
export type PutOperation = handlers.PutOperation<LinuxSpec>;
export type DeleteOperation = handlers.DeleteOperation<LinuxSpec>;
export type Handler = handlers.Handler<LinuxSpec>;

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
