import type { DocumentReport, ReportedProblem } from '@outboard/document-owner/documents';
import type { Name } from '@outboard/model';

/** What a worker has made of an object. */
export type ObjectState = { readonly state: 'APPLYING' | 'APPLIED' } | ReportedProblem;

interface DpuConfirmations {
  /** By the object's key: the sequence that its worker has to confirm. */
  readonly awaited: Map<string, number>;
  problems: ReadonlyMap<string, ReportedProblem>;
}

const APPLYING = { state: 'APPLYING' } as const;
const APPLIED = { state: 'APPLIED' } as const;

/** What workers have confirmed of their documents since this process has started. */
export class Confirmations {
  readonly #dpus = new Map<Name, DpuConfirmations>();

  /** An object has changed in that sequence of the DPU's document; undefined: nothing of it has to be confirmed. */
  await(dpu: Name, key: string, sequence: number | undefined): void {
    if (sequence === undefined) this.#dpus.get(dpu)?.awaited.delete(key);
    else this.#of(dpu).awaited.set(key, sequence);
  }

  /** The sequence that has to be confirmed of an object. */
  awaited(dpu: Name, key: string): number | undefined {
    return this.#dpus.get(dpu)?.awaited.get(key);
  }

  stateOf(dpu: Name, key: string): ObjectState {
    const confirmations = this.#dpus.get(dpu);
    if (confirmations?.awaited.has(key)) return APPLYING;
    return confirmations?.problems.get(key) ?? APPLIED;
  }

  /** Takes over a report; keys of the objects whose state it may have changed. */
  report({ dpu, sequence, problems }: DocumentReport): ReadonlySet<string> {
    const confirmations = this.#of(dpu);
    const touched = new Set(confirmations.problems.keys());
    for (const [key, awaited] of confirmations.awaited) {
      if (awaited > sequence) continue;
      confirmations.awaited.delete(key);
      touched.add(key);
    }
    confirmations.problems = new Map(problems.map((problem) => [problem.key, problem]));
    for (const { key } of problems) touched.add(key);
    return touched;
  }

  #of(dpu: Name): DpuConfirmations {
    let found = this.#dpus.get(dpu);
    if (!found) {
      found = { awaited: new Map(), problems: new Map() };
      this.#dpus.set(dpu, found);
    }
    return found;
  }
}
