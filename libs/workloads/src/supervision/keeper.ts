import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type Clock, type Random } from '@outboard/core';
import type { AccelerationSessions } from '../acceleration-sessions.js';
import { removeEmptyGroup } from '../container/cgroups.js';
import type { ContainerExit, ContainerRuntime } from '../container/container-runtime.js';
import { makeBundle } from '../container/make-bundle.js';
import { reopenLog } from '../container/oci-runtime.js';
import { WorkloadLog } from '../log-file.js';
import type { WorkloadNetwork } from '../network/workload-network.js';
import type { Isolation, WantedWorkload, WorkloadView } from '../workload.js';
import { HeldSessions } from './held-sessions.js';
import { readRecord, writeRecord } from './record-file.js';
import {
  afterEnd,
  isCrashLoop,
  isFinished,
  NEW_RECORD,
  nextStart,
  terminationOf,
  type WorkloadRecord,
} from './restart.js';

const LOG_CHECK_MILLISECONDS = 5_000;
const LAST_LINES = 5;
const MAX_MESSAGE = 1024;
/** Before what this machine could not do is tried again. */
const RETRY_MILLISECONDS = 2_000;

export interface KeeperPorts {
  /** Of this workload alone. */
  readonly directory: string;
  readonly imageCache: string;
  readonly cgroupParent: string;
  readonly programDirectories: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly runtime: ContainerRuntime;
  readonly network: Pick<WorkloadNetwork, 'plug' | 'unplug'>;
  readonly sessions: AccelerationSessions;
  readonly clock: Clock;
  readonly random: Random;
  /** Something about it is different. */
  readonly onChange: () => void;
  /** Its program runs, or does not any more. */
  readonly onRunning: (running: boolean) => void;
}

/**
 * Keeps one workload as it is wanted: its network, its container, started again by its policy. Whatever happens only
 * makes it look again; one step at a time.
 */
export class WorkloadKeeper {
  readonly log: WorkloadLog;
  readonly #sessions: HeldSessions;
  /** Those who serve its sessions know that it runs. */
  #holdsSessions = false;
  #wanted: WantedWorkload | undefined;
  #record: WorkloadRecord = NEW_RECORD;
  #loaded = false;
  #problem = '';
  #isolation: Isolation | undefined;
  #watch: AbortController | undefined;
  #exit: ContainerExit | undefined;
  #unhealthy: string | undefined;
  #dirty = false;
  #running: Promise<void> | undefined;
  #timer: Disposable | undefined;
  #logTimer: Disposable | undefined;
  #gone = false;
  #closed = false;

  constructor(
    readonly uid: string,
    private readonly ports: KeeperPorts,
  ) {
    this.log = new WorkloadLog(join(ports.directory, 'log'), ports.clock);
    this.#sessions = new HeldSessions(uid, { ...ports, directory: join(ports.directory, 'tokens') });
  }

  get sharedDirectory(): string {
    return join(this.ports.directory, 'shared');
  }

  get wanted(): WantedWorkload | undefined {
    return this.#wanted;
  }

  /** Nobody wants it, and nothing is left of it. */
  get isGone(): boolean {
    return this.#gone;
  }

  get isRunning(): boolean {
    return this.#watch !== undefined && this.#record.state === 'RUNNING';
  }

  view(): WorkloadView {
    const { state, since, restarts, lastTermination } = this.#record;
    return {
      uid: this.uid,
      generation: this.#wanted?.generation ?? 0,
      state,
      ready: this.isRunning,
      message: this.#problem,
      since,
      restarts,
      lastTermination,
      isolation: this.#isolation,
    };
  }

