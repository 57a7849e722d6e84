import type {
  Driver,
  DriverObject,
  Expected,
  ObservedObject,
  Operation,
  OperationResult,
  Scope,
  Sections,
  Spec,
} from './driver.js';

export type PutOperation<S extends Spec> = Extract<Operation<S>, { action: 'create' | 'update' }>;
export type DeleteOperation<S extends Spec> = Extract<Operation<S>, { action: 'delete' }>;

/** How one sort of a driver's objects is made, taken away and looked at. One result per operation, at its index. */
export interface Handler<S extends Spec> {
  put(operations: readonly PutOperation<S>[]): Promise<readonly OperationResult[]>;
  remove(operations: readonly DeleteOperation<S>[]): Promise<readonly OperationResult[]>;
  /** Both at once, in one step; absent: it cannot. */
  change?(operations: readonly Operation<S>[]): Promise<readonly OperationResult[]>;
  /** These, where missing ones are absent; or all that are ours. `expected`: as in `Scope`. */
  observe(keys: readonly string[] | 'all', expected?: Expected<S>): Promise<readonly ObservedObject<S>[]>;
}

/** Which objects a handler has: by the first part of their keys, and by their kinds. */
export interface Responsibility<S extends Spec> {
  readonly handler: Handler<S>;
  /** None: they are looked at by another. */
  readonly keys: readonly string[];
  readonly kinds: readonly S['kind'][];
}

/** Keys that one handler looks at, and what is expected under each. */
interface Portion<S extends Spec> {
  readonly handler: Handler<S>;
  readonly keys: string[];
  readonly expected: (DriverObject<S> | undefined)[];
}

export const DONE: OperationResult = { kind: 'done' };

/** Another operation of the same step was not done. */
export const AGAIN: OperationResult = { kind: 'again' };

export const missing = (dependency: string): OperationResult => ({
  kind: 'missing',
  dependency,
  message: `waits for ${dependency}`,
});

export const keyOf = <S extends Spec>(operation: Operation<S>): string =>
  operation.action === 'delete' ? operation.key : operation.object.key;

export const specOf = <S extends Spec>(operation: Operation<S>): S =>
  operation.action === 'delete' ? operation.observed : operation.object.spec;

/** Operations in their order, those that follow each other and are one step for packets (`atOnce`) together. */
export function stepsOf<S extends Spec>(
  { atOnce }: Pick<Driver<S>, 'atOnce'>,
  operations: readonly Operation<S>[],
): Operation<S>[][] {
  const steps: Operation<S>[][] = [];
  let joins = false;
  for (const operation of operations) {
    const belongs = atOnce?.has(specOf(operation).kind) === true;
    if (belongs && joins) steps.at(-1)?.push(operation);
    else steps.push([operation]);
    joins = belongs;
  }
  return steps;
}

/** All handlers of a driver, which observe and apply together. */
export class Handlers<S extends Spec> {
  /** What a handler looks at is one, named by the first of its keys. */
  readonly sections: Sections;
  readonly #bySection = new Map<string, Handler<S>>();
  readonly #byKey = new Map<string, Handler<S>>();
  readonly #byKind = new Map<S['kind'], Handler<S>>();

  /** In the order in which all are observed. */
  constructor(
    private readonly all: readonly Responsibility<S>[],
    private readonly resultOfThrown: (failure: unknown) => OperationResult,
  ) {
    const sections = new Map<string, string>();
    for (const { handler, keys, kinds } of all) {
      const [section] = keys;
      if (section !== undefined) this.#bySection.set(section, handler);
      for (const key of keys) {
        this.#byKey.set(key, handler);
        sections.set(key, section ?? key);
      }
      for (const kind of kinds) this.#byKind.set(kind, handler);
    }
    this.sections = { names: [...this.#bySection.keys()], of: (key) => sections.get(firstOf(key)) };
  }

  async observe(scope: Scope<S>): Promise<readonly ObservedObject<S>[]> {
    if (scope.kind === 'section') return (await this.#bySection.get(scope.section)?.observe('all')) ?? [];
    const found: ObservedObject<S>[] = [];
    if (scope.kind === 'all') {
      for (const { handler, keys } of this.all) {
        if (keys.length === 0) continue;
        for (const object of await handler.observe('all')) found.push(object);
      }
      return found;
    }
    for (const { handler, keys, expected } of this.#portionsOf(scope))
      for (const object of await handler.observe(keys, expected)) found.push(object);
    return found;
  }

  #portionsOf({ keys, expected }: Extract<Scope<S>, { kind: 'keys' }>): Iterable<Portion<S>> {
    const portions = new Map<Handler<S>, Portion<S>>();
    let portion: Portion<S> | undefined;
    let kind: S['kind'] | undefined;
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string;
      const object = expected?.[index];
      // Those of a kind follow each other as a rule, and have one handler: their keys need not be taken apart.
      if (object === undefined || object.spec.kind !== kind) {
        const handler = this.#byKey.get(firstOf(key));
        portion = handler && (portions.get(handler) ?? { handler, keys: [], expected: [] });
        if (portion !== undefined) portions.set(portion.handler, portion);
        kind = object?.spec.kind;
      }
      portion?.keys.push(key);
      portion?.expected.push(object);
    }
    return portions.values();
  }

  /** Carries out operations in their order, each run of them that one handler can do together at once. */
  async apply(operations: readonly Operation<S>[]): Promise<readonly OperationResult[]> {
    const results: OperationResult[] = [];
    for (let start = 0; start < operations.length; ) {
      const handler = this.#handlerOf(operations[start]);
      const removes = operations[start]?.action === 'delete';
      let end = start + 1;
      while (
        end < operations.length &&
        this.#handlerOf(operations[end]) === handler &&
        (handler.change !== undefined || (operations[end]?.action === 'delete') === removes)
      )
        end++;
      const run = operations.slice(start, end);
      let own: readonly OperationResult[];
      try {
        if (handler.change !== undefined) own = await handler.change(run);
        else if (removes) own = await handler.remove(run as DeleteOperation<S>[]);
        else own = await handler.put(run as PutOperation<S>[]);
      } catch (failure) {
        own = run.map(() => this.resultOfThrown(failure));
      }
      for (const result of own) results.push(result);
      start = end;
    }
    return results;
  }

  #handlerOf(operation: Operation<S> | undefined): Handler<S> {
    const spec = operation && specOf(operation);
    const handler = spec === undefined ? undefined : this.#byKind.get(spec.kind);
    if (handler === undefined) throw new Error(`nobody carries out operations on a ${spec?.kind}`);
    return handler;
  }
}

/** The first part of a key: what sort of object it is of. */
const firstOf = (key: string): string => key.slice(0, key.indexOf('/'));

/** The second part of a key: the namespace or the device that the object is in. */
export function secondOf(key: string): string {
  const start = key.indexOf('/') + 1;
  const end = key.indexOf('/', start);
  return end < 0 ? key.slice(start) : key.slice(start, end);
}
