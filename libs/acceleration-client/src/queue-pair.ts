import { Socket } from 'node:net';
import {
  encodeMetadata,
  FLAG,
  FRAME,
  GRANT_UNIT,
  HEADER_BYTES,
  Header,
  headerOf,
  type Metadata,
  REGION,
  readMetadata,
  type StatusName,
  statusName,
  writeHeader,
} from '@outboard/acceleration';
import { AcceleratorError } from './accelerator-error.js';
import { ClientRings } from './client-rings.js';
import { FrameReader } from './frame-reader.js';
import { type Granted, type HelloOptions, hello } from './handshake.js';
import { RegionAllocator } from './region-allocator.js';

/** Below this a copy into shared memory costs more than the socket does. */
const SHARED_FROM_BYTES = 2048;
/** Jobs that wait for being granted a place, on one connection. */
const MAXIMUM_WAITING = 4096;

export interface Job {
  /** Unique among the jobs in flight; the same when it is tried again. */
  readonly id: number;
  readonly program: number;
  readonly input: Uint8Array;
  /** Room for output, bytes. */
  readonly outputLength: number;
  readonly metadata: Metadata;
  /** Within which it must have begun, microseconds; 0: none. */
  readonly deadlineMicroseconds: number;
  /** Where the output is put; undefined: in memory of its own. */
  readonly output: Uint8Array | undefined;
}

export interface Completion {
  readonly status: StatusName;
  readonly failedStep: number;
  readonly output: Uint8Array;
  readonly metadata: Metadata;
  readonly native: boolean;
  readonly hardware: boolean;
  readonly engineNanoseconds: number;
  readonly retryAfterMicroseconds: number;
}

interface Pending {
  readonly job: Job;
  readonly bytes: number;
  /** Monotonic milliseconds at which it was sent. */
  sent: number;
  readonly resolve: (completion: Completion) => void;
  readonly reject: (failure: AcceleratorError) => void;
  /** Where input and output are in shared memory, once they are. */
  place: { readonly offset: number; readonly length: number; readonly outputOffset: number } | undefined;
}

/**
 * One connection to one thread of the worker. It never has more in flight than was granted: what is more waits here. When
 * it ends, everything that has not completed is rejected as UNAVAILABLE, or with what the worker gave as the reason.
 */
export class QueuePair {
  readonly #socket: Socket;
  readonly #inFlight = new Map<number, Pending>();
  #waiting: Pending[] = [];
  readonly #allocator: RegionAllocator | undefined;
  readonly #rings: ClientRings | undefined;
  #bytesInFlight = 0;
  #ended: AcceleratorError | undefined;
  #corked = false;
  /** Looks now and then whether the worker still answers. */
  readonly #watchdog: NodeJS.Timeout;

