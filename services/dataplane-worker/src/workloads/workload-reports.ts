import type { Bus } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import type { WorkloadHost } from '@outboard/workloads';
import { AcknowledgedSender, type AcknowledgedSenderPorts } from '../app/acknowledged-sender.js';
import { encodeWorkloadReport } from './wire.js';

export interface WorkloadReportsPorts extends AcknowledgedSenderPorts {
  readonly dpu: string;
  readonly incarnation: string;
  readonly host: Pick<WorkloadHost, 'summary' | 'onChange'>;
}

/** Tells admin what became of each workload: the newest of each, until it is heard. */
export class WorkloadReports implements Disposable {
  readonly #senders = new Map<string, AcknowledgedSender>();
  readonly #listening: Disposable;
  #bus: Bus | undefined;

  constructor(private readonly ports: WorkloadReportsPorts) {
    this.#listening = ports.host.onChange((uid) => this.#report(uid));
  }

  connected(bus: Bus): void {
    this.#bus = bus;
    for (const sender of this.#senders.values()) sender.connected(bus);
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    for (const sender of this.#senders.values()) sender[Symbol.dispose]();
  }

  #report(uid: string): void {
    const { host, incarnation } = this.ports;
    if (host.summary(uid) === undefined) {
      this.#senders.get(uid)?.[Symbol.dispose]();
      this.#senders.delete(uid);
      return;
    }
    this.#senderOf(uid).send({
      // As it is when it is sent, not when it was noted.
      encode: () => {
        const summary = host.summary(uid);
        return summary === undefined ? new Uint8Array() : encodeWorkloadReport(incarnation, summary);
      },
    });
  }

  #senderOf(uid: string): AcknowledgedSender {
    const known = this.#senders.get(uid);
    if (known !== undefined) return known;
    const sender = new AcknowledgedSender(subjects.dpu(this.ports.dpu, 'workload', 'admin'), this.ports);
    if (this.#bus !== undefined) sender.connected(this.#bus);
    this.#senders.set(uid, sender);
    return sender;
  }
}