  get isCrashLoop(): boolean {
    return isCrashLoop(this.#record);
  }

  /** Undefined: it shall not be here. */
  want(wanted: WantedWorkload | undefined): void {
    this.#wanted = wanted;
    if (wanted !== undefined) this.#gone = false;
    this.#look();
  }

  /** Ends its program, so that it is started again by its policy. */
  restartAs(unhealthy: string): void {
    this.#unhealthy = unhealthy;
    void this.ports.runtime.signal(this.uid, 'SIGKILL').catch(() => {});
  }

  /** Resolves when nothing is being done about it. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Its program goes on; nobody here looks after it any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#logTimer?.[Symbol.dispose]();
    this.#watch?.abort();
    await this.#running;
  }

  #look(): void {
    this.#dirty = true;
    if (this.#running !== undefined || this.#closed) return;
    this.#running = this.#work().finally(() => {
      this.#running = undefined;
      if (this.#dirty && !this.#closed) this.#look();
    });
  }

  #lookAfter(milliseconds: number): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.ports.clock.schedule(Math.max(0, milliseconds), () => this.#look());
  }

  async #work(): Promise<void> {
    while (this.#dirty && !this.#closed) {
      this.#dirty = false;
      try {
        await this.#settle();
      } catch (failure) {
        this.#tell(AppError.from(failure).message);
        this.#lookAfter(RETRY_MILLISECONDS);
      }
    }
  }

  async #settle(): Promise<void> {
    if (!this.#loaded) await this.#load();
    if (this.#exit !== undefined) await this.#takeEnd(this.#exit);
    const wanted = this.#wanted;
    if (wanted === undefined) return this.#removeAll();
    const digest = digestOf(wanted);
    if (this.#watch !== undefined) {
      if (digest === this.#record.digest) return this.#keep(wanted);
      await this.#stop(wanted.terminationGraceSeconds);
      await this.#write({ ...this.#record, state: 'STARTING', since: this.ports.clock.now(), quickEnds: 0 });
    } else if (digest === this.#record.digest) {
      if (isFinished(this.#record)) return;
      const pause = this.#record.state === 'BACKOFF' ? nextStart(this.#record) - this.ports.clock.now() : 0;
      if (pause > 0) return this.#lookAfter(pause);
    }
    const missing = this.#sessions.missing(wanted);
    if (missing.length === 0) return this.#start(wanted, digest);
    this.#tell(`waits for acceleration sessions that are not served on this DPU: ${missing.join(', ')}`);
    this.#lookAfter(RETRY_MILLISECONDS);
  }

  /** Finds what a former run has left running. */
  async #load(): Promise<void> {
    const { runtime, directory } = this.ports;
    this.#record = await readRecord(join(directory, 'record.json'));
    const found = (await runtime.list()).find(({ id }) => id === this.uid);
    this.#loaded = true;
    if (this.#record.digest === '' || isFinished(this.#record) || found === undefined) return;
    this.#isolation = (await runtime.probe()).isolation;
    // One that has ended meanwhile is told by the watch.
    if (this.#record.state !== 'BACKOFF') this.#watchEnd();
  }

  /** What it has runs: only its network may have to change. */
  async #keep(wanted: WantedWorkload): Promise<void> {
    if (!this.#holdsSessions) await this.#sessions.resume(wanted);
    this.#holdsSessions = true;
    await this.ports.network.plug(this.uid, wanted.interfaces);
    if (this.#record.state !== 'RUNNING')
      await this.#write({ ...this.#record, state: 'RUNNING', since: this.ports.clock.now() });
    this.#tell('');
  }

  async #start(wanted: WantedWorkload, digest: string): Promise<void> {
    const { clock, runtime, network } = this.ports;
    const isAgain = this.#record.digest === digest && this.#record.startedAt > 0;
    try {
      const { isolation, limits } = await runtime.probe();
      this.#isolation = isolation;
      await network.plug(this.uid, wanted.interfaces);
      this.#lastGrace = wanted.terminationGraceSeconds;
      const { sharedDirectory } = this;
      const sessions = await this.#sessions.open(wanted);
      this.#holdsSessions = true;
      const options = { ...this.ports, uid: this.uid, sharedDirectory, sessions, limits };
      const bundle = await makeBundle(wanted, options);
      const restarts = this.#record.restarts + (isAgain ? 1 : 0);
      const record = { ...this.#record, digest, restarts, startedAt: clock.now() };
      // Before it is started, so that whatever interrupts us knows what it finds.
      await this.#write({ ...record, state: 'STARTING', since: clock.now() });
      await runtime.start({ id: this.uid, bundle, logFile: this.log.path });
      await this.#write({ ...record, state: 'RUNNING', since: clock.now() });
      this.#watchEnd();
      this.#tell('');
    } catch (failure) {
      const { message } = AppError.from(failure);
      const time = clock.now();
      const termination = { reason: 'CANNOT_START', exitCode: undefined, signal: '', message, time } as const;
      const started = { ...this.#record, digest, startedAt: this.#record.startedAt || time };
      await this.#write(afterEnd(started, termination, wanted.restartPolicy));
      this.#tell(message);
      this.#lookAfter(nextStart(this.#record) - clock.now());
    }
  }

  #watchEnd(): void {
    const watch = new AbortController();
    this.#watch = watch;
    this.#exit = undefined;
    this.#unhealthy = undefined;
    this.#checkLog();
    this.ports.onRunning(true);
    this.#awaitEnd(watch);
  }

  #awaitEnd(watch: AbortController): void {
    const { runtime, clock } = this.ports;
    runtime.ended(this.uid, watch.signal).then(
      (exit) => {
        if (this.#watch !== watch) return;
        this.#exit = exit;
        // Whoever depends on it is told at once, before anything is done about it.
        this.ports.onRunning(false);
        this.#look();
      },
      // Whatever this machine could not do just now: its end must not be missed for that.
      () => {
        if (!watch.signal.aborted)
          clock.delay(RETRY_MILLISECONDS, watch.signal).then(
            () => this.#awaitEnd(watch),
            () => {},
          );
      },
    );
  }

  async #takeEnd(exit: ContainerExit): Promise<void> {
    const { clock, runtime } = this.ports;
    const unhealthy = this.#unhealthy;
    this.#unwatch();
    const { lines } = await this.log.tail(LAST_LINES);
    const message = lines
      .map(({ text }) => text)
      .join('\n')
      .slice(-MAX_MESSAGE);
    const termination = terminationOf(exit, { time: clock.now(), message, unhealthy });
    await runtime.remove(this.uid);
    const policy = this.#wanted?.restartPolicy ?? 'NEVER';
    await this.#write(afterEnd(this.#record, termination, policy));
    this.#tell(this.isCrashLoop ? `ended ${this.#record.quickEnds} times in a row soon after its start` : '');
  }

  #unwatch(): void {
    this.#watch?.abort();
    this.#watch = undefined;
    this.#exit = undefined;
    this.#unhealthy = undefined;
    this.#logTimer?.[Symbol.dispose]();
  }

  async #stop(graceSeconds: number): Promise<void> {
    const { runtime, clock } = this.ports;
    await this.#write({ ...this.#record, state: 'STOPPING', since: clock.now() });
    this.ports.onRunning(false);
    this.ports.onChange();
    const watch = new AbortController();
    const ended = runtime.ended(this.uid, watch.signal).catch(() => {});
    await runtime.signal(this.uid, 'SIGTERM');
    await Promise.race([ended, clock.delay(graceSeconds * 1000, watch.signal)]);
    watch.abort();
    this.#unwatch();
    await runtime.remove(this.uid);
  }

