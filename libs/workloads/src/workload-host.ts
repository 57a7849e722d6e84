import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type Clock, err, type Random, type Result } from '@outboard/core';
import type { AccelerationSessions } from './acceleration-sessions.js';
import { removeEmptyGroup } from './container/cgroups.js';
import type { ContainerRuntime } from './container/container-runtime.js';
import type { JsonObject } from './json.js';
import type { LogPage } from './log-file.js';
import type { WorkloadNetwork } from './network/workload-network.js';
import type { PortHealth, WorkloadSummary } from './summary.js';
import { KeptWorkload } from './supervision/kept-workload.js';
import type { WantedConfiguration, WantedWorkload } from './workload.js';

export interface WorkloadHostOptions {
  /** Of this host alone; what is in it survives restarts. */
  readonly directory: string;
  /** Below it every container has a group of its own. */
  readonly cgroupParent: string;
  /** More directories of this machine that workloads without an image see, read only. */
  readonly programDirectories: readonly string[];
  /** Variables that every workload has. */
  readonly environment: Readonly<Record<string, string>>;
  readonly runtime: ContainerRuntime;
  readonly network: Pick<WorkloadNetwork, 'plug' | 'unplug' | 'list'>;
  readonly sessions: AccelerationSessions;
  readonly clock: Clock;
  readonly random: Random;
}

/** The workloads of a machine: kept as they are wanted, found again after a restart, and nothing left of those that go. */
export class WorkloadHost implements AsyncDisposable {
  readonly #kept = new Map<string, KeptWorkload>();
  readonly #configurations = new Map<string, WantedConfiguration>();
  readonly #listeners = new Set<(uid: string) => void>();
  readonly #healthListeners = new Set<(health: PortHealth) => void>();
  readonly #end = new AbortController();

  constructor(private readonly options: WorkloadHostOptions) {}

  /** Undefined: it shall not be here. */
  want(uid: string, wanted: WantedWorkload | undefined): void {
    if (wanted === undefined) this.#kept.get(uid)?.want(undefined);
    else this.#keep(uid).want(wanted);
  }

  /** Undefined: nothing is wanted any more; the CNF keeps what it was given. */
  configure(uid: string, wanted: WantedConfiguration | undefined): void {
    const before = this.#configurations.get(uid);
    if (wanted === undefined) this.#configurations.delete(uid);
    else this.#configurations.set(uid, wanted);
    for (const workloadUid of new Set([before?.workloadUid, wanted?.workloadUid]))
      if (workloadUid !== undefined)
        this.#kept.get(workloadUid)?.configure(this.#configurationsOf(workloadUid));
  }

  /**
   * Takes away what a former run has left of workloads that nobody wants: containers, namespaces, directories. To be
   * called when everything that is wanted is known.
   */
  async prune(): Promise<void> {
    const { runtime, network, directory } = this.options;
    const found = new Set<string>();
    for (const { id } of await runtime.list().catch(() => [])) found.add(id);
    for (const uid of await network.list()) found.add(uid);
    for (const name of await readdir(this.#workloads).catch(() => [])) found.add(name);
    for (const uid of found) {
      if (this.#kept.has(uid)) continue;
      await runtime.remove(uid);
      await network.unplug(uid);
      await rm(join(directory, 'workloads', uid), { recursive: true, force: true });
    }
    removeEmptyGroup(this.options.cgroupParent);
  }

  /** Uids of the workloads that are here. */
  get uids(): readonly string[] {
    return [...this.#kept.keys()];
  }

  summary(uid: string): WorkloadSummary | undefined {
    return this.#kept.get(uid)?.summary();
  }

  /** Told the uid of a workload of which something is different, also when it is gone. */
  onChange(listener: (uid: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Told as soon as it is known, and for every port that a workload has. */
  onPortHealth(listener: (health: PortHealth) => void): Disposable {
    this.#healthListeners.add(listener);
    return { [Symbol.dispose]: () => this.#healthListeners.delete(listener) };
  }

  /** Throws AppError NOT_FOUND or INVALID_ARGUMENT. */
  async log(uid: string, from: { cursor: string; tail: number; waitMilliseconds: number }): Promise<LogPage> {
    const { log } = this.#found(uid);
    if (from.cursor === '') return log.tail(from.tail);
    return log.since(from.cursor, from.waitMilliseconds, this.#end.signal);
  }

  async call(
    uid: string,
    interfaceName: string,
    method: string,
    body: Uint8Array,
  ): Promise<Result<Uint8Array, AppError>> {
    const kept = this.#kept.get(uid);
    const found = kept?.interface(interfaceName);
    if (found === undefined) return err(notServed(kept, interfaceName));
    return found.client.call(found.description, method, body);
  }

  /** Whether the CNF would take the configuration: undefined, or what it says against it. */
  async tryConfiguration(
    uid: string,
    interfaceName: string,
    configuration: JsonObject,
  ): Promise<AppError | undefined> {
    const kept = this.#kept.get(uid);
    const found = kept?.interface(interfaceName);
    if (found === undefined) return notServed(kept, interfaceName);
    return found.client.configure(found.description, configuration, true);
  }

  /** Resolves when nothing is being done. */
  async idle(): Promise<void> {
    for (const kept of this.#kept.values()) await kept.idle();
  }

  /** Workloads go on running. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all([...this.#kept.values()].map((kept) => kept[Symbol.asyncDispose]()));
  }

  get #workloads(): string {
    return join(this.options.directory, 'workloads');
  }

  #keep(uid: string): KeptWorkload {
    const known = this.#kept.get(uid);
    if (known !== undefined) return known;
    const kept = new KeptWorkload(uid, {
      ...this.options,
      directory: join(this.#workloads, uid),
      imageCache: join(this.options.directory, 'images'),
      onChange: () => this.#changed(uid),
      onPortHealth: (health) => {
        for (const listener of this.#healthListeners) listener(health);
      },
    });
    kept.configure(this.#configurationsOf(uid));
    this.#kept.set(uid, kept);
    return kept;
  }

  #changed(uid: string): void {
    const kept = this.#kept.get(uid);
    if (kept?.isGone) {
      this.#kept.delete(uid);
      void kept[Symbol.asyncDispose]();
    }
    for (const listener of this.#listeners) listener(uid);
  }

  #configurationsOf(workloadUid: string): WantedConfiguration[] {
    return [...this.#configurations.values()].filter((each) => each.workloadUid === workloadUid);
  }

  #found(uid: string): KeptWorkload {
    const kept = this.#kept.get(uid);
    if (kept !== undefined) return kept;
    throw new AppError('NOT_FOUND', `workload ${uid} is not on this DPU`, { reason: 'UNKNOWN_WORKLOAD' });
  }
}

function notServed(kept: KeptWorkload | undefined, interfaceName: string): AppError {
  if (kept === undefined)
    return new AppError('NOT_FOUND', 'the workload is not on this DPU', { reason: 'UNKNOWN_WORKLOAD' });
  const { state, message } = kept.summary();
  if (state !== 'RUNNING')
    return new AppError(
      'UNAVAILABLE',
      `${kept.name} does not run: it is ${state}${message && `: ${message}`}`,
      {
        reason: 'CNF_NOT_RUNNING',
      },
    );
  const { interfaceProblem } = kept.summary();
  const why = interfaceProblem === '' ? '' : `: ${interfaceProblem}`;
  return new AppError('NOT_FOUND', `${kept.name} does not publish ${interfaceName}${why}`, {
    reason: 'UNKNOWN_INTERFACE',
  });
}
