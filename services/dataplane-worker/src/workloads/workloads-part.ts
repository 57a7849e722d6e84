import type { InfraWorkload, InterfaceConfiguration } from '@outboard/contracts';
import type { AppError, Clock } from '@outboard/core';
import type { ObjectProblem, Source } from '@outboard/dataplane/contract';
import type { WorkloadHost } from '@outboard/workloads';
import type { AdminPart, WantedObject } from '../admin/admin-part.js';
import { configurationOf, workloadOf } from './wire.js';

const RETRY_MILLISECONDS = 2_000;

/**
 * The workloads of this DPU, as a part of the document of owner `admin`. What becomes of one is told by its own report; of
 * one that was taken away, that it has not ended yet.
 */
export class WorkloadsPart implements AdminPart<InfraWorkload>, Disposable {
  #problems: readonly ObjectProblem[] = [];
  readonly #wanted = new Map<string, Wanted>();
  /** By their uids. */
  readonly #ending = new Map<string, Wanted>();
  #leftovers: 'unknown' | 'beingRemoved' | 'removed' = 'unknown';
  #retry: Disposable | undefined;
  #listener: (repaired: number) => void = () => {};
  readonly #listening: Disposable;

  constructor(
    private readonly host: Pick<WorkloadHost, 'want' | 'prune' | 'summary' | 'onChange'>,
    private readonly clock: Clock,
    private readonly onFailure: (failure: unknown) => void,
  ) {
    this.#listening = host.onChange((uid) => {
      if (host.summary(uid) === undefined && this.#ending.delete(uid)) this.#listener(0);
    });
  }

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
      const { uid } = workload.value;
      this.#wanted.set(key, { key, source, uid });
      before.delete(key);
      this.#ending.delete(uid);
      this.host.want(uid, workload.value);
    }
    for (const gone of before.values()) this.#end(gone);
    this.#problems = problems;
    if (isKnown && this.#leftovers === 'unknown') this.#prune();
  }

  problems(): readonly ObjectProblem[] {
    const ending = [...this.#ending.values()].map(({ key, source }) => ({ key, source, ...ENDING }));
    return this.#leftovers === 'removed'
      ? [...this.#problems, ...ending]
      : [...this.#problems, ...ending, LEFTOVERS];
  }

  onChange(listener: (repaired: number) => void): void {
    this.#listener = listener;
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    this.#retry?.[Symbol.dispose]();
  }

  #end(wanted: Wanted): void {
    this.host.want(wanted.uid, undefined);
    if (this.host.summary(wanted.uid) !== undefined) this.#ending.set(wanted.uid, wanted);
  }

  /** Once: what is not wanted when everything that is wanted is known for the first time was left by a former run. */
  #prune(): void {
    this.#leftovers = 'beingRemoved';
    this.host.prune().then(
      () => {
        this.#leftovers = 'removed';
        this.#listener(0);
      },
      (failure: unknown) => {
        this.onFailure(failure);
        this.#retry = this.clock.schedule(RETRY_MILLISECONDS, () => this.#prune());
      },
    );
  }
}

interface Wanted {
  readonly key: string;
  readonly source: Source;
  readonly uid: string;
}

const ENDING = { state: 'PENDING', message: 'its program is being ended', isUnderWay: true } as const;
const LEFTOVERS: ObjectProblem = {
  key: 'workloads',
  source: { kind: '', tenant: '', name: '' },
  state: 'PENDING',
  message: 'what a former run has left is not removed yet',
  isUnderWay: true,
};

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
