import { addressOf, libc, SharedMemory, SystemError, unixSocket, WOULD_BLOCK } from '@outboard/ffi';
import {
  FRAME,
  FRAME_VERSION,
  HEADER_BYTES,
  type Header,
  headerOf,
  MAXIMUM_INLINE,
  readHeader,
  writeHeader,
} from '../wire/frame.js';
import { SLOT_METADATA, type WorkerRingEnds, workerRingEnds } from '../wire/ring.js';
import { STATUS, type Status } from '../wire/status.js';
import { type Chunk, type ChunkPool, ReceiveBuffer } from './receive-buffer.js';
import { RegionViews } from './region-views.js';
import { SendQueue } from './send-queue.js';
import { WakeModeration } from './wake-moderation.js';

/** Frames that one reading takes in: the others of the thread have their turn. */
const MAXIMUM_FRAMES_PER_TURN = 256;

const NOTHING = new Uint8Array();

const part = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  from === to ? NOTHING : bytes.subarray(from, to);

/** Longest that may follow a HELLO, bytes. */
const MAXIMUM_HELLO = 256;

/** A frame that was received: good until the handler returns, its views for as long as the input is retained. */
export interface ReceivedFrame {
  readonly header: Header;
  readonly metadata: Uint8Array;
  readonly payload: Uint8Array;
  /** It was in the ring: metadata is the frame's own, and there is no payload. */
  readonly inRing: boolean;
}

/** Whoever takes what comes on a connection. */
export interface ConnectionHandler {
  frame(connection: Connection, frame: ReceivedFrame): void;
  /**
   * What came first, in the ring (`input` undefined) or over the socket, may be taken where it is, before frames are made of
   * it. True: the rest is for the next turn.
   */
  direct(connection: Connection, input: ReceiveBuffer | undefined): boolean;
}

/** A connection as frames: what is in them is somebody else's matter. Whatever breaks the format ends it. */
export class Connection {
  readonly output = new SendQueue();
  readonly moderation = new WakeModeration();
  /** Of the session that it was granted; undefined: whose it is is not known yet. */
  epoch: number | undefined;
  region: SharedMemory | undefined;
  /** Where native code finds it; 0: there is none. */
  regionAddress = 0;
  views: RegionViews | undefined;
  rings: WorkerRingEnds | undefined;
  jobsInFlight = 0;
  bytesInFlight = 0;
  /** Jobs refused as BUSY since the last one that was taken. */
  refusals = 0;
  /** The socket does not take what there is to send. */
  blocked = false;
  closed = false;
  /** There are frames that are for the next turn. */
  postponed = false;
  /** Monotonic milliseconds at which what the socket has brought came. */
  arrival = 0;
  readonly #input: ReceiveBuffer;
  /** Of the frame that is being handled. */
  readonly #header = headerOf(0);

  constructor(
    readonly descriptor: number,
    /** Monotonic milliseconds at which it came. */
    readonly since: number,
    chunks: ChunkPool,
    private readonly handler: ConnectionHandler,
  ) {
    this.#input = new ReceiveBuffer(chunks);
  }

  /** Takes in what the socket has. False: the connection is over. */
  receive(): boolean {
    // First what is here.
    if (this.postponed) return true;
    try {
      for (let frames = 0; frames < MAXIMUM_FRAMES_PER_TURN && !this.closed; ) {
        const room = this.#input.room(this.#wanted());
        const count = unixSocket.receive(this.descriptor, room);
        if (count === 0) return false;
        if (count === WOULD_BLOCK) return true;
        this.#input.end += count;
        frames += this.#split();
        if (this.postponed) return true;
        if (count < room.length) return !this.closed;
      }
      return !this.closed;
    } catch (failure) {
      if (failure instanceof SystemError) return false;
      throw failure;
    }
  }

  /** Takes what was postponed. */
  resume(): void {
    this.postponed = false;
    this.#split();
  }

