import { create } from '@bufbuild/protobuf';
import type { Message, Received } from '@outboard/bus';
import {
  decodeBinary,
  encodeJson,
  type GeneratedKeyVersion,
  type SessionActivity,
  SessionCountersResponseSchema,
  SessionsHeartbeatRequestSchema,
  SessionsHeartbeatResponseSchema,
} from '@outboard/contracts';
import { type AppError, type Clock, type Random, type Result, uuidv7 } from '@outboard/core';
import { type AccelerationSession, formatTime, type Name } from '@outboard/model';
import { binaryReply, dpuOf } from '@outboard/resource-service';
import type { AccelerationDomain } from '../domain/acceleration-domain.js';
import type { SessionLeases } from './session-leases.js';

/** Sessions, and keys, of one message that are looked at, as the protocol bounds them. */
const MAX_SESSIONS = 1_000;

interface Told {
  readonly activity: SessionActivity;
  /** Wall clock, milliseconds. */
  readonly toldAt: number;
}

/** What workers tell of the sessions that are used: kept in memory alone, as it changes all the time. */
export class SessionActivities {
  /** Tells workers whether they have told this process what has to be told once. */
  readonly #incarnation: string;
  readonly #told = new Map<string, Told>();
  /** Monotonic milliseconds at which a session had a connection last, as far as is known. */
  #connectedAt = new Map<string, number>();

  constructor(
    private readonly domain: AccelerationDomain,
    private readonly leases: Pick<SessionLeases, 'give'>,
    private readonly clock: Clock,
    /** False: they could not be stored. */
    private readonly noteFingerprints: (dpu: Name, told: readonly GeneratedKeyVersion[]) => Promise<boolean>,
    random: Random,
  ) {
    this.#incarnation = uuidv7(clock.now(), random);
  }

  /** Takes over what a worker tells; the answer renews the lease of its sessions. */
  async heartbeat(received: Received): Promise<Result<Message, AppError>> {
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    const request = decodeBinary(SessionsHeartbeatRequestSchema, received.body);
    if (!request.ok) return request;
    for (const activity of request.value.sessions.slice(0, MAX_SESSIONS)) {
      const session = this.domain.sessionOn(dpu.value, activity.sessionUid);
      // Of another epoch, or gone: that worker has not heard of it yet.
      if (session?.status.epoch !== activity.epoch) continue;
      this.#told.set(activity.sessionUid, { activity, toldAt: this.clock.now() });
      this.#connectedAt.set(activity.sessionUid, this.clock.monotonic());
    }
    const isStored = await this.noteFingerprints(
      dpu.value,
      request.value.generatedKeys.slice(0, MAX_SESSIONS),
    );
    const { applied, stalled } = request.value;
    this.domain.setStalled(dpu.value, stalled);
    const version = applied && { epoch: applied.epoch, sequence: Number(applied.sequence) };
    return binaryReply(SessionsHeartbeatResponseSchema, {
      leaseMilliseconds: this.leases.give(dpu.value, version),
      generatedKeysStoredBy: isStored ? this.#incarnation : '',
    });
  }

  /**
   * How long each of these has had no connection though it could have, milliseconds. One that was not heard of before
   * begins now, and so does one whose DPU nobody can reach.
   */
  *idle(sessions: Iterable<AccelerationSession>): Iterable<readonly [AccelerationSession, number]> {
    const now = this.clock.monotonic();
    const known = this.#connectedAt;
    this.#connectedAt = new Map();
    for (const session of sessions) {
      const { uid } = session.metadata;
      const connectedAt = (this.domain.isReachable(session) ? known.get(uid) : undefined) ?? now;
      this.#connectedAt.set(uid, connectedAt);
      yield [session, now - connectedAt];
    }
    for (const uid of this.#told.keys()) if (!this.#connectedAt.has(uid)) this.#told.delete(uid);
  }

  /** Nothing could be heard for a while: everybody gets the whole time again. */
  restart(): void {
    this.#connectedAt = new Map();
  }

  /** What is known of a session, as JSON. */
  counters({ metadata, status }: AccelerationSession): Message {
    const { activity, toldAt } = this.#told.get(metadata.uid) ?? {};
    const isCurrent = activity?.epoch === status.epoch;
    const response = create(SessionCountersResponseSchema, {
      dpu: status.dpu ?? '',
      epoch: status.epoch,
      ...(isCurrent && {
        toldAt: formatTime(toldAt ?? 0),
        connections: activity.connections,
        queuedJobs: activity.queuedJobs,
        completedJobs: activity.completedJobs,
        failedJobs: activity.failedJobs,
        inputBytes: activity.inputBytes,
        outputBytes: activity.outputBytes,
        engineMicroseconds: activity.engineMicroseconds,
        latencyBuckets: [...activity.latencyBuckets],
      }),
    });
    return {
      headers: {},
      body: Buffer.from(encodeJson(SessionCountersResponseSchema, response)),
    };
  }
}
