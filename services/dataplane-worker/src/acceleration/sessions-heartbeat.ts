import { create } from '@bufbuild/protobuf';
import type { DataPath, DataPathActivity, SessionActivity } from '@outboard/acceleration';
import type { Bus } from '@outboard/bus';
import { encodeBinary, SessionsHeartbeatRequestSchema, subjects } from '@outboard/contracts';
import type { Clock } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { Beat } from '../app/beat.js';
import { sessionActivity } from './activity-wire.js';

const INTERVAL_MILLISECONDS = 5_000;
const DEADLINE_MILLISECONDS = 2_000;
const MAXIMUM_SESSIONS = 1_000;

export interface SessionsHeartbeatPorts {
  readonly dpu: string;
  readonly incarnation: string;
  readonly dataPath: Pick<DataPath, 'activity'>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Tells the broker which sessions are used, and what they did: those that have, or just had, a connection. While a thread
 * stands still nobody knows which it has: those that were connected before count as connected still.
 */
export class SessionsHeartbeat implements Disposable {
  readonly #beat: Beat;
  /** Sessions that had a connection at the last beat: their end is told once. */
  #connected: ReadonlyMap<string, SessionActivity> = new Map();
  #problem: string | undefined;

  constructor(private readonly ports: SessionsHeartbeatPorts) {
    this.#beat = new Beat(ports.clock, async (bus) => {
      await this.#tellAll(bus);
      return INTERVAL_MILLISECONDS;
    });
  }

  /** Which threads stood still at the last beat; undefined: none. For health checks. */
  get problem(): string | undefined {
    return this.#problem;
  }

  connected(bus: Bus): void {
    this.#beat.connected(bus);
  }

  [Symbol.dispose](): void {
    this.#beat[Symbol.dispose]();
  }

  async #tellAll(bus: Bus): Promise<void> {
    const { sessions, threads } = await this.ports.dataPath.activity();
    this.#notice(threads);
    const known = new Map(sessions.map((session) => [session.sessionUid, session]));
    const connected = new Map([...known].filter(([, { connections }]) => connections > 0));
    if (this.#problem !== undefined) {
      for (const [uid, before] of this.#connected) if (!connected.has(uid)) connected.set(uid, before);
    }
    const ended = [...this.#connected.keys()].flatMap((uid) =>
      connected.has(uid) ? [] : (known.get(uid) ?? []),
    );
    const used = [...connected.values(), ...ended];
    for (let at = 0; at < used.length && !this.#beat.isClosed; at += MAXIMUM_SESSIONS)
      await this.#tell(bus, used.slice(at, at + MAXIMUM_SESSIONS));
    this.#connected = connected;
  }

  #notice(threads: DataPathActivity['threads']): void {
    const still = threads.filter(({ activity }) => activity === undefined);
    const names = still.map(({ lane, index }) => `${lane} ${index}`).join(', ');
    const problem =
      names === '' ? undefined : `threads of acceleration stand still, and the jobs on them: ${names}`;
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem !== undefined) this.ports.log.warn({}, problem);
    else this.ports.log.info({}, 'all threads of acceleration answer again');
  }

  async #tell(bus: Bus, sessions: readonly SessionActivity[]): Promise<void> {
    const { dpu, incarnation, log } = this.ports;
    const request = create(SessionsHeartbeatRequestSchema, {
      incarnation,
      sessions: sessions.map(sessionActivity),
    });
    const reply = await bus.request(
      subjects.dpu(dpu, 'heartbeat', 'acceleration'),
      { headers: {}, body: encodeBinary(SessionsHeartbeatRequestSchema, request) },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    if (!reply.ok) log.debug({ code: reply.error.code }, `activity is not told: ${reply.error.message}`);
  }
}
