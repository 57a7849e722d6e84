import { rmSync } from 'node:fs';
import { Poller, unixSocket } from '@outboard/ffi';
import type { LaneName } from '../engine/algorithms.js';
import type { EngineOf } from '../engine/engine.js';
import type { EngineSet } from '../engine/engine-set.js';
import { ArmedFault, type FaultOffer } from '../engine/fault.js';
import { KeySlot } from '../keys/key-slot.js';
import { type KeyOffer, ThreadKey, ThreadKeyVersion } from '../keys/thread-keys.js';
import { monotonic } from '../monotonic.js';
import { Pipeline } from '../program/pipeline.js';
import { laneOfProgram } from '../program/program.js';
import { Scratch } from '../program/scratch.js';
import { FIELD, FRAME, type Header, headerOf } from '../wire/frame.js';
import { STATUS, type Status } from '../wire/status.js';
import { admit } from './admission.js';
import { Completer, refuse } from './completion.js';
import type { Connection, ReceivedFrame } from './connection.js';
import { Connections } from './connections.js';
import { SessionCounters } from './counters.js';
import { FairQueue } from './fair-queue.js';
import type { FastPath } from './fast-path.js';
import { excludes, type SessionGrant } from './grant.js';
import type { Job, LaneSession } from './lane-session.js';
import type { ReceiveBuffer } from './receive-buffer.js';
import type { ThreadActivity } from './thread-activity.js';

/** How long jobs are run before sockets and rings are looked at again, milliseconds. */
const TURN_MILLISECONDS = 0.1;
/** The same of plain jobs, while it is worth more to have half of them done before the client is woken. */
const LONGEST_TURN_MILLISECONDS = 0.3;
/** How long after the last frame rings are still looked at without waiting to be woken, milliseconds. */
export const SPIN_MILLISECONDS = 0.05;
/** How long sockets are not looked at while rings are, milliseconds. */
const POLL_MILLISECONDS = 0.02;
/** For how long nobody else must have had jobs, so that those of one session need not be queued. */
const ALONE_MILLISECONDS = 10;
const IDLE_WAIT_MILLISECONDS = 1000;
const BACKLOG = 64;
/** Jobs after which it is looked whether more nonces should be reserved. */
const JOBS_BETWEEN_REFILLS = 64;
/** Jobs over the grant, one after the other, that are refused one by one; whoever goes on is sent away. */
const MAXIMUM_REFUSALS = 1024;

export interface LanePorts {
  readonly name: LaneName;
  readonly engines: EngineSet;
  /** Undefined: every job goes the general way. */
  readonly fastPath: FastPath | undefined;
  /** In place of 10, for tests. */
  readonly aloneMilliseconds?: number;
  /** More counters of this key should be reserved. */
  readonly onRefill: (keyUid: string, version: number) => void;
}

/**
 * One thread of the data path: sockets, rings, a fair queue and the engines, one thing after the other. It knows no event
 * loop: whoever owns the thread calls `turn` again and again.
 */
