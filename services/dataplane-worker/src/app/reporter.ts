import type { Bus } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import type { DataplaneEngine, DocumentReport } from '@outboard/dataplane';
import { AcknowledgedSender, type AcknowledgedSenderPorts } from './acknowledged-sender.js';
import { encodeReport } from './wire.js';

export interface ReporterPorts extends AcknowledgedSenderPorts {
  readonly dpu: string;
  readonly incarnation: string;
  readonly engine: Pick<DataplaneEngine, 'onReport'>;
}

interface Channel {
  readonly sender: AcknowledgedSender;
  /** Repairs that no acknowledged report has told about, and how many the last one that was sent tells about. */
  repaired: number;
  told: number;
}

/** Tells each owner what of its document is applied and read back: the newest report of each, until it is heard. */
export class Reporter implements Disposable {
  readonly #channels = new Map<string, Channel>();
  readonly #listening: Disposable;

  constructor(
    owners: readonly string[],
    private readonly ports: ReporterPorts,
  ) {
    for (const owner of owners) {
      const sender = new AcknowledgedSender(subjects.dpu(ports.dpu, 'observed', owner), ports);
      this.#channels.set(owner, { sender, repaired: 0, told: 0 });
    }
    this.#listening = ports.engine.onReport((report) => this.#report(report));
  }

  connected(bus: Bus): void {
    for (const { sender } of this.#channels.values()) sender.connected(bus);
  }

  /** Resolves when every report was acknowledged. */
  async idle(): Promise<void> {
    await Promise.all([...this.#channels.values()].map(({ sender }) => sender.idle()));
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    for (const { sender } of this.#channels.values()) sender[Symbol.dispose]();
  }

  #report(report: DocumentReport): void {
    const channel = this.#channels.get(report.owner);
    // The empty document of an owner that does not know this DPU has no version that it could be told about.
    if (channel === undefined || report.version.epoch === '') return;
    channel.repaired += report.repaired;
    channel.sender.send({
      encode: () => {
        channel.told = channel.repaired;
        return encodeReport(this.ports.incarnation, { ...report, repaired: channel.told });
      },
      acknowledged: () => {
        channel.repaired -= channel.told;
      },
    });
  }
}
