import { libc, type Poller, SystemError, unixSocket, WOULD_BLOCK } from '@outboard/ffi';
import { monotonic } from '../monotonic.js';
import { FRAME, headerOf } from '../wire/frame.js';
import { RingBroken } from '../wire/ring.js';
import { STATUS, type Status } from '../wire/status.js';
import { Connection, type ConnectionHandler, type ReceivedFrame } from './connection.js';
import { authenticate, welcome } from './handshake.js';
import type { LaneSession } from './lane-session.js';
import { ChunkPool, type ReceiveBuffer } from './receive-buffer.js';

/** Within which a connection must have said whose it is. */
const HELLO_MILLISECONDS = 5000;
/** Connections of one session that have not, at one time: nobody takes another session's places. */
const MAXIMUM_STRANGERS = 16;
const SWEEP_MILLISECONDS = 1000;

export interface ConnectionsPorts {
  readonly poller: Poller;
  /** Monotonic milliseconds, as of this turn. */
  readonly now: () => number;
  /** Sessions may be served here now. */
  readonly mayServe: () => boolean;
  /** A frame of a connection that is authenticated. */
  readonly onFrame: (connection: Connection, session: LaneSession, frame: ReceivedFrame) => void;
  /** What came first may be taken where it is: see `ConnectionHandler`. */
  readonly onDirect: (
    connection: Connection,
    session: LaneSession,
    input: ReceiveBuffer | undefined,
  ) => boolean;
}

/** The connections of a thread from accepting to closing: who they are, what there is to send, which rings to look at. */
export class Connections implements Disposable {
  readonly #sessions = new Map<Connection, LaneSession>();
  readonly #withRings = new Set<Connection>();
  readonly #unsent = new Set<Connection>();
  /** With frames that are for the next turn. */
  readonly #postponed = new Set<Connection>();
  readonly #chunks = new ChunkPool();
  /** Somebody may send a frame to wake this thread. */
  #mayBeWoken = false;
  /** Listeners that are not looked at. */
  readonly #paused = new Set<number>();
  #nextSweep = 0;

  constructor(private readonly ports: ConnectionsPorts) {}

  /** Takes in everybody who waits at a session's socket. */
  accept(session: LaneSession): void {
    for (;;) {
      let descriptor: number;
      try {
        descriptor = unixSocket.accept(session.listener);
      } catch (failure) {
        if (!(failure instanceof SystemError)) throw failure;
        // Out of descriptors, most likely: asked again at once it would only say so again.
        this.#pause(session.listener);
        return;
      }
      if (descriptor === WOULD_BLOCK) return;
      if (session.strangers >= MAXIMUM_STRANGERS) libc.close(descriptor);
      else this.#take(descriptor, session);
    }
  }

  /** Closes a session's listener; its connections stay. */
  stopListening({ listener }: LaneSession): void {
    this.#paused.delete(listener);
    this.ports.poller.remove(listener);
    libc.close(listener);
  }

  /** There may be something to send. */
  touch(connection: Connection): void {
    if (connection.output.pending > 0 || connection.rings !== undefined) this.#unsent.add(connection);
  }

  get haveRings(): boolean {
    return this.#withRings.size > 0;
  }

