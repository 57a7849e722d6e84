import type { DocumentChange, DocumentReport, KeptDocuments } from '@outboard/document-owner/documents';
import type { EndingWorkload, Name } from '@outboard/model';
import { WORKLOAD_KEYS, workloadKeyOf } from './objects.js';

/** A worker says under this key that it does not know yet what a former run has left. */
const LEFTOVERS_KEY = 'workloads';

/**
 * Which of the workloads that were taken from a DPU have ended: what its worker has applied and read back of a document
 * without them, and does not tell to be under way.
 */
export class WorkloadEndings {
  /** Sequence in which each DPU's document lost a workload last. */
  readonly #since = new Map<Name, number>();
  #loaded = 0;

  constructor(private readonly documents: Pick<KeptDocuments, 'isPending'>) {}

  /** Documents are as of this revision what they are. */
  load(revision: number): void {
    this.#since.clear();
    this.#loaded = revision;
  }

  /** The documents have changed so: what workers are asked for from then on. */
  asked(changes: readonly DocumentChange[]): void {
    for (const { dpu, sequence, deletes } of changes)
      if (deletes.some((key) => key.startsWith(WORKLOAD_KEYS))) this.#since.set(dpu, sequence);
  }

  /** Those of these that have not ended, as far as a report of their DPU tells. */
  after(report: DocumentReport, ending: readonly EndingWorkload[]): readonly EndingWorkload[] {
    const { dpu, sequence, problems, problemTotal } = report;
    // What was applied before they were taken away says nothing of them, nor does a list that was cut.
    if (this.documents.isPending(dpu) || sequence < (this.#since.get(dpu) ?? this.#loaded)) return ending;
    if (problemTotal > problems.length) return ending;
    const told = new Set(problems.map(({ key }) => key));
    return told.has(LEFTOVERS_KEY) ? ending : ending.filter(({ uid }) => told.has(workloadKeyOf(uid)));
  }
}
