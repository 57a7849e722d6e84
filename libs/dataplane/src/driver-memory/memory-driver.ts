import type { DataplaneObject } from '@outboard/contracts';
import type { Capability, HopIsUp, Realisation, Resolve, RuleCounter } from '../driver.js';
import { InMemoryDriver } from '../in-memory/in-memory-driver.js';
import {
  LINUX_AT_ONCE,
  LINUX_ORDER,
  LINUX_PARTS,
  LINUX_READ_BACK_BEFORE,
  LINUX_SLOW_TO_REMOVE,
  LINUX_TOGETHER,
} from '../realise/linux-kinds.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import { netlinkView } from '../realise/netlink-view.js';
import { realiseLinux } from '../realise/realise.js';
import { LINUX_TRUNK } from '../realise/trunk.js';
import { MemoryKernel } from './memory-kernel.js';

export interface MemoryDriverOptions {
  readonly dpu: string;
  /** What it drives; one of its own if absent. */
  readonly kernel?: MemoryKernel;
}

/** The Linux realisation on a kernel in memory. */
export class MemoryDriver extends InMemoryDriver<LinuxSpec> {
  readonly name = 'memory';
  readonly order = LINUX_ORDER;
  readonly readBackBefore = LINUX_READ_BACK_BEFORE;
  readonly together = LINUX_TOGETHER;
  readonly atOnce = LINUX_AT_ONCE;
  readonly parts = LINUX_PARTS;
  readonly slowToRemove = LINUX_SLOW_TO_REMOVE;
  readonly view = netlinkView;
  readonly kernel: MemoryKernel;
  readonly #dpu: string;

  constructor({ dpu, kernel = new MemoryKernel() }: MemoryDriverOptions) {
    super(kernel);
    this.kernel = kernel;
    this.#dpu = dpu;
  }

  capabilities(): readonly Capability[] {
    const available = ['vxlan', 'geneve', 'vlan', 'flat'].map((name) => ({
      name,
      available: true,
      reason: '',
    }));
    return [...available, LINUX_TRUNK];
  }

  realise(key: string, object: DataplaneObject, resolve: Resolve, isUp: HopIsUp): Realisation<LinuxSpec> {
    return realiseLinux(key, object, resolve, {
      dpu: this.#dpu,
      underlay: this.underlay(),
      lacks: new Map(),
      isUp,
    });
  }

  /** No packet passes it. */
  async ruleCounters(): Promise<readonly RuleCounter[]> {
    return [];
  }
}
