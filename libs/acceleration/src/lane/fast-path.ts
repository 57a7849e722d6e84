import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bindLibrary, type FixedPlace, fixedPlace, LibraryUnavailable } from '@outboard/ffi';
import type { ThreadKeyVersion } from '../keys/thread-keys.js';
import { monotonic, sharedMonotonic } from '../monotonic.js';
import { PAGE } from '../program/scratch.js';
import { FIELD, FLAG, HEADER_BYTES, MAXIMUM_TRANSFER } from '../wire/frame.js';
import { entryBytes } from '../wire/metadata.js';
import type { Connection } from './connection.js';
import { LATENCY_BUCKETS, type SessionCounters } from './counters.js';
import type { ReceiveBuffer } from './receive-buffer.js';

/** Where the doubles of `struct work` are (native/fast-path.c). */
const WORK = {
  decrypts: 0,
  scratch: 1,
  context: 2,
  keyState: 3,
  keyVersion: 4,
  noncePrefix: 5,
  nonceHigh: 6,
  nonceLow: 7,
  nonces: 8,
  program: 9,
  epoch: 10,
  region: 11,
  regionLength: 12,
  input: 13,
  inputAt: 14,
  inputEnd: 15,
  output: 16,
  outputAt: 17,
  outputEnd: 18,
  arrival: 19,
  enough: 20,
  until: 21,
  leaseEnd: 22,
  jobs: 23,
  bytes: 24,
  engineNanoseconds: 25,
  ended: 26,
  latency: 27,
} as const;
const WORDS = WORK.latency + LATENCY_BUCKETS;
const NANOSECONDS = 1e6;
const LOOKS_AT_CLOCKS = 64;
/** Of a completion: nonce, tag, version of the key. */
const RESULT_BYTES = entryBytes(12) + entryBytes(16) + entryBytes(4);
/** Completions that are sent together: while the client takes them in, the next are made. */
const BATCH_BYTES = 64 * 1024;

/** Why a call ended: there is nothing more; the next frame is for the general way; it is for a later call. */
export type FastPathEnd = 'NO_MORE' | 'NOT_PLAIN' | 'LATER';
const ENDS: readonly FastPathEnd[] = ['NO_MORE', 'NOT_PLAIN', 'LATER'];

/** What jobs must be for and what they are done with; times in monotonic milliseconds. */
export interface PlainWork {
  readonly decrypts: boolean;
  readonly program: number;
  readonly epoch: number;
  readonly key: ThreadKeyVersion;
  /** EVP_CIPHER_CTX with the key, for the one or the other. */
  readonly context: number;
  /**
   * When the frames came; until when jobs begin, and until when if it is less than half of what a socket has brought; when the
   * lease ends.
   */
  readonly arrival: number;
  readonly enough: number;
  readonly until: number;
  readonly leaseEnd: number;
}

/** The plain jobs that come first, done in native code: one call for many (docs/adr/0033). */
export class FastPath {
  /** Jobs since it was opened. */
  total = 0;
  /** Of the last call. */
  jobs = 0;
  bytes = 0;
  /** Monotonic milliseconds: when its last job ended. */
  ended = 0;
  readonly #scratch = fixedPlace(MAXIMUM_TRANSFER + PAGE);
  readonly #place: FixedPlace = fixedPlace(WORDS * 8);
  readonly #work = new Float64Array(this.#place.bytes.buffer);
  readonly #origin = originOfThread();

  private constructor(private readonly library: Library) {}

  /** Whether there is something to open. */
  static get isBuilt(): boolean {
    return existsSync(LIBRARY);
  }

  /** Undefined: it was not built, or libcrypto is not in use. */
  static open(): FastPath | undefined {
    try {
      const library = bindLibrary(LIBRARY, (shared) => ({
        open: shared.func('int fast_path_open()'),
        words: shared.func('int fast_path_words()'),
        run: shared.func('int fast_path_run(uint64_t)'),
      }));
      return library.words() === WORDS && library.open() === 1 ? new FastPath(library) : undefined;
    } catch (failure) {
      if (failure instanceof LibraryUnavailable) return undefined;
      throw failure;
    }
  }

