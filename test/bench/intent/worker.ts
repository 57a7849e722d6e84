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
  #operations = 0;
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
  static start(name: string, testbed: Testbed): Promise<Worker> {
    const { namespace, underlay } = testbed.dpu('dpu-1').plan;
    return Worker.open(name, { namespace, underlayDevice: underlay.device });
  }

  static async open(
    name: string,
    place: { readonly namespace: string; readonly underlayDevice: string },
  ): Promise<Worker> {
    const { underlayDevice } = place;
    const namespace = NetworkNamespace.open({ name: place.namespace });
    const driver = await LinuxDriver.open({ dpu: name, underlayDevice, namespace });
    const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
    const worker = new Worker(driver, engine);
    const apply = driver.apply.bind(driver);
    driver.apply = (operations) => {
      worker.#operations += operations.length;
      return apply(operations);
    };
    await engine.start();
    return worker;
  }

  /** What it has asked the driver to create, change or remove. */
  get operations(): number {
    return this.#operations;
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
