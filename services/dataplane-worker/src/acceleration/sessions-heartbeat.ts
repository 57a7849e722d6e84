import { create } from '@bufbuild/protobuf';
import type { DataPath, DataPathActivity, GeneratedVersion, SessionActivity } from '@outboard/acceleration';
import type { Bus } from '@outboard/bus';
import {
  decodeBinary,
  encodeBinary,
  SessionsHeartbeatRequestSchema,
  SessionsHeartbeatResponseSchema,
  subjects,
} from '@outboard/contracts';
import type { Clock } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { Beat } from '../app/beat.js';
import type { AccelerationEngine } from './acceleration-engine.js';
import { sessionActivity } from './activity-wire.js';
import { GeneratedKeys } from './generated-keys.js';

/** While there is no lease. */
const FIRST_INTERVAL_MILLISECONDS = 1_000;
const MINIMUM_INTERVAL_MILLISECONDS = 200;
const MAXIMUM_INTERVAL_MILLISECONDS = 5_000;
const DEADLINE_MILLISECONDS = 2_000;
/** Sessions, and keys, of one message. */
const MAXIMUM_TOLD = 1_000;
/** Heartbeats in a row at which a thread has stood still before that is more than a long job. */
const STALLED_BEATS = 3;

export interface SessionsHeartbeatPorts {
  readonly dpu: string;
  readonly incarnation: string;
  readonly dataPath: Pick<DataPath, 'activity' | 'renewLease' | 'generatedKeys'>;
  readonly served: Pick<AccelerationEngine, 'applied' | 'onReport'>;
  /** What is served may be too old for a lease. */
  readonly outdated: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Renews the lease of this DPU's sessions, three times within its length, and tells the broker which of them are used, and
 * what they did: those that have, or just had, a connection; and, until that is stored there, by what the keys that were
 * made here can be recognised. The lease is counted from the moment of asking: it never lasts longer here than where it
 * was granted.
 *
 * While a thread stands still nobody knows which sessions it has: those that were connected before count as connected
 * still.
 */
export class SessionsHeartbeat implements Disposable {
  readonly #beat: Beat;
  readonly #reports: Disposable;
  readonly #generatedKeys = new GeneratedKeys();
  #interval = FIRST_INTERVAL_MILLISECONDS;
  /** Monotonic milliseconds. */
  #leaseEnd = Number.NEGATIVE_INFINITY;
  /** Sessions that had a connection at the last beat: their end is told once. */
  #connected: ReadonlyMap<string, SessionActivity> = new Map();
  /** There are sessions, and nobody may use them. */
  #unleased: string | undefined;
  #still: string | undefined;
  #stillBeats = 0;