export class Lane implements Disposable {
  readonly #poller = new Poller();
  readonly #queue = new FairQueue<Job>();
  readonly #sessions = new Map<string, LaneSession>();
  readonly #keys = new Map<string, ThreadKey>();
  readonly #connections = new Connections({
    poller: this.#poller,
    now: () => this.#now,
    mayServe: () => monotonic() < this.#leaseEnd,
    onFrame: (connection, session, frame) => this.#frame(connection, session, frame),
    onDirect: (connection, session, input) => this.#direct(connection, session, input),
  });
  readonly #scratch = new Scratch();
  readonly #completer = new Completer();
  #spinUntil = 0;
  /** Monotonic milliseconds, as of this turn. */
  #now = monotonic();
  #nextPoll = 0;
  /** Who had a job last, and since when it was nobody else. */
  #last: LaneSession | undefined;
  #aloneSince = 0;
  #jobs = 0;
  /** Monotonic milliseconds. */
  #leaseEnd = Number.NEGATIVE_INFINITY;

  constructor(private readonly ports: LanePorts) {}

  /**
   * Serves a session on the socket `path`, or has it as it is now. A new epoch sends everybody away, as does a grant that not
   * everybody may connect by who could before: those that may do so again. What the session has done still counts.
   */
  grant(grant: SessionGrant, path: string): void {
    const known = this.#sessions.get(grant.sessionUid);
    if (known === undefined) {
      const listener = unixSocket.listen(path, BACKLOG);
      const session: LaneSession = {
        grant,
        pipelines: this.#compile(grant),
        flow: this.#queue.createFlow(grant.weight),
        listener,
        path,
        connections: new Set(),
        strangers: 0,
        counters: new SessionCounters(),
      };
      this.#sessions.set(grant.sessionUid, session);
      this.#poller.add(listener, () => this.#connections.accept(session));
      return;
    }
    if (known.grant.epoch !== grant.epoch) this.#connections.sendAway(known, STATUS.STALE_EPOCH);
    else if (excludes(known.grant, grant)) this.#connections.sendAway(known, STATUS.NOT_FOUND);
    known.grant = grant;
    known.flow.weight = grant.weight;
    known.pipelines = this.#compile(grant);
  }

  revoke(sessionUid: string, status: Status = STATUS.NOT_FOUND): void {
    const session = this.#sessions.get(sessionUid);
    if (session === undefined) return;
    this.#sessions.delete(sessionUid);
    this.#connections.sendAway(session, status);
    this.#connections.stopListening(session);
    rmSync(session.path, { force: true });
  }

  /** The versions of a key that there are now; none: it is gone. */
  offer({ keyUid, versions }: KeyOffer): void {
    this.#keyOf(keyUid).update(
      versions.map(({ version, memory }) => new ThreadKeyVersion(version, KeySlot.attach(memory))),
    );
  }

  /**
   * Nothing is done for anybody from `end` on, monotonic milliseconds: sessions may be served elsewhere then. Keys and
   * sockets stay, so that a later lease goes on at once.
   */
  lease(end: number): void {
    this.#leaseEnd = end;
  }

  /** The faults that are in force from now on. */
  setFaults(offers: readonly FaultOffer[]): void {
    this.ports.engines.setFaults(offers.map((offer) => ArmedFault.attach(offer)));
  }

  /** What it has done since it began. */
  get activity(): ThreadActivity {
    return {
      queuedJobs: this.#queue.length,
      sessions: [...this.#sessions.values()].map(({ grant, connections, flow, counters }) => ({
        sessionUid: grant.sessionUid,
        epoch: grant.epoch,
        weight: grant.weight,
        connections: connections.size,
        queuedJobs: flow.waiting.length,
        counters,
      })),
      engines: this.ports.engines.activity(),
    };
  }

  /** Another descriptor that wakes the thread. */
  watch(descriptor: number, onReadable: () => void): void {
    this.#poller.add(descriptor, onReadable);
  }

  /** Takes in what has come, does some of it, and answers; waits for something to come if there is nothing to do. */
  turn(maximumWaitMilliseconds = IDLE_WAIT_MILLISECONDS): void {
    this.#connections.resume();
    this.#poll(maximumWaitMilliseconds);
    const came = this.#connections.receiveRings();
    const now = monotonic();
    if (now >= this.#leaseEnd) this.#connections.sendAllAway(STATUS.UNAVAILABLE);
    if (this.#queue.length > 0) this.#run(now);
    if (came > 0) this.#spinUntil = monotonic() + SPIN_MILLISECONDS;
    this.#connections.flush(monotonic());
    this.#connections.sweep(now);
  }

  [Symbol.dispose](): void {
    for (const sessionUid of [...this.#sessions.keys()]) this.revoke(sessionUid, STATUS.UNAVAILABLE);
    this.#connections[Symbol.dispose]();
    for (const key of this.#keys.values()) key.update([]);
    this.#poller[Symbol.dispose]();
  }

  /** Looks at the sockets: always before waiting, and not after each job while rings keep this thread busy. */
  #poll(maximumWaitMilliseconds: number): void {
    const mayWait = this.#mayWait();
    if (mayWait || monotonic() >= this.#nextPoll) {
      this.#poller.wait(mayWait ? maximumWaitMilliseconds : 0, this.#awake);
      this.#awake();
      this.#nextPoll = this.#connections.haveRings ? this.#now + POLL_MILLISECONDS : 0;
    } else this.#now = monotonic();
  }

  readonly #awake = (): void => {
    this.#now = monotonic();
  };

  #mayWait(): boolean {
    if (this.#queue.length > 0 || this.#connections.isBusy) return false;
    if (!this.#connections.haveRings) return true;
    return monotonic() >= this.#spinUntil && this.#connections.ringsAreEmptyBeforeWaiting();
  }

  #run(from: number): void {
    const until = from + TURN_MILLISECONDS;
    for (let now = from; now < until; ) {
      const next = this.#queue.pop();
      if (next === undefined) return;
      const { flow, item: job } = next;
      if (job.done) {
        this.#queue.charge(flow, 0);
        continue;
      }
      const began = now;
      now = this.#completer.complete(job, began, this.#leaseEnd);
      this.#release(job);
      this.#connections.touch(job.connection);
      this.#queue.charge(flow, now - began);
      if (++this.#jobs % JOBS_BETWEEN_REFILLS === 0 || this.#completer.status === STATUS.BUSY)
        this.#askForNonces(job);
    }
  }

  #release(job: Job): void {
    const { connection, chunk } = job;
    job.done = true;
    connection.jobsInFlight--;
    connection.bytesInFlight -= job.bytes;
    if (chunk !== undefined) connection.releaseInput(chunk);
  }

  #askForNonces({ pipeline }: Pick<Job, 'pipeline'>): void {
    for (const keyUid of pipeline.encryptionKeys) {
      const version = this.#keys.get(keyUid)?.active;
      if (version?.slot.takeRefillRequest()) this.ports.onRefill(keyUid, version.version);
    }
  }

  #frame(connection: Connection, session: LaneSession, frame: ReceivedFrame): void {
    const { header } = frame;
    switch (header.type) {
      case FRAME.SUBMIT:
        this.#submit(connection, session, frame);
        break;
      case FRAME.CANCEL:
        this.#cancel(connection, session, header);
        break;
      case FRAME.PING: {
        const { jobLow, jobHigh } = header;
        connection.send(headerOf(FRAME.PONG, { jobLow, jobHigh, epoch: session.grant.epoch }));
        break;
      }
      case FRAME.WAKE:
        break;
      default:
        connection.goAway(STATUS.INVALID_ARGUMENT);
    }
  }

  /** Has native code do the plain jobs that come first, while no other session has any. */
  #direct(connection: Connection, session: LaneSession, input: ReceiveBuffer | undefined): boolean {
    const { fastPath } = this.ports;
    if (fastPath === undefined || !this.#isAlone(session)) return false;
    const program =
      input?.chunk.view.getUint16(input.start + FIELD.program, true) ??
      connection.rings?.submissions.nextProgram ??
      0;
    const pipeline = session.pipelines.get(program);
    if (typeof pipeline !== 'object' || pipeline.plainCipher === undefined) return false;
    const plain = pipeline.plainCipher;
    const [unit] = plain.engine.units;
    const key = plain.key.active;
    if (unit === undefined || key === undefined || !unit.isUndisturbed) return false;
    const contexts = key.open(unit.candidate.engine as EngineOf<'aead'>)?.contexts;
    if (contexts === undefined || connection.output.pending > session.grant.maximumBytes) return false;
    if (!plain.decrypts && key.haveNonces() !== 'TAKEN') return false;
    // First what came before it and waits.
    if (connection.jobsInFlight > 0) return true;
    const began = monotonic();
    const work = {
      decrypts: plain.decrypts,
      program,
      epoch: session.grant.epoch,
      key,
      context: plain.decrypts ? contexts.decryption : contexts.encryption,
      arrival: input === undefined ? this.#now : connection.arrival,
      enough: began + TURN_MILLISECONDS,
      until: began + LONGEST_TURN_MILLISECONDS,
      leaseEnd: this.#leaseEnd,
    };
    const end =
      input === undefined ? fastPath.runRings(connection, work) : fastPath.runFrames(connection, input, work);
    const { jobs, bytes, ended } = fastPath;
    if (jobs === 0) return false;
    fastPath.addTo(session.counters);
    unit.did(jobs, bytes, ended - began);
    this.#queue.chargeAlone(session.flow, ended - began);
    connection.refusals = 0;
    connection.moderation.completed(jobs);
    this.#connections.touch(connection);
    this.#askForNonces({ pipeline });
    return end === 'LATER';
  }

  #isAlone(session: LaneSession): boolean {
    const othersWait = this.#queue.length > session.flow.waiting.length;
    const { aloneMilliseconds = ALONE_MILLISECONDS } = this.ports;
    return !othersWait && session === this.#last && this.#now - this.#aloneSince >= aloneMilliseconds;
  }

  #submit(connection: Connection, session: LaneSession, frame: ReceivedFrame): void {
    if (session !== this.#last) {
      this.#last = session;
      this.#aloneSince = this.#now;
    }
    const job = admit(connection, session, frame, frame.inRing ? this.#now : connection.arrival);
    if (typeof job !== 'number') {
      connection.refusals = 0;
      connection.jobsInFlight++;
      connection.bytesInFlight += job.bytes;
      this.#queue.push(session.flow, job);
      return;
    }
    if (job === STATUS.BUSY && ++connection.refusals > MAXIMUM_REFUSALS) {
      connection.goAway(STATUS.RESOURCE_EXHAUSTED);
      return;
    }
    session.counters.count(false, 0, 0, 0, 0);
    refuse(connection, frame.header, frame.inRing, job);
    this.#connections.touch(connection);
  }

  /** What has not begun completes at once; what has is not stopped. */
  #cancel(connection: Connection, session: LaneSession, { jobLow, jobHigh }: Header): void {
    const job = session.flow.waiting.find(
      (each) =>
        !each.done && each.connection === connection && each.jobLow === jobLow && each.jobHigh === jobHigh,
    );
    if (job === undefined) return;
    this.#release(job);
    session.counters.count(false, 0, 0, 0, (monotonic() - job.arrival) * 1000);
    refuse(connection, job, job.inRing, STATUS.CANCELLED);
  }

  #keyOf(keyUid: string): ThreadKey {
    const known = this.#keys.get(keyUid) ?? new ThreadKey();
    this.#keys.set(keyUid, known);
    return known;
  }

  #compile({ programs, offload }: SessionGrant): LaneSession['pipelines'] {
    const { name, engines } = this.ports;
    const keyOf = (keyUid: string): ThreadKey => this.#keyOf(keyUid);
    return new Map(
      programs.map((program) => {
        const lane = laneOfProgram(program);
        return [
          program.id,
          lane === name ? Pipeline.compile(program, engines, keyOf, this.#scratch, offload) : lane,
        ] as const;
      }),
    );
  }
}
