import type { DataplaneObject } from '@outboard/contracts';
import { satisfies } from '@outboard/reconcile';
import type {
  Capability,
  Change,
  DiscoveredFunction,
  Driver,
  HopIsUp,
  ObservedObject,
  Operation,
  OperationResult,
  Realisation,
  Resolve,
  RuleCounter,
  Scope,
  Sections,
  Spec,
  Underlay,
} from '../driver.js';
import { AGAIN, DONE, keyOf, stepsOf } from '../handlers.js';
import type { RepresentorSpec } from '../realise/linux-objects.js';
import { type InMemoryObjects, isRepresentor } from './in-memory-objects.js';

const DEFAULT_UNDERLAY: Underlay = { device: 'p0', address: '10.254.0.1', mtu: 1600 };

/**
 * A driver of what stands in memory. It asserts the contract that a driver may rely on: operations come in the order
 * of their dependencies, an update or removal names something that is there, nothing foreign is touched.
 */
export abstract class InMemoryDriver<S extends Spec> implements Driver<S | RepresentorSpec> {
  abstract readonly name: string;
  abstract readonly order: Driver<S | RepresentorSpec>['order'];
  abstract readonly atOnce: NonNullable<Driver<S | RepresentorSpec>['atOnce']>;
  abstract readonly slowToRemove: Driver<S | RepresentorSpec>['slowToRemove'];
  readonly sections?: Sections;
  readonly #objects: InMemoryObjects<S>;
  readonly #watchers = new Set<(change: Change) => void>();
  #underlay: Underlay | undefined;

  /** `underlay`: one that suits tests, if absent. */
  protected constructor(objects: InMemoryObjects<S>, underlay: Underlay = DEFAULT_UNDERLAY) {
    this.#objects = objects;
    this.#underlay = underlay;
  }

  abstract capabilities(): readonly Capability[];

  abstract realise(
    key: string,
    object: DataplaneObject,
    resolve: Resolve,
    isUp: HopIsUp,
  ): Realisation<S | RepresentorSpec>;

  abstract ruleCounters(): Promise<readonly RuleCounter[]>;

  underlay(): Underlay | undefined {
    return this.#underlay;
  }

  /** Another underlay, or none, from now on. */
  setUnderlay(underlay: Underlay | undefined): void {
    this.#underlay = underlay;
    for (const watcher of this.#watchers) watcher({ kind: 'underlay' });
  }

  async functions(): Promise<readonly DiscoveredFunction[]> {
    return this.#objects.keys().flatMap((key): DiscoveredFunction[] => {
      const spec = this.#objects.get(key)?.spec;
      return spec !== undefined && isRepresentor(spec) ? functionOf(spec) : [];
    });
  }

  async observe(scope: Scope<S | RepresentorSpec>): Promise<readonly ObservedObject<S | RepresentorSpec>[]> {
    let keys = scope.kind === 'keys' ? scope.keys : this.#objects.keys();
    if (scope.kind === 'section') keys = keys.filter((key) => this.sections?.of(key) === scope.section);
    return keys.flatMap((key) => this.#objects.get(key) ?? []);
  }

  async apply(operations: readonly Operation<S | RepresentorSpec>[]): Promise<readonly OperationResult[]> {
    return stepsOf(this, operations).flatMap((step) => {
      if (step.length === 1) return step.map((operation) => this.#carryOut(operation));
      const before = this.#objects.noted(step.map(keyOf));
      const results = step.map((operation) => this.#carryOut(operation));
      if (results.every(({ kind }) => kind === 'done')) return results;
      this.#objects.restore(before);
      return results.map((result) => (result.kind === 'done' ? AGAIN : result));
    });
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    const watching = this.#objects.watch(onChange);
    return {
      [Symbol.dispose]: () => {
        this.#watchers.delete(onChange);
        watching[Symbol.dispose]();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watchers.clear();
  }

  #carryOut(operation: Operation<S | RepresentorSpec>): OperationResult {
    return operation.action === 'delete' ? this.#remove(operation.key) : this.#put(operation);
  }

  #put(operation: Operation<S | RepresentorSpec> & { action: 'create' | 'update' }): OperationResult {
    const { object, mark } = operation;
    const { key, spec, after, requires = [], within } = object;
    const standing = this.#objects.get(key);
    if (standing?.ownership.kind === 'foreign') return { kind: 'foreign', found: standing.ownership.found };
    const needed = [...requires, ...after, ...(isRepresentor(spec) ? [key] : [])];
    const missing = needed.find((dependency) => this.#objects.get(dependency) === undefined);
    if (missing !== undefined)
      return { kind: 'missing', dependency: missing, message: `waits for ${missing}` };
    if (operation.action === 'update') {
      if (standing === undefined) return failed('ENOENT', 'there is nothing to update');
      if (!satisfies(operation.observed, standing.spec)) return failed('ESTALE', 'it was observed otherwise');
    }
    const full = this.#objects.fullness(key, spec);
    if (full !== undefined) return failed('ENOSPC', full);
    this.#objects.put(key, spec, mark, within);
    return DONE;
  }

  #remove(key: string): OperationResult {
    const standing = this.#objects.get(key);
    if (standing === undefined) return DONE;
    if (standing.ownership.kind !== 'owned') return failed('EPERM', 'what is not ours must not be removed');
    // A borrowed device stays where it is, so nothing that refers to it is in its way.
    if (isRepresentor(standing.spec)) {
      this.#objects.release(key, { ...standing.spec, up: false });
      return DONE;
    }
    const inTheWay = this.#objects.inTheWayOf(key);
    if (inTheWay !== undefined) return failed('EBUSY', inTheWay);
    this.#objects.remove(key);
    return DONE;
  }
}

/** A representor of which the name tells nothing is of no function. */
function functionOf({ name, up }: RepresentorSpec): DiscoveredFunction[] {
  const numbers = /^pf(\d+)(?:hpf|vf(\d+))$/.exec(name);
  if (numbers === null) return [];
  const [, pfNumber, vfNumber] = numbers;
  return [
    {
      flavour: vfNumber === undefined ? 'PCI_PF' : 'PCI_VF',
      controller: 0,
      pfNumber: Number(pfNumber),
      ...(vfNumber === undefined ? {} : { vfNumber: Number(vfNumber) }),
      external: true,
      pfMacAddress: '',
      hwAddress: '',
      netdev: name,
      physPortName: name,
      switchId: '',
      attachment: 'HOST',
      active: up,
      attached: true,
    },
  ];
}

const failed = (code: string, message: string): OperationResult => ({
  kind: 'failed',
  error: { code, message },
});