  async #removeAll(): Promise<void> {
    const { runtime, network, directory, cgroupParent } = this.ports;
    if (this.#watch !== undefined) await this.#stop(this.#lastGrace);
    await runtime.remove(this.uid);
    await this.#sessions.close();
    await network.unplug(this.uid);
    await rm(directory, { recursive: true, force: true });
    removeEmptyGroup(cgroupParent);
    this.#record = NEW_RECORD;
    // Somebody may want it again by now: then it begins anew.
    this.#gone = this.#wanted === undefined;
    this.ports.onChange();
  }

  /** Of one that nobody wants any more, as it said when it was wanted. */
  #lastGrace = 10;

  #checkLog(): void {
    this.#logTimer?.[Symbol.dispose]();
    this.#logTimer = this.ports.clock.schedule(LOG_CHECK_MILLISECONDS, () => {
      void this.log
        .rotate()
        .then((rotated) => (rotated ? reopenLog(join(this.ports.directory, 'bundle')) : undefined))
        .catch(() => {})
        .then(() => {
          if (this.#watch !== undefined && !this.#closed) this.#checkLog();
        });
    });
  }

  async #write(record: WorkloadRecord): Promise<void> {
    this.#record = record;
    await writeRecord(join(this.ports.directory, 'record.json'), record);
  }

  #tell(problem: string): void {
    this.#problem = problem;
    this.ports.onChange();
  }
}

/** Of all that its program is started with. Interfaces are changed while it runs. */
function digestOf({ generation: _, interfaces: __, ...rest }: WantedWorkload): string {
  return createHash('sha256').update(JSON.stringify(rest, sorted)).digest('hex');
}

const sorted = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
    : value;
