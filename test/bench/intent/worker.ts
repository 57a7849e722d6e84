import { systemClock, systemRandom } from '@outboard/core';
import {
  createEngine,
  type DataplaneEngine,
  type DocumentReport,
  type DocumentUpdate,
  LinuxDriver,
  type LinuxSpec,
} from '@outboard/dataplane';
import { NetworkNamespace } from '@outboard/netlink';
import type { Testbed } from '@outboard/testbed';
import { Documents } from './document.js';

/** The engine of a worker on the Linux driver, in a DPU of a testbed, and what it reports. */
export class Worker implements AsyncDisposable {
  readonly documents = new Documents();
  readonly #waiting = new Set<(report: DocumentReport) => void>();

  private constructor(
    private readonly driver: LinuxDriver,
    readonly engine: DataplaneEngine<LinuxSpec>,
  ) {
    engine.onReport((told) => {
      for (const waiting of this.#waiting) waiting(told);
    });
  }

  /** `name`: takes part in the names of the routers' namespaces. */
  static async start(name: string, testbed: Testbed): Promise<Worker> {
    const { plan } = testbed.dpu('dpu-1');
    const namespace = NetworkNamespace.open({ name: plan.namespace });
    const driver = await LinuxDriver.open({ dpu: name, underlayDevice: plan.underlay.device, namespace });
    const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
    await engine.start();
    return new Worker(driver, engine);
  }

  /** Resolves with the report that this or a later version is applied and read back, as far as it is about `kind`. */
  async apply(update: DocumentUpdate, kind?: string): Promise<void> {
    const told = new Promise<void>((resolve) => {
      const check = ({ version, problems }: DocumentReport): void => {
        if (version.sequence < update.version.sequence) return;
        if (problems.some(({ source }) => kind === undefined || source.kind === kind)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
    this.engine.submit(update);
    await told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    await this.driver[Symbol.asyncDispose]();
  }
}
