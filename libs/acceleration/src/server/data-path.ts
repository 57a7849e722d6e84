import { join } from 'node:path';
import { AppError, type Clock } from '@outboard/core';
import type { LaneName } from '../engine/algorithms.js';
import type { BreakerChange } from '../engine/engine-unit.js';
import type { Fault } from '../engine/fault.js';
import type { GeneratedVersion, KeyStore } from '../keys/key-store.js';
import type { KeyOffer } from '../keys/thread-keys.js';
import type { WantedKey } from '../keys/wanted-key.js';
import type { SessionGrant } from '../lane/grant.js';
import { sharedMonotonic } from '../monotonic.js';
import { laneOfProgram } from '../program/program.js';
import { type DataPathActivity, sumActivity } from './activity.js';
import { type FaultActivity, FaultBoard } from './fault-board.js';
import { LaneWorker } from './lane-worker.js';
import { describeSession, SessionDirectory, socketName } from './session-directory.js';

const LANES: readonly LaneName[] = ['LIGHT', 'HEAVY'];
/** Before a thread that failed is started again. */
const RESTART_MILLISECONDS = 1000;
/** For how long, at least, a thread is asked to let a session go. */
const REVOKE_MILLISECONDS = 1000;
/** Within which a thread tells what it has done, milliseconds; one that does not stands still. */
const ACTIVITY_MILLISECONDS = 1000;

export interface DataPathPorts {
  /** Each session has a directory of its name in it. The path with all its names must fit a socket's address: 107 bytes. */
  readonly directory: string;
  /** Threads of each lane. */
  readonly threads: Readonly<Record<LaneName, number>>;
  readonly keys: KeyStore;
  readonly clock: Clock;
  /** A thread that failed is started again; its connections are closed. */
  readonly onFailure: (failure: Error) => void;
  /** An engine of a thread is skipped from now on, or used again. */
  readonly onBreaker?: (change: BreakerChange) => void;
}

interface Thread {
  readonly lane: LaneName;
  readonly index: number;
  worker: LaneWorker;
}

/**
 * The data path of a worker: threads that serve sessions on sockets. Threads are started with the first session. Each
 * method may be called again with the same: nothing changes then.
 */
export class DataPath implements AsyncDisposable {
  readonly #grants = new Map<string, SessionGrant>();
  /** Lanes that a session has, or had, a program in: only they listen for it. */
  readonly #lanes = new Map<string, Set<LaneName>>();
  readonly #faults = new FaultBoard();
  /** Milliseconds of CLOCK_MONOTONIC. */
  #leaseEnd = Number.NEGATIVE_INFINITY;
  #threads: Thread[] = [];
  #closed = false;

  private constructor(
    private readonly ports: DataPathPorts,
    /** Sessions of former runs whose directories are still there. */
    private former: readonly string[],
  ) {}

  /** Removes the sockets that a former run has left: nobody serves them. */
  static async open(ports: DataPathPorts): Promise<DataPath> {
    return new DataPath(ports, await SessionDirectory.emptyLeftovers(ports.directory));
  }

