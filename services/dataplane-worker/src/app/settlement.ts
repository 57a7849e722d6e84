import type { DataplaneEngine, DocumentReport, DocumentVersion } from '@outboard/dataplane';

export interface SettlementPorts {
  readonly engine: Pick<DataplaneEngine, 'onReport'>;
  /** It has become so. */
  readonly settled: () => void;
}

/**
 * Whether this DPU has what it shall have: every owner of the dataplane has said which version of its document is the
 * newest, and all of that was applied and read back but what was told as a problem. What comes later does not unsettle
 * it. A new connection does, as nobody knows what was missed, and an owner that does not know this DPU any more, as it
 * has taken all away.
 */
export class Settlement implements Disposable {
  readonly #listening: Disposable;
  readonly #reports = new Map<string, DocumentReport>();
  #isSettled = false;

  constructor(
    private readonly followers: readonly {
      readonly owner: string;
      readonly confirmed: DocumentVersion | undefined;
    }[],
    private readonly ports: SettlementPorts,
  ) {
    this.#listening = ports.engine.onReport((report) => {
      this.#reports.set(report.owner, report);
      this.look();
    });
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** The bus is reached anew. */
  connected(): void {
    this.#isSettled = false;
  }

  /** Something has changed that it depends on. */
  look(): void {
    if (this.followers.some(({ confirmed }) => confirmed === undefined)) this.#isSettled = false;
    if (this.#isSettled || !this.followers.every((follower) => this.#has(follower))) return;
    this.#isSettled = true;
    this.ports.settled();
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }

  #has({
    owner,
    confirmed,
  }: {
    readonly owner: string;
    readonly confirmed: DocumentVersion | undefined;
  }): boolean {
    const report = this.#reports.get(owner);
    return (
      confirmed !== undefined &&
      report?.version.epoch === confirmed.epoch &&
      report.version.sequence >= confirmed.sequence &&
      report.problems.every(({ isUnderWay }) => !isUnderWay)
    );
  }
}
