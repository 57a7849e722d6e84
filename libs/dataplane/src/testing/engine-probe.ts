import { systemClock, systemRandom } from '@outboard/core';
import type { DocumentReport, DocumentUpdate } from '../document.js';
import type { Driver, Spec } from '../driver.js';
import { createEngine } from '../engine/create-engine.js';
import type { DataplaneEngine } from '../engine.js';
import type { HopHealth } from '../hop-health.js';

/** A running engine and all that it reported. No periodic comparison: what is repaired is repaired because of events. */
export class EngineProbe<S extends Spec> implements AsyncDisposable {
  readonly reports: DocumentReport[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(readonly engine: DataplaneEngine<S>) {
    engine.onReport((report) => {
      this.reports.push(report);
      for (const check of this.#waiting) check();
    });
  }

  static async start<S extends Spec>(
    driver: Driver<S>,
    owners: readonly string[] = ['network'],
    hopHealth?: HopHealth,
  ): Promise<EngineProbe<S>> {
    const engine = createEngine({
      driver,
      owners,
      clock: systemClock,
      random: systemRandom,
      ...(hopHealth && { hopHealth }),
    });
    const probe = new EngineProbe(engine);
    await engine.start();
    return probe;
  }

  /** Resolves with the first report from `from` on that satisfies; rejects with the last ones after a deadline. */
  until(
    satisfied: (report: DocumentReport) => boolean,
    from = this.reports.length,
    deadlineMilliseconds = 10_000,
  ): Promise<DocumentReport> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
      };
      const check = (): void => {
        const found = this.reports.slice(from).find(satisfied);
        if (found === undefined) return;
        finish();
        resolve(found);
      };
      const timer = setTimeout(() => {
        finish();
        const last = this.reports.slice(-2).map(({ version, problems }) => ({ version, problems }));
        const text = JSON.stringify(last, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
        reject(new Error(`no such report; the last were ${text}`));
      }, deadlineMilliseconds);
      this.#waiting.add(check);
      check();
    });
  }

  /** Submits and waits until that version is reported with nothing under way any more. */
  async apply(update: DocumentUpdate): Promise<DocumentReport> {
    const from = this.reports.length;
    this.engine.submit(update);
    const report = await this.until(
      ({ owner, version, problems }) =>
        owner === update.owner &&
        version.sequence === update.version.sequence &&
        !problems.some(({ isUnderWay }) => isUnderWay),
      from,
    );
    await this.engine.settled();
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
  }
}
