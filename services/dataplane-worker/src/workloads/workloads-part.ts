import type { InfraWorkload, InterfaceConfiguration } from '@outboard/contracts';
import type { AppError } from '@outboard/core';
import type { ObjectProblem } from '@outboard/dataplane/contract';
import type { WorkloadHost } from '@outboard/workloads';
import type { AdminPart, WantedObject } from '../admin/admin-part.js';
import { configurationOf, workloadOf } from './wire.js';

/** The workloads of this DPU, as a part of the document of owner `admin`. What becomes of one is told by its own report. */
export class WorkloadsPart implements AdminPart<InfraWorkload> {
  #problems: readonly ObjectProblem[] = [];
  readonly #wanted = new Map<string, string>();
  #isPruned = false;

  constructor(
    private readonly host: Pick<WorkloadHost, 'want' | 'prune'>,
    private readonly onFailure: (failure: unknown) => void,
  ) {}

  want(objects: readonly WantedObject<InfraWorkload>[], isKnown: boolean): void {
    const before = new Map(this.#wanted);
    const problems: ObjectProblem[] = [];
    this.#wanted.clear();
    for (const { key, source, value } of objects) {
      const workload = workloadOf(value);
      if (!workload.ok) {
        problems.push({ key, source, state: 'UNSUPPORTED', message: messageOf(workload.error) });
        continue;
      }
      this.#wanted.set(key, workload.value.uid);
      before.delete(key);
      this.host.want(workload.value.uid, workload.value);
    }
    for (const uid of before.values()) this.host.want(uid, undefined);
    this.#problems = problems;
    if (isKnown && !this.#isPruned) this.#prune();
  }

  problems(): readonly ObjectProblem[] {
    return this.#problems;
  }

  onChange(): void {}

  /** Once: what is not wanted when everything that is wanted is known for the first time was left by a former run. */
  #prune(): void {
    this.#isPruned = true;
    this.host.prune().catch((failure: unknown) => {
      this.#isPruned = false;
      this.onFailure(failure);
    });
  }
}

/** What the interfaces of workloads are to be configured as. What becomes of it is told by the workload's report. */
export class ConfigurationsPart implements AdminPart<InterfaceConfiguration> {
  readonly #wanted = new Set<string>();

  constructor(private readonly host: Pick<WorkloadHost, 'configure'>) {}

  want(objects: readonly WantedObject<InterfaceConfiguration>[]): void {
    const before = new Set(this.#wanted);
    this.#wanted.clear();
    for (const { value } of objects) {
      this.#wanted.add(value.uid);
      before.delete(value.uid);
      this.host.configure(value.uid, configurationOf(value));
    }
    for (const uid of before) this.host.configure(uid, undefined);
  }

  problems(): readonly ObjectProblem[] {
    return [];
  }

  onChange(): void {}
}

const messageOf = ({ violations }: AppError): string =>
  violations.map(({ field, description }) => `${field} ${description}`).join('; ');