  /** There are frames that were left for this turn, or answers that nobody has sent, of somebody who takes them. */
  get isBusy(): boolean {
    for (const { blocked } of this.#postponed) if (!blocked) return true;
    for (const { blocked } of this.#unsent) if (!blocked) return true;
    return false;
  }

  /** Takes what was left for this turn. */
  resume(): void {
    for (const connection of [...this.#postponed]) {
      if (connection.blocked) continue;
      connection.resume();
      if (connection.closed) {
        this.close(connection);
        continue;
      }
      if (!connection.postponed) this.#postponed.delete(connection);
      this.touch(connection);
    }
  }

  /** Takes in what is in rings; the number of frames. */
  receiveRings(): number {
    let frames = 0;
    if (this.#mayBeWoken) for (const { rings } of this.#withRings) rings?.workerWaits.clear();
    this.#mayBeWoken = false;
    for (const connection of this.#withRings) frames += this.#receiveRing(connection);
    return frames;
  }

  /** Asks to be woken by whoever writes into a ring next, and looks whether somebody has. */
  ringsAreEmptyBeforeWaiting(): boolean {
    this.#mayBeWoken = true;
    for (const { rings } of this.#withRings) rings?.workerWaits.set();
    for (const { rings } of this.#withRings) {
      try {
        if (rings?.submissions.isEmpty === false) return false;
      } catch (failure) {
        // It is found again, and ended, when the ring is read.
        if (failure instanceof RingBroken) return false;
        throw failure;
      }
    }
    return true;
  }

  /** Sends what there is, as far as sockets take it. `now`: monotonic milliseconds. */
  flush(now: number): void {
    for (const connection of this.#unsent) {
      connection.showCompletions();
      if (connection.holdsBack(now)) continue;
      const sent = connection.flush();
      if (connection.closed) {
        this.close(connection);
        continue;
      }
      const isBlocked = !sent && connection.output.pending > 0;
      if (!isBlocked) this.#unsent.delete(connection);
      if (isBlocked === connection.blocked) continue;
      connection.blocked = isBlocked;
      // Nothing more is taken in from whoever does not take what it gets.
      this.ports.poller.change(connection.descriptor, { readable: !isBlocked, writable: isBlocked });
    }
  }

  /** Whoever has not said whose it is gives its place to others; listeners that were paused are looked at again. */
  sweep(now: number): void {
    if (now < this.#nextSweep) return;
    this.#nextSweep = now + SWEEP_MILLISECONDS;
    for (const listener of this.#paused)
      this.ports.poller.change(listener, { readable: true, writable: false });
    this.#paused.clear();
    for (const [connection, { strangers }] of this.#sessions) {
      if (strangers > 0 && connection.epoch === undefined && now - connection.since > HELLO_MILLISECONDS)
        this.close(connection);
    }
  }

  /** Everybody of a session, with the reason. */
  sendAway(session: LaneSession, status: Status): void {
    for (const [connection, of] of [...this.#sessions]) {
      if (of !== session) continue;
      connection.goAway(status);
      this.close(connection);
    }
  }

  /** Everybody who has said whose it is; others are answered when they do. */
  sendAllAway(status: Status): void {
    for (const connection of [...this.#sessions.keys()]) {
      if (connection.epoch === undefined) continue;
      connection.goAway(status);
      this.close(connection);
    }
  }

  close(connection: Connection): void {
    const session = this.#sessions.get(connection);
    if (session === undefined) return;
    this.#sessions.delete(connection);
    if (connection.epoch === undefined) session.strangers--;
    session.connections.delete(connection);
    for (const job of session.flow.waiting) if (job.connection === connection) job.done = true;
    this.#withRings.delete(connection);
    this.#unsent.delete(connection);
    this.#postponed.delete(connection);
    this.ports.poller.remove(connection.descriptor);
    connection[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const connection of [...this.#sessions.keys()]) this.close(connection);
  }

  /** Nobody is taken in at a listener until the next sweep. */
  #pause(listener: number): void {
    this.#paused.add(listener);
    this.ports.poller.change(listener, { readable: false, writable: false });
  }

  #take(descriptor: number, session: LaneSession): void {
    session.strangers++;
    const handler: ConnectionHandler = {
      frame: (from, frame) => {
        if (from.epoch === undefined) this.#hello(from, session, frame);
        else this.ports.onFrame(from, session, frame);
      },
      direct: (from, input) => this.ports.onDirect(from, session, input),
    };
    const connection = new Connection(descriptor, monotonic(), this.#chunks, handler);
    this.#sessions.set(connection, session);
    this.ports.poller.add(descriptor, () => {
      if (!connection.postponed) connection.arrival = this.ports.now();
      if (!connection.receive()) {
        this.close(connection);
        return;
      }
      if (connection.postponed) this.#postponed.add(connection);
      this.touch(connection);
    });
  }

  #hello(connection: Connection, session: LaneSession, { header, payload }: ReceivedFrame): void {
    const { grant, connections } = session;
    const peer = unixSocket.peerOf(connection.descriptor);
    const known =
      header.type === FRAME.HELLO
        ? authenticate(grant, connections.size + 1, header, payload, peer)
        : STATUS.UNAUTHENTICATED;
    const status = known === STATUS.OK && !this.ports.mayServe() ? STATUS.UNAVAILABLE : known;
    if (status !== STATUS.OK) {
      connection.send(headerOf(FRAME.WELCOME, { code: status, epoch: grant.epoch }));
      connection.flush();
      connection.closed = true;
      return;
    }
    session.strangers--;
    connection.epoch = grant.epoch;
    connections.add(connection);
    welcome(connection, grant, header);
    if (connection.rings !== undefined) this.#withRings.add(connection);
  }

  #receiveRing(connection: Connection): number {
    try {
      const frames = connection.receiveRing();
      if (connection.closed) this.close(connection);
      return frames;
    } catch (failure) {
      if (!(failure instanceof RingBroken)) throw failure;
      connection.goAway(STATUS.INVALID_ARGUMENT);
      this.close(connection);
      return 0;
    }
  }
}
