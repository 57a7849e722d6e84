/** The outcome of something that can be refused: refusals are values, exceptions are for broken invariants. */
export type Result<Value, Failure> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: Failure };

export const ok = <Value>(value: Value): { readonly ok: true; readonly value: Value } => ({
  ok: true,
  value,
});

export const err = <Failure>(error: Failure): { readonly ok: false; readonly error: Failure } => ({
  ok: false,
  error,
});

/** The value, or a thrown failure: for edges (CLI, tests) where a refusal ends the program. */
export function unwrap<Value, Failure>(result: Result<Value, Failure>): Value {
  if (result.ok) return result.value;
  throw result.error instanceof Error ? result.error : new Error(JSON.stringify(result.error));
}
