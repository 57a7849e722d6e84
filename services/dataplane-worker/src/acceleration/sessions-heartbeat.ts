import { create } from '@bufbuild/protobuf';
import { type DataPath, LATENCY_BUCKETS, type SessionActivity } from '@outboard/acceleration';
import type { Bus } from '@outboard/bus';
import { encodeBinary, SessionsHeartbeatRequestSchema, subjects } from '@outboard/contracts';
import { type Clock, invariant } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';

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

/** Tells the broker which sessions are used, and what they did: those that have, or just had, a connection. */
export class SessionsHeartbeat implements Disposable {
  #bus: Bus | undefined;
  #next: Disposable | undefined;
  /** Sessions that had a connection at the last beat: their end is told once. */
  #connected = new Set<string>();
  #beating = false;
  #closed = false;

  constructor(private readonly ports: SessionsHeartbeatPorts) {}

  connected(bus: Bus): void {
    this.#bus = bus;
    void this.#beat();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#next?.[Symbol.dispose]();
  }

  async #beat(): Promise<void> {
    if (this.#beating || this.#closed) return;
    this.#beating = true;
    this.#next?.[Symbol.dispose]();
    const all = await this.ports.dataPath.activity();
    const used = all.filter(
      ({ sessionUid, connections }) => connections > 0 || this.#connected.has(sessionUid),
    );
    for (let at = 0; at < used.length && !this.#closed; at += MAXIMUM_SESSIONS)
      await this.#tell(used.slice(at, at + MAXIMUM_SESSIONS));
    this.#connected = new Set(
      all.filter(({ connections }) => connections > 0).map(({ sessionUid }) => sessionUid),
    );
    this.#beating = false;
    if (!this.#closed) this.#next = this.ports.clock.schedule(INTERVAL_MILLISECONDS, () => void this.#beat());
  }

  async #tell(sessions: readonly SessionActivity[]): Promise<void> {
    const { dpu, incarnation, log } = this.ports;
    invariant(this.#bus !== undefined, 'nothing is told before there is a bus');
    const request = create(SessionsHeartbeatRequestSchema, {
      incarnation,
      sessions: sessions.map(({ sessionUid, epoch, connections, queuedJobs, counters }) => ({
        sessionUid,
        epoch,
        connections,
        queuedJobs,
        completedJobs: BigInt(counters.completedJobs),
        failedJobs: BigInt(counters.failedJobs),
        inputBytes: BigInt(counters.inputBytes),
        outputBytes: BigInt(counters.outputBytes),
        engineMicroseconds: BigInt(Math.round(counters.engineNanoseconds / 1000)),
        latencyBuckets: counters.latency.slice(0, LATENCY_BUCKETS).map(BigInt),
      })),
    });
    const reply = await this.#bus.request(
      subjects.dpu(dpu, 'heartbeat', 'acceleration'),
      { headers: {}, body: encodeBinary(SessionsHeartbeatRequestSchema, request) },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    if (!reply.ok) log.debug({ code: reply.error.code }, `activity is not told: ${reply.error.message}`);
  }
}
