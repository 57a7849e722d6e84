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
  OVS_ORDER,
  OVS_READ_BACK_BEFORE,
  OVS_SLOW_TO_REMOVE,
  OVS_TOGETHER,
  type OvsSpec,
} from '../driver-ovs/realise/ovs-objects.js';
import { realiseOvs } from '../driver-ovs/realise/realise-ovs.js';
import { switchView } from '../driver-ovs/realise/switch-view.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import { SimSwitch } from './sim-switch.js';

export interface SimDriverOptions {
  /** What it drives; one of its own if absent. */
  readonly vswitch?: SimSwitch;
  readonly underlay?: Underlay;
}

const NO_HARDWARE = 'this simulated switch has no hardware tables';
const DONE: OperationResult = { kind: 'done' };
const DEFAULT_UNDERLAY: Underlay = { device: 'p0', address: '10.254.0.1', mtu: 1600 };

/**
 * What Open vSwitch is told, told to a switch in memory, which does to packets what the flows say. It asserts the
 * contract that a driver may rely on: operations come in the order of their dependencies, an update or removal names
 * something that is there, nothing foreign is touched.
 */
export class SimDriver implements Driver<OvsSpec> {
  readonly name = 'sim';
  readonly order = OVS_ORDER;
  readonly readBackBefore = OVS_READ_BACK_BEFORE;
  readonly together = OVS_TOGETHER;
  readonly slowToRemove = OVS_SLOW_TO_REMOVE;
  readonly view = switchView;
  readonly vswitch: SimSwitch;
  readonly #lacks: ReadonlyMap<string, string>;
  #underlay: Underlay | undefined;
  readonly #watchers = new Set<(change: Change) => void>();

  constructor(options: SimDriverOptions = {}) {
    this.vswitch = options.vswitch ?? new SimSwitch();
    this.#underlay = options.underlay ?? DEFAULT_UNDERLAY;
    this.#lacks = new Map(
      this.capabilities().flatMap(({ name, available, reason }) => (available ? [] : [[name, reason]])),
    );
  }

  capabilities(): readonly Capability[] {
    const { hasHardware } = this.vswitch;
    return [
      ...['vxlan', 'geneve', 'vlan', 'flat', 'policies'].map((name) => ({
        name,
        available: true,
        reason: '',
      })),
      { name: HARDWARE_OFFLOAD, available: hasHardware, reason: hasHardware ? '' : NO_HARDWARE },
    ];
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
    return this.vswitch.keys().flatMap((key): DiscoveredFunction[] => {
      const spec = this.vswitch.get(key)?.spec;
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

  realise(key: string, object: DataplaneObject, resolve: Resolve): Realisation<OvsSpec> {
    return realiseOvs(key, object, resolve, { underlay: this.#underlay, lacks: this.#lacks });
  }

  async observe(scope: Scope): Promise<readonly ObservedObject<OvsSpec>[]> {
    const keys = scope.kind === 'all' ? this.vswitch.keys() : scope.keys;
    return keys.flatMap((key) => this.vswitch.get(key) ?? []);
  }

  async apply(operations: readonly Operation<OvsSpec>[]): Promise<readonly OperationResult[]> {
    return operations.map((operation) =>
      operation.action === 'delete' ? this.#remove(operation) : this.#put(operation),
    );
  }

  async ruleCounters(): Promise<readonly RuleCounter[]> {
    return this.vswitch.counters();
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    const watching = this.vswitch.watch(onChange);
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

  #put(operation: Operation<OvsSpec> & { action: 'create' | 'update' }): OperationResult {
    const { object, mark } = operation;
    const { key, spec, after, requires = [], within } = object;
    const standing = this.vswitch.get(key);
    if (standing?.ownership.kind === 'foreign') return { kind: 'foreign', found: standing.ownership.found };
    const needed = [...requires, ...after, ...(spec.kind === 'representor' ? [key] : [])];
    const missing = needed.find((dependency) => this.vswitch.get(dependency) === undefined);
    if (missing !== undefined)
      return { kind: 'missing', dependency: missing, message: `waits for ${missing}` };
    if (operation.action === 'update') {
      if (standing === undefined) return failed('ENOENT', 'there is nothing to update');
      if (!satisfies(operation.observed, standing.spec)) return failed('ESTALE', 'it was observed otherwise');
    }
    const full = this.vswitch.fullness(key, spec);
    if (full !== undefined) return failed('ENOSPC', full);
    this.vswitch.put(key, spec, mark, within);
    return DONE;
  }

  #remove({ key }: Operation<OvsSpec> & { action: 'delete' }): OperationResult {
    const standing = this.vswitch.get(key);
    if (standing === undefined) return DONE;
    if (standing.ownership.kind !== 'owned') return failed('EPERM', 'what is not ours must not be removed');
    // A borrowed device stays where it is, so nothing that refers to it is in its way.
    if (standing.spec.kind === 'representor') {
      this.vswitch.release(key, { ...standing.spec, up: false });
      return DONE;
    }
    if (this.vswitch.isUsed(key)) return failed('EBUSY', 'flows send to it');
    this.vswitch.remove(key);
    return DONE;
  }
}

const failed = (code: string, message: string): OperationResult => ({
  kind: 'failed',
  error: { code, message },
});