  /** Removes the directories of former sessions that are not served. To be called when all that are wanted are known. */
  async removeUnused(): Promise<void> {
    const unused = this.former.filter((uid) => !this.#grants.has(uid));
    this.former = [];
    for (const uid of unused) await new SessionDirectory(this.ports.directory, uid).removeEmpty();
  }

  /** Where a session's sockets are. */
  directoryOf(sessionUid: string): string {
    return new SessionDirectory(this.ports.directory, sessionUid).path;
  }

  /**
   * Serves a session, or has it as it is now. Resolves when applications can connect. Where a token is worth nothing any
   * more, or another user is let in, nobody stays connected who could not connect.
   */
  async grant(grant: SessionGrant): Promise<void> {
    this.#start();
    this.#grants.set(grant.sessionUid, grant);
    const directory = new SessionDirectory(this.ports.directory, grant.sessionUid);
    await directory.create();
    const lanes = this.#lanes.get(grant.sessionUid) ?? new Set();
    this.#lanes.set(grant.sessionUid, lanes);
    for (const program of grant.programs) lanes.add(laneOfProgram(program));
    const threads = this.#threads.filter(({ lane }) => lanes.has(lane));
    await Promise.all(threads.map((thread) => this.#grantOn(thread, grant, directory)));
    await directory.describe(describeSession(grant, this.ports.threads, lanes));
  }

  /** Sends everybody away; resolves when the sockets are gone. */
  async revoke(sessionUid: string): Promise<void> {
    if (!this.#grants.delete(sessionUid)) return;
    this.#lanes.delete(sessionUid);
    // One that says nothing serves it no longer than its lease: a later one is told it after this.
    const left = this.#leaseEnd - sharedMonotonic();
    const patience = left === Number.POSITIVE_INFINITY ? undefined : Math.max(left, REVOKE_MILLISECONDS);
    await this.#everywhere(({ worker }) => worker.request({ kind: 'revoke', sessionUid }, patience));
    await new SessionDirectory(this.ports.directory, sessionUid).remove();
  }

  /**
   * Sessions are served until then, milliseconds of the clock's monotonic time, and not without: nobody is let in any more
   * when that is over, and everybody is sent away (UNAVAILABLE). It never makes a lease shorter.
   */
  async renewLease(end: number): Promise<void> {
    // In this order: a process that is stopped between the two has less time, not more.
    const now = sharedMonotonic();
    this.#leaseEnd = Math.max(this.#leaseEnd, now + (end - this.ports.clock.monotonic()));
    await this.#tellLease();
  }

  /** Has a key as it is wanted. INVALID_ARGUMENT with the versions that cannot be used; the others can. */
  async applyKey(wanted: WantedKey): Promise<void> {
    const { offer, problem, settle } = await this.ports.keys.apply(wanted);
    await this.#offer(offer).finally(settle);
    if (problem !== undefined) throw problem;
  }

  /** The key is zeroed when this returns; resolves when the threads have wiped what they made of it. */
  async removeKey(keyUid: string): Promise<void> {
    await this.#offer(await this.ports.keys.remove(keyUid));
  }

  /** The secrets that were made here and are in use. */
  generatedKeys(): readonly GeneratedVersion[] {
    return this.ports.keys.generated();
  }

  /** What the threads have done since they began. */
  async activity(): Promise<DataPathActivity> {
    const threads = await Promise.all(
      this.#threads.map(async ({ lane, index, worker }) => ({
        lane,
        index,
        activity: await worker.request({ kind: 'activity' }, ACTIVITY_MILLISECONDS).catch(() => undefined),
      })),
    );
    return { ...sumActivity(threads), faults: this.#faults.activity };
  }

  /** Has jobs go wrong from now on. Resolves when all threads that answer know it. */
  async inject(wanted: Omit<Fault, 'id'>): Promise<Fault> {
    const fault = this.#faults.inject(wanted);
    await this.#tellFaults();
    return fault;
  }

  /** Takes a fault away, or all; what hangs by it goes on. */
  async clearFaults(id?: string): Promise<void> {
    this.#faults.clear(id);
    await this.#tellFaults();
  }

  faults(): readonly FaultActivity[] {
    return this.#faults.activity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#faults.clear();
    const threads = this.#threads;
    this.#threads = [];
    await Promise.all(threads.map(({ worker }) => worker[Symbol.asyncDispose]()));
    await Promise.all(
      [...this.#grants.keys()].map((uid) => new SessionDirectory(this.ports.directory, uid).empty()),
    );
  }

  #start(): void {
    if (this.#closed) throw new AppError('UNAVAILABLE', 'the data path is closed');
    if (this.#threads.length > 0) return;
    this.#threads = LANES.flatMap((lane) =>
      Array.from({ length: this.ports.threads[lane] }, (_, index) => {
        const thread: Thread = { lane, index, worker: this.#startWorker(lane, () => thread) };
        return thread;
      }),
    );
    for (const offer of this.ports.keys.offers()) void this.#offer(offer).catch(this.ports.onFailure);
    void this.#tellFaults().catch(this.ports.onFailure);
    void this.#tellLease().catch(this.ports.onFailure);
  }

  #startWorker(lane: LaneName, thread: () => Thread): LaneWorker {
    return new LaneWorker({
      lane,
      clock: this.ports.clock,
      onBreaker: (change) => this.ports.onBreaker?.(change),
      onRefill: (keyUid, version) => {
        this.ports.keys.refill(keyUid, version).catch(this.ports.onFailure);
      },
      onFailure: (failure) => {
        this.ports.onFailure(failure);
        this.ports.clock.schedule(RESTART_MILLISECONDS, () => {
          this.#restart(thread()).catch(this.ports.onFailure);
        });
      },
    });
  }

  async #restart(thread: Thread): Promise<void> {
    if (this.#closed) return;
    thread.worker = this.#startWorker(thread.lane, () => thread);
    for (const offer of this.ports.keys.offers()) await thread.worker.request({ kind: 'offer', offer });
    await thread.worker.request({ kind: 'faults', faults: this.#faults.offers });
    await thread.worker.request({ kind: 'lease', end: this.#leaseEnd });
    for (const grant of this.#grants.values()) {
      if (this.#lanes.get(grant.sessionUid)?.has(thread.lane))
        await this.#grantOn(thread, grant, new SessionDirectory(this.ports.directory, grant.sessionUid));
    }
  }

  async #grantOn(
    { lane, index, worker }: Thread,
    grant: SessionGrant,
    directory: SessionDirectory,
  ): Promise<void> {
    const name = socketName(lane, index);
    await worker.request({ kind: 'grant', grant, path: join(directory.path, name) });
    await directory.openSocket(name);
  }

  async #tellLease(): Promise<void> {
    const end = this.#leaseEnd;
    await this.#everywhere(({ worker }) => worker.request({ kind: 'lease', end }));
  }

  async #tellFaults(): Promise<void> {
    const faults = this.#faults.offers;
    await this.#everywhere(({ worker }) => worker.request({ kind: 'faults', faults }));
  }

  async #offer(offer: KeyOffer): Promise<void> {
    await this.#everywhere(({ worker }) => worker.request({ kind: 'offer', offer }));
  }

  /** A thread that has just failed is told everything when it is started again. */
  async #everywhere(action: (thread: Thread) => Promise<unknown>): Promise<void> {
    await Promise.all(
      this.#threads.map((thread) =>
        action(thread).catch((failure: unknown) => {
          if (!(failure instanceof AppError && failure.code === 'UNAVAILABLE')) throw failure;
        }),
      ),
    );
  }
}