  constructor(private readonly ports: SessionsHeartbeatPorts) {
    this.#beat = new Beat(ports.clock, async (bus) => {
      await this.#tellAll(bus);
      return this.#interval;
    });
    // What was served was too old for a lease: now it may not be.
    this.#reports = ports.served.onReport(() => {
      if (!this.#isLeased) this.#beat.now();
    });
  }

  /** What was wrong at the last beat; undefined: nothing. For health checks. */
  get problem(): string | undefined {
    const problems = [this.#unleased, this.#still].filter((problem) => problem !== undefined);
    return problems.length === 0 ? undefined : problems.join('; ');
  }

  connected(bus: Bus): void {
    this.#beat.connected(bus);
  }

  [Symbol.dispose](): void {
    this.#reports[Symbol.dispose]();
    this.#beat[Symbol.dispose]();
  }

  get #isLeased(): boolean {
    return this.ports.clock.monotonic() < this.#leaseEnd;
  }

  async #tellAll(bus: Bus): Promise<void> {
    const { sessions, threads } = await this.ports.dataPath.activity();
    this.#noticeThreads(threads);
    const known = new Map(sessions.map((session) => [session.sessionUid, session]));
    const connected = new Map([...known].filter(([, { connections }]) => connections > 0));
    if (this.#still !== undefined) {
      for (const [uid, before] of this.#connected) if (!connected.has(uid)) connected.set(uid, before);
    }
    const ended = [...this.#connected.keys()].flatMap((uid) =>
      connected.has(uid) ? [] : (known.get(uid) ?? []),
    );
    const used = [...connected.values(), ...ended];
    const made = this.#generatedKeys.news(this.ports.dataPath.generatedKeys());
    // At least one: it is for the lease as well.
    for (let at = 0; at === 0 || at < Math.max(used.length, made.length); at += MAXIMUM_TOLD) {
      if (this.#beat.isClosed) return;
      await this.#tell(bus, used.slice(at, at + MAXIMUM_TOLD), made.slice(at, at + MAXIMUM_TOLD));
    }
    this.#connected = connected;
    this.#noticeLease(known.size);
  }

  #noticeThreads(threads: DataPathActivity['threads']): void {
    const still = threads.filter(({ activity }) => activity === undefined);
    const names = still.map(({ lane, index }) => `${lane} ${index}`).join(', ');
    const problem =
      names === '' ? undefined : `threads of acceleration stand still, and the jobs on them: ${names}`;
    this.#stillBeats = problem === undefined ? 0 : this.#stillBeats + 1;
    if (problem === this.#still) return;
    this.#still = problem;
    if (problem !== undefined) this.ports.log.warn({}, problem);
    else this.ports.log.info({}, 'all threads of acceleration answer again');
  }

  #noticeLease(sessions: number): void {
    const problem =
      this.#isLeased || sessions === 0
        ? undefined
        : 'sessions of acceleration are not served: the broker does not renew their lease';
    if (problem === this.#unleased) return;
    this.#unleased = problem;
    if (problem !== undefined) this.ports.log.warn({ sessions }, problem);
    else this.ports.log.info({}, 'the lease of the sessions is renewed');
  }

  async #tell(
    bus: Bus,
    sessions: readonly SessionActivity[],
    generatedKeys: readonly GeneratedVersion[],
  ): Promise<void> {
    const { dpu, incarnation, clock, log } = this.ports;
    const { applied } = this.ports.served;
    const asked = clock.monotonic();
    const request = create(SessionsHeartbeatRequestSchema, {
      incarnation,
      sessions: sessions.map(sessionActivity),
      ...(applied && { applied }),
      stalled: this.#stillBeats >= STALLED_BEATS,
      generatedKeys: [...generatedKeys],
    });
    const reply = await bus.request(
      subjects.dpu(dpu, 'heartbeat', 'acceleration'),
      { headers: {}, body: encodeBinary(SessionsHeartbeatRequestSchema, request) },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    const response = reply.ok ? decodeBinary(SessionsHeartbeatResponseSchema, reply.value.body) : reply;
    if (response.ok) {
      this.#granted(asked, response.value.leaseMilliseconds);
      this.#generatedKeys.stored(generatedKeys, response.value.generatedKeysStoredBy);
    } else log.debug({ code: response.error.code }, `activity is not told: ${response.error.message}`);
    if (!this.#isLeased) this.#interval = FIRST_INTERVAL_MILLISECONDS;
  }

  #granted(asked: number, leaseMilliseconds: number): void {
    const { dataPath, log } = this.ports;
    if (leaseMilliseconds === 0) {
      this.ports.outdated();
      return;
    }
    const third = leaseMilliseconds / 3;
    this.#interval = Math.min(Math.max(third, MINIMUM_INTERVAL_MILLISECONDS), MAXIMUM_INTERVAL_MILLISECONDS);
    this.#leaseEnd = Math.max(this.#leaseEnd, asked + leaseMilliseconds);
    // Not waited for: a thread that stands still must not keep the others from their lease.
    dataPath
      .renewLease(this.#leaseEnd)
      .catch((failure: unknown) => log.warn({ err: failure }, 'a thread was not told of its lease'));
  }
}
