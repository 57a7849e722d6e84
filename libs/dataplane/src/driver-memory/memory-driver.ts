import type { DataplaneObject } from '@outboard/contracts';
import { satisfies } from '@outboard/reconcile';
import type {
  Capability,
  Change,
  DiscoveredFunction,
  Driver,
  ObservedObject,
  Operation,
  OperationResult,
  Realisation,
  Resolve,
  RuleCounter,
  Scope,
  Underlay,
} from '../driver.js';
import {
  LINUX_ORDER,
  LINUX_READ_BACK_BEFORE,
  LINUX_SLOW_TO_REMOVE,
  LINUX_TOGETHER,
  type LinuxSpec,
  linkKey,
} from '../realise/linux-objects.js';
import { netlinkView } from '../realise/netlink-view.js';
import { realiseLinux } from '../realise/realise.js';
import { MemoryKernel } from './memory-kernel.js';

export interface MemoryDriverOptions {
  readonly dpu: string;
  readonly kernel?: MemoryKernel;
  readonly underlay?: Underlay;
}

const DONE: OperationResult = { kind: 'done' };
const DEFAULT_UNDERLAY: Underlay = { device: 'p0', address: '10.254.0.1', mtu: 1600 };

/**
 * The Linux realisation on a kernel in memory. It asserts the contract that a driver may rely on: operations come in
 * the order of their dependencies, an update or removal names something that is there, nothing foreign is touched.
 */
export class MemoryDriver implements Driver<LinuxSpec> {
  readonly name = 'memory';
  readonly order = LINUX_ORDER;
  readonly readBackBefore = LINUX_READ_BACK_BEFORE;
  readonly together = LINUX_TOGETHER;
  readonly slowToRemove = LINUX_SLOW_TO_REMOVE;
  readonly view = netlinkView;
  readonly kernel: MemoryKernel;
  #underlay: Underlay | undefined;
  readonly #watchers = new Set<(change: Change) => void>();

  constructor(private readonly options: MemoryDriverOptions) {
    this.kernel = options.kernel ?? new MemoryKernel();
    this.#underlay = options.underlay ?? DEFAULT_UNDERLAY;
  }

  capabilities(): readonly Capability[] {
    return ['vxlan', 'geneve', 'vlan', 'flat'].map((name) => ({ name, available: true, reason: '' }));
  }

  underlay(): Underlay | undefined {
    return this.#underlay;
  }

  /** Another underlay, or none, from now on. */
  setUnderlay(underlay: Underlay | undefined): void {
    this.#underlay = underlay;
    for (const watcher of this.#watchers) watcher({ kind: 'underlay' });
  }

  async functions(): Promise<readonly DiscoveredFunction[]> {
    return this.kernel.keys().flatMap((key): DiscoveredFunction[] => {
      const spec = this.kernel.get(key)?.spec;
      const numbers = spec?.kind === 'representor' ? /^pf(\d+)vf(\d+)$/.exec(spec.name) : null;
      if (spec?.kind !== 'representor' || numbers === null) return [];
      return [
        {
          flavour: 'PCI_VF',
          controller: 0,
          pfNumber: Number(numbers[1]),
          vfNumber: Number(numbers[2]),
          external: true,
          pfMacAddress: '',
          hwAddress: '',
          netdev: spec.name,
          physPortName: spec.name,
          switchId: '',
          attachment: 'HOST',
          active: spec.up,
          attached: true,
        },
      ];
    });
  }

  realise(key: string, object: DataplaneObject, resolve: Resolve): Realisation<LinuxSpec> {
    return realiseLinux(key, object, resolve, {
      dpu: this.options.dpu,
      underlay: this.#underlay,
      lacks: new Map(),
    });
  }

  async observe(scope: Scope): Promise<readonly ObservedObject<LinuxSpec>[]> {
    const keys = scope.kind === 'all' ? this.kernel.keys() : scope.keys;
    return keys.flatMap((key) => this.kernel.get(key) ?? []);
  }

  async apply(operations: readonly Operation<LinuxSpec>[]): Promise<readonly OperationResult[]> {
    return operations.map((operation) =>
      operation.action === 'delete' ? this.#remove(operation) : this.#put(operation),
    );
  }

  /** No packet passes it. */
  async ruleCounters(): Promise<readonly RuleCounter[]> {
    return [];
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    const kernel = this.kernel.watch(onChange);
    return {
      [Symbol.dispose]: () => {
        this.#watchers.delete(onChange);
        kernel[Symbol.dispose]();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watchers.clear();
  }

  #put(operation: Operation<LinuxSpec> & { action: 'create' | 'update' }): OperationResult {
    const { object, mark } = operation;
    const { key, spec, after, requires = [], within } = object;
    const standing = this.kernel.get(key);
    if (standing?.ownership.kind === 'foreign') return { kind: 'foreign', found: standing.ownership.found };
    const needed = [...requires, ...after, ...(spec.kind === 'representor' ? [key] : [])];
    const missing = needed.find((dependency) => this.kernel.get(dependency) === undefined);
    if (missing !== undefined)
      return { kind: 'missing', dependency: missing, message: `waits for ${missing}` };
    if (operation.action === 'update') {
      if (standing === undefined) return failed('ENOENT', 'there is nothing to update');
      if (!satisfies(operation.observed, standing.spec)) return failed('ESTALE', 'it was observed otherwise');
    }
    this.kernel.put(key, spec, mark, after, within);
    return DONE;
  }

  #remove({ key }: Operation<LinuxSpec> & { action: 'delete' }): OperationResult {
    const standing = this.kernel.get(key);
    if (standing === undefined) return DONE;
    if (standing.ownership.kind !== 'owned') return failed('EPERM', 'what is not ours must not be removed');
    // A borrowed device stays where it is, so nothing that refers to it is in its way.
    if (standing.spec.kind === 'representor') {
      this.kernel.release(key, { ...standing.spec, up: false });
      return DONE;
    }
    const dependent = this.kernel
      .keys()
      .map((other) => this.kernel.get(other))
      .find((other) => other?.ownership.kind === 'owned' && blocks(other.spec, key));
    if (dependent !== undefined) return failed('EBUSY', `${dependent.key} needs it`);
    this.kernel.remove(key);
    return DONE;
  }
}

/** What must be gone before: removing in the wrong order leaves a redirect into nowhere, or a bridge without home. */
function blocks(spec: LinuxSpec, key: string): boolean {
  switch (spec.kind) {
    case 'bridge':
    case 'tunnel':
    case 'geneve':
    case 'vlan':
      return key === `namespace/${spec.namespace}`;
    case 'gate':
      return key === linkKey(spec.target);
    default:
      return false;
  }
}

const failed = (code: string, message: string): OperationResult => ({
  kind: 'failed',
  error: { code, message },
});