  private constructor(
    private readonly granted: Granted,
    private readonly answerMilliseconds: number,
  ) {
    this.#watchdog = setInterval(() => this.#watch(), answerMilliseconds / 4).unref();
    const { descriptor, region, welcome } = granted;
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: true });
    const reader = new FrameReader((header, metadata, payload) => this.#frame(header, metadata, payload));
    this.#socket.on('data', (bytes) => reader.push(bytes));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#end(new AcceleratorError('UNAVAILABLE', 0, 'the worker hung up')));
    if (region === undefined) return;
    this.#allocator = new RegionAllocator(REGION.payload, region.bytes.length);
    if ((welcome.flags & FLAG.RINGS) === 0) return;
    this.#rings = new ClientRings(region.bytes, {
      onCompletion: (header, metadata) => this.#completed(header, metadata, new Uint8Array()),
      onBroken: (reason) => this.#end(new AcceleratorError('UNAVAILABLE', 0, reason)),
      wake: () => this.#send(headerOf(FRAME.WAKE)),
      isBusy: () => this.#inFlight.size > 0,
    });
  }

  static async connect(options: HelloOptions): Promise<QueuePair> {
    return new QueuePair(await hello(options), options.timeoutMilliseconds);
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** Jobs in flight and waiting. */
  get load(): number {
    return this.#inFlight.size + this.#waiting.length;
  }

  /** Resolves with however it ended, as long as it did. */
  submit(job: Job): Promise<Completion> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const bytes = job.input.length + job.outputLength;
      const pending: Pending = { job, bytes, sent: 0, resolve, reject, place: undefined };
      if (this.#waiting.length === 0 && this.#start(pending)) return;
      if (this.#waiting.length >= MAXIMUM_WAITING) {
        reject(new AcceleratorError('BUSY', 0, `${MAXIMUM_WAITING} jobs wait for the accelerator`));
        return;
      }
      this.#waiting.push(pending);
    });
  }

  /** The job is no longer wanted; it ends as CANCELLED, or as it would have if it is too late for that. */
  cancel(id: number): void {
    const waiting = this.#waiting.find(({ job }) => job.id === id);
    if (waiting !== undefined) {
      this.#waiting = this.#waiting.filter((each) => each !== waiting);
      waiting.reject(new AcceleratorError('CANCELLED'));
      return;
    }
    if (this.#inFlight.has(id)) this.#send(headerOf(FRAME.CANCEL, idParts(id)));
  }

  /** Ends the connection; everything in flight is rejected with `reason`. */
  close(reason = new AcceleratorError('UNAVAILABLE', 0, 'the client is closed')): void {
    this.#end(reason);
  }

  /** Sends a job if it has been granted a place. */
  #start(pending: Pending): boolean {
    const { welcome } = this.granted;
    const { job, bytes } = pending;
    const limit = welcome.grantedUnits * GRANT_UNIT;
    if (this.#inFlight.size >= welcome.grantedJobs) return false;
    if (this.#inFlight.size > 0 && this.#bytesInFlight + bytes > limit) return false;
    const { jobLow, jobHigh } = idParts(job.id);
    const header = new Header(FRAME.SUBMIT);
    header.jobLow = jobLow;
    header.jobHigh = jobHigh;
    header.epoch = welcome.epoch;
    header.code = job.program;
    header.microseconds = job.deadlineMicroseconds;
    header.inputLength = job.input.length;
    header.outputLength = job.outputLength;
    const metadata = encodeMetadata(job.metadata);
    header.metadataBytes = metadata.length;
    header.inlineLength = metadata.length;
    pending.sent = performance.now();
    this.#inFlight.set(job.id, pending);
    this.#bytesInFlight += bytes;
    if (this.#share(pending, header)) {
      if (this.#rings?.submit(header, metadata) !== true) this.#send(header, metadata);
    } else {
      header.inlineLength += job.input.length;
      this.#send(header, metadata, job.input);
    }
    return true;
  }

  /** Puts the input into shared memory, if there is some and it is worth it. */
  #share(pending: Pending, header: Header): boolean {
    const { job, bytes } = pending;
    const region = this.granted.region?.bytes;
    if (region === undefined || bytes < SHARED_FROM_BYTES) return false;
    const inputLength = (job.input.length + 63) & ~63;
    const length = inputLength + job.outputLength;
    const offset = this.#allocator?.take(length);
    if (offset === undefined) return false;
    region.set(job.input, offset);
    pending.place = { offset, length, outputOffset: offset + inputLength };
    header.flags = FLAG.INPUT_SHARED | FLAG.OUTPUT_SHARED;
    header.inputOffset = offset;
    header.outputOffset = offset + inputLength;
    return true;
  }

  #send(header: Header, metadata?: Uint8Array, payload?: Uint8Array): void {
    // What is sent in one turn goes out by one call.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    const bytes = Buffer.allocUnsafe(HEADER_BYTES + (metadata?.length ?? 0));
    writeHeader(new DataView(bytes.buffer, bytes.byteOffset), 0, header);
    if (metadata !== undefined) bytes.set(metadata, HEADER_BYTES);
    this.#socket.write(bytes);
    if (payload !== undefined && payload.length > 0) this.#socket.write(payload);
  }

  #frame(header: Header, metadata: Uint8Array, payload: Uint8Array): void {
    if (header.type === FRAME.COMPLETE) this.#completed(header, metadata, payload);
    else if (header.type === FRAME.WAKE) this.#rings?.woken();
    else if (header.type === FRAME.GOAWAY) this.#end(new AcceleratorError(statusName(header.code)));
  }

  #completed(header: Header, metadata: Uint8Array, payload: Uint8Array): void {
    const id = header.jobLow + header.jobHigh * 2 ** 32;
    const pending = this.#inFlight.get(id);
    // Nobody's: one that was given up meanwhile.
    if (pending === undefined) return;
    if (payload.length > pending.job.outputLength) {
      this.#end(new AcceleratorError('UNAVAILABLE', 0, 'the worker gave more output than there is room for'));
      return;
    }
    this.#inFlight.delete(id);
    this.#bytesInFlight -= pending.bytes;
    pending.resolve({
      status: statusName(header.code),
      failedStep: header.failedStep,
      output: this.#outputOf(pending, header, payload),
      metadata: readMetadata(Uint8Array.from(metadata)) ?? [],
      native: (header.flags & FLAG.NATIVE) !== 0,
      hardware: (header.flags & FLAG.HARDWARE) !== 0,
      engineNanoseconds: header.engineTime,
      retryAfterMicroseconds: header.microseconds,
    });
    this.#startWaiting();
  }

  /** In memory of the client's own: the worker writes into shared memory again. */
  #outputOf({ job, place }: Pending, header: Header, payload: Uint8Array): Uint8Array {
    if (place === undefined) return job.output === undefined ? payload : copied(payload, job.output);
    const region = this.granted.region?.bytes ?? payload;
    const end = place.outputOffset + Math.min(header.outputLength, job.outputLength);
    const output =
      job.output === undefined
        ? region.slice(place.outputOffset, end)
        : copied(region.subarray(place.outputOffset, end), job.output);
    this.#allocator?.give(place.offset, place.length);
    return output;
  }

  /** A worker that says nothing is left: its jobs are done by another one, or by the next connection. */
  #watch(): void {
    const [oldest] = this.#inFlight.values();
    if (oldest === undefined || performance.now() - oldest.sent < this.answerMilliseconds) return;
    this.#end(new AcceleratorError('UNAVAILABLE', 0, `nothing within ${this.answerMilliseconds} ms`));
  }

  #startWaiting(): void {
    let started = 0;
    for (const pending of this.#waiting) {
      if (!this.#start(pending)) break;
      started++;
    }
    if (started > 0) this.#waiting = this.#waiting.slice(started);
  }

  #end(reason: AcceleratorError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    clearInterval(this.#watchdog);
    this.#rings?.[Symbol.dispose]();
    this.#socket.destroy();
    const left = [...this.#inFlight.values(), ...this.#waiting];
    this.#inFlight.clear();
    this.#waiting = [];
    this.granted.region?.[Symbol.dispose]();
    for (const { reject } of left) reject(reason);
  }
}

function copied(from: Uint8Array, to: Uint8Array): Uint8Array {
  to.set(from);
  return to.subarray(0, from.length);
}

const idParts = (id: number): { jobLow: number; jobHigh: number } => ({
  jobLow: id >>> 0,
  jobHigh: Math.floor(id / 2 ** 32),
});