  /** Those in the connection's ring. */
  runRings(connection: Connection, plain: PlainWork): FastPathEnd {
    const { rings } = connection;
    if (rings === undefined) return 'NO_MORE';
    const work = this.#work;
    work[WORK.input] = 0;
    work[WORK.inputAt] = rings.submissions.counter;
    work[WORK.outputAt] = rings.completions.counter;
    const end = this.#run(connection, plain);
    if (this.jobs > 0) {
      rings.submissions.wasReadUpTo(work[WORK.inputAt] as number);
      rings.completions.wasWrittenUpTo(work[WORK.outputAt] as number);
    }
    return end;
  }

  /** Those in what a socket has brought, of which there is a header. */
  runFrames(connection: Connection, input: ReceiveBuffer, plain: PlainWork): FastPathEnd {
    const { chunk, start } = input;
    const isInline = (chunk.view.getUint16(start + FIELD.flags, true) & FLAG.OUTPUT_SHARED) === 0;
    const length = isInline ? chunk.view.getUint32(start + FIELD.inputLength, true) : 0;
    if (length > MAXIMUM_TRANSFER) return 'NOT_PLAIN';
    const needed = HEADER_BYTES + RESULT_BYTES + length;
    const room = connection.output.reserve(needed);
    const work = this.#work;
    work[WORK.input] = chunk.address;
    work[WORK.inputAt] = start;
    work[WORK.inputEnd] = input.end;
    work[WORK.output] = room.address;
    work[WORK.outputAt] = room.at;
    work[WORK.outputEnd] = Math.min(room.bytes.length, room.at + Math.max(needed, BATCH_BYTES));
    const end = this.#run(connection, plain);
    input.start = work[WORK.inputAt] as number;
    connection.output.commit((work[WORK.outputAt] as number) - room.at);
    return end;
  }

  /** Adds what the last call did. */
  addTo(counters: SessionCounters): void {
    const work = this.#work;
    counters.countPlain(
      this.jobs,
      this.bytes,
      Math.round(work[WORK.engineNanoseconds] as number),
      work.subarray(WORK.latency),
    );
  }

  #run({ region, regionAddress }: Connection, plain: PlainWork): FastPathEnd {
    const { key } = plain;
    const work = this.#work;
    work[WORK.decrypts] = plain.decrypts ? 1 : 0;
    work[WORK.scratch] = this.#scratch.address;
    work[WORK.context] = plain.context;
    work[WORK.keyState] = key.slot.stateAddress;
    work[WORK.keyVersion] = key.version;
    work[WORK.noncePrefix] = key.slot.noncePrefix;
    work[WORK.nonceHigh] = key.nonces.high;
    work[WORK.nonceLow] = key.nonces.low;
    work[WORK.nonces] = key.nonces.left;
    work[WORK.program] = plain.program;
    work[WORK.epoch] = plain.epoch;
    work[WORK.region] = regionAddress;
    work[WORK.regionLength] = region?.bytes.length ?? 0;
    work[WORK.arrival] = this.#origin + plain.arrival * NANOSECONDS;
    work[WORK.enough] = this.#origin + plain.enough * NANOSECONDS;
    work[WORK.until] = this.#origin + plain.until * NANOSECONDS;
    work[WORK.leaseEnd] = this.#origin + plain.leaseEnd * NANOSECONDS;
    work.fill(0, WORK.jobs);
    const end = ENDS[this.library.run(this.#place.address) as number] as FastPathEnd;
    key.nonces.high = work[WORK.nonceHigh] as number;
    key.nonces.low = work[WORK.nonceLow] as number;
    key.nonces.left = work[WORK.nonces] as number;
    this.jobs = work[WORK.jobs] as number;
    this.total += this.jobs;
    this.bytes = work[WORK.bytes] as number;
    this.ended = ((work[WORK.ended] as number) - this.#origin) / NANOSECONDS;
    return end;
  }
}

/**
 * Nanoseconds of CLOCK_MONOTONIC at 0 of this thread's clock. Never too many, as the end of a lease depends on it: what comes
 * between the two looks makes it less, so that the most of several is nearest.
 */
function originOfThread(): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let look = 0; look < LOOKS_AT_CLOCKS; look++) {
    const shared = sharedMonotonic();
    most = Math.max(most, shared - monotonic());
  }
  return most * NANOSECONDS;
}

/** What was built (native/build.mjs), whether this was loaded from sources or not. */
const LIBRARY = fileURLToPath(new URL('../../dist/native/fast-path.so', import.meta.url));

interface Library {
  readonly open: () => number;
  readonly words: () => number;
  readonly run: (work: number) => number;
}
