import type { DataplaneObject } from '@outboard/contracts';
import type { Capability, HopIsUp, Realisation, Resolve, RuleCounter, Underlay } from '../driver.js';
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
import { InMemoryDriver } from '../in-memory/in-memory-driver.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import { STEERING } from '../realise/service-chain.js';
import { SimSwitch } from './sim-switch.js';

export interface SimDriverOptions {
  /** What it drives; one of its own if absent. */
  readonly vswitch?: SimSwitch;
  readonly underlay?: Underlay;
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

  constructor({ vswitch = new SimSwitch(), underlay }: SimDriverOptions = {}) {
    super(vswitch, underlay);
    this.vswitch = vswitch;
    this.#lacks = new Map(
      this.capabilities().flatMap(({ name, available, reason }) => (available ? [] : [[name, reason]])),
    );
  }

  capabilities(): readonly Capability[] {
    const { hasHardware } = this.vswitch;
    return [
      ...['vxlan', 'geneve', 'vlan', 'flat', 'policies', 'bandwidth', STEERING].map((name) => ({
        name,
        available: true,
        reason: '',
      })),
      { name: HARDWARE_OFFLOAD, available: hasHardware, reason: hasHardware ? '' : NO_HARDWARE },
    ];
  }

  realise(key: string, object: DataplaneObject, resolve: Resolve, isUp: HopIsUp): Realisation<OvsSpec> {
    return realiseOvs(key, object, resolve, { underlay: this.underlay(), lacks: this.#lacks, isUp });
  }

  async ruleCounters(): Promise<readonly RuleCounter[]> {
    return this.vswitch.counters();
  }
}
