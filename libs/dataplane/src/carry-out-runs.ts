import type { Operation, OperationResult, Spec } from './driver.js';

/** What one sort of object of a driver is put and removed by. One result per operation, at its index. */
interface Hands<S extends Spec> {
  put(
    operations: readonly Extract<Operation<S>, { action: 'create' | 'update' }>[],
  ): Promise<readonly OperationResult[]>;
  remove(
    operations: readonly Extract<Operation<S>, { action: 'delete' }>[],
  ): Promise<readonly OperationResult[]>;
}

/** Carries out operations in their order, each run of them that one handler can do together at once. */
export async function carryOutRuns<S extends Spec>(
  operations: readonly Operation<S>[],
  handlerOf: (operation: Operation<S> | undefined) => Hands<S>,
  resultOfThrown: (failure: unknown) => OperationResult,
): Promise<readonly OperationResult[]> {
  const results: OperationResult[] = [];
  for (let start = 0; start < operations.length; ) {
    const handler = handlerOf(operations[start]);
    const removes = operations[start]?.action === 'delete';
    let end = start + 1;
    while (
      end < operations.length &&
      handlerOf(operations[end]) === handler &&
      (operations[end]?.action === 'delete') === removes
    )
      end++;
    const run = operations.slice(start, end);
    let own: readonly OperationResult[];
    try {
      own = removes
        ? await handler.remove(run as Parameters<Hands<S>['remove']>[0])
        : await handler.put(run as Parameters<Hands<S>['put']>[0]);
    } catch (failure) {
      own = run.map(() => resultOfThrown(failure));
    }
    for (const result of own) results.push(result);
    start = end;
  }
  return results;
}