  /** Takes in what is in the ring. A ring that is broken throws `RingBroken`. */
  receiveRing(): number {
    const { rings } = this;
    if (rings === undefined) return 0;
    const { submissions } = rings;
    let frames = 0;
    while (frames < MAXIMUM_FRAMES_PER_TURN && !this.closed && !submissions.isEmpty) {
      const before = submissions.counter;
      const isLater = this.handler.direct(this, undefined);
      const taken = (submissions.counter - before) >>> 0;
      frames += taken;
      if (isLater) return frames;
      if (taken > 0) continue;
      submissions.read();
      frames++;
      const header = readHeader(submissions.view, 0, this.#header);
      const fits = header.metadataBytes <= SLOT_METADATA && header.inlineLength === header.metadataBytes;
      if (header.type !== FRAME.SUBMIT || header.version !== FRAME_VERSION || !fits) {
        this.goAway(STATUS.INVALID_ARGUMENT);
        return frames;
      }
      const metadata = header.metadataBytes === 0 ? NOTHING : submissions.metadata(header.metadataBytes);
      submissions.release();
      this.handler.frame(this, { header, metadata, payload: NOTHING, inRing: true });
    }
    return frames;
  }

  /** The current frame's payload stays until it is given back. */
  retainInput(): Chunk {
    return this.#input.retain();
  }

  releaseInput(chunk: Chunk): void {
    this.#input.release(chunk);
  }

  /** Makes the shared memory of this connection, with rings in it if they are wanted. */
  share(name: string, length: number, withRings: boolean): SharedMemory {
    const region = SharedMemory.create(name, length);
    this.region = region;
    this.regionAddress = addressOf(region.bytes);
    this.views = new RegionViews(region.bytes);
    if (withRings) this.rings = workerRingEnds(region.bytes);
    return region;
  }

  /** A frame without anything after its header. */
  send(header: Header): void {
    const { view, at } = this.output.reserve(HEADER_BYTES);
    writeHeader(view, at, header);
    this.output.commit(HEADER_BYTES);
  }

  /** Shows the client the completions in its ring. */
  showCompletions(): void {
    this.rings?.completions.show();
  }

  /** Whether what there is to send waits for more. `now`: monotonic milliseconds. */
  holdsBack(now: number): boolean {
    const { start, end } = this.#input;
    const postponed = this.postponed ? Math.floor((end - start) / HEADER_BYTES) : 0;
    return this.moderation.holds(now, this.jobsInFlight + postponed, this.output.pending);
  }

  /**
   * Sends and shows what there is, and wakes a client that waits for its ring. True: all of it; false: the socket takes no more
   * now. The other side being gone closes it.
   */
  flush(): boolean {
    if (this.closed) return true;
    this.showCompletions();
    if (this.moderation.hasCompletions && this.rings?.clientWaits.take()) this.send(headerOf(FRAME.WAKE));
    this.moderation.sent();
    try {
      return this.output.flush((bytes) => unixSocket.send(this.descriptor, bytes));
    } catch (failure) {
      if (!(failure instanceof SystemError)) throw failure;
      this.closed = true;
      return true;
    }
  }

  /** The last frame, as far as the socket still takes it. */
  goAway(status: Status): void {
    if (this.closed) return;
    this.send(headerOf(FRAME.GOAWAY, { code: status, epoch: this.epoch ?? 0 }));
    this.flush();
    this.closed = true;
  }

  /** Gives back everything. Its jobs must be done with. */
  [Symbol.dispose](): void {
    this.closed = true;
    this.#input[Symbol.dispose]();
    this.region?.[Symbol.dispose]();
    this.region = undefined;
    this.regionAddress = 0;
    this.views = undefined;
    this.rings = undefined;
    libc.close(this.descriptor);
  }

  /** Bytes that the frame at the beginning of the input has, or its header. */
  #wanted(): number {
    const { start, end, chunk } = this.#input;
    return end - start < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + chunk.view.getUint32(start, true);
  }

  /** Before a HELLO was taken there are only short frames, and one that says more than this version knows. */
  #isAcceptable({ type, version, inlineLength, metadataBytes }: Header): boolean {
    const longest = this.epoch === undefined ? MAXIMUM_HELLO : MAXIMUM_INLINE;
    const isKnown = version === FRAME_VERSION || (type === FRAME.HELLO && version > FRAME_VERSION);
    return isKnown && inlineLength <= longest && metadataBytes <= inlineLength;
  }

  #split(): number {
    const input = this.#input;
    let frames = 0;
    while (!this.closed && input.end - input.start >= HEADER_BYTES) {
      const before = input.start;
      this.postponed = this.epoch !== undefined && this.handler.direct(this, input);
      if (this.postponed) return frames;
      if (input.start !== before) {
        frames++;
        continue;
      }
      const { chunk, start } = input;
      const header = readHeader(chunk.view, start, this.#header);
      if (!this.#isAcceptable(header)) {
        this.goAway(STATUS.INVALID_ARGUMENT);
        return frames;
      }
      const body = start + HEADER_BYTES;
      const end = body + header.inlineLength;
      if (end > input.end) return frames;
      frames++;
      input.start = end;
      this.handler.frame(this, {
        header,
        metadata: part(chunk.bytes, body, body + header.metadataBytes),
        payload: part(chunk.bytes, body + header.metadataBytes, end),
        inRing: false,
      });
    }
    return frames;
  }
}
