import type { DataplaneObject } from '@outboard/contracts';
import type {
  Capability,
  HopIsUp,
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
  OVS_AT_ONCE,
  OVS_ORDER,
  OVS_PARTS,
  OVS_READ_BACK_BEFORE,
  OVS_SLOW_TO_REMOVE,
  OVS_TOGETHER,
  type OvsSpec,
} from '../driver-ovs/realise/ovs-objects.js';
import { realiseOvs } from '../driver-ovs/realise/realise-ovs.js';
import { switchView } from '../driver-ovs/realise/switch-view.js';
import { specOf, stepsOf } from '../handlers.js';
import { InMemoryDriver } from '../in-memory/in-memory-driver.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import { IPV6_EGRESS } from '../realise/realise-egress.js';
import { STEERING } from '../realise/service-chain.js';
import { TRUNK } from '../realise/trunk.js';
import { Latency, type LatencyOptions } from './latency.js';
import { SimSwitch } from './sim-switch.js';

export interface SimDriverOptions {
  /** What it drives; one of its own if absent. */
  readonly vswitch?: SimSwitch;
  readonly underlay?: Underlay;
  /** How long everything takes; absent: nothing takes any time. */
  readonly latency?: LatencyOptions | undefined;
}

const NO_HARDWARE = 'this simulated switch has no hardware tables';

/** What Open vSwitch is told, told to a switch in memory, which does to packets what the flows say. */
export class SimDriver extends InMemoryDriver<OvsSpec> {
  readonly name = 'sim';
  readonly order = OVS_ORDER;
  readonly readBackBefore = OVS_READ_BACK_BEFORE;
  readonly together = OVS_TOGETHER;
  readonly atOnce = OVS_AT_ONCE;
  readonly parts = OVS_PARTS;
  readonly slowToRemove = OVS_SLOW_TO_REMOVE;
  readonly view = switchView;
  readonly vswitch: SimSwitch;
  readonly #lacks: ReadonlyMap<string, string>;
  readonly #latency: Latency | undefined;

  constructor({ vswitch = new SimSwitch(), underlay, latency }: SimDriverOptions = {}) {
    super(vswitch, underlay);
    this.vswitch = vswitch;
    this.#latency = latency && new Latency(latency);
    this.#lacks = new Map(
      this.capabilities().flatMap(({ name, available, reason }) => (available ? [] : [[name, reason]])),
    );
  }

  capabilities(): readonly Capability[] {
    const { hasHardware } = this.vswitch;
    return [
      ...['vxlan', 'geneve', 'vlan', 'flat', 'policies', 'bandwidth', STEERING, TRUNK, IPV6_EGRESS].map(
        (name) => ({
          name,
          available: true,
          reason: '',
        }),
      ),
      { name: HARDWARE_OFFLOAD, available: hasHardware, reason: hasHardware ? '' : NO_HARDWARE },
    ];
  }

  realise(key: string, object: DataplaneObject, resolve: Resolve, isUp: HopIsUp): Realisation<OvsSpec> {
    return realiseOvs(key, object, resolve, { underlay: this.underlay(), lacks: this.#lacks, isUp });
  }

  /** What is one step for packets is done when the time of all of it is over; between steps others come first. */
  override async apply(operations: readonly Operation<OvsSpec>[]): Promise<readonly OperationResult[]> {
    if (this.#latency === undefined) return super.apply(operations);
    await this.#latency.ofCall();
    const results: OperationResult[] = [];
    for (const step of stepsOf(this, operations)) {
      await this.#latency.ofOperations(step.map((operation) => specOf(operation).kind));
      results.push(...(await super.apply(step)));
    }
    return results;
  }

  /** As it is when the time of reading it is over. */
  override async observe(scope: Scope<OvsSpec>): Promise<readonly ObservedObject<OvsSpec>[]> {
    if (this.#latency === undefined) return super.observe(scope);
    await this.#latency.ofCall();
    await this.#latency.ofReading(scope.kind === 'keys' ? scope.keys.length : this.vswitch.size);
    return super.observe(scope);
  }

  async ruleCounters(): Promise<readonly RuleCounter[]> {
    return this.vswitch.counters();
  }
}
