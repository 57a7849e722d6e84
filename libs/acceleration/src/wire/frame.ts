/**
 * The frames of the data path, version 1 (docs/acceleration.md): little-endian headers of one cache line, of which
 * `inlineLength` bytes follow on a socket (metadata, then payload). In a ring the same header is followed by metadata only.
 */
export const FRAME_VERSION = 1;
/** One cache line. */
export const HEADER_BYTES = 64;

/** Types of frames, by who sends them. */
export const FRAME = {
  /** Client: the first frame. The payload is the token. */
  HELLO: 1,
  /** Worker: the answer, with the shared memory's descriptor if there is any. After another status than OK it closes. */
  WELCOME: 2,
  /** Client: a job. */
  SUBMIT: 3,
  /** Worker: how a job ended. One for each that was submitted, in any order. */
  COMPLETE: 4,
  /** Client: a job is no longer wanted. It completes all the same, as CANCELLED unless it was too late. */
  CANCEL: 5,
  /** Client: PONG is answered with the same job id. */
  PING: 6,
  PONG: 7,
  /** Worker: the last frame, with the reason as status. What has not completed was not done. */
  GOAWAY: 8,
  /** Either: there is something in a ring whose reader had said that it waits. */
  WAKE: 9,
} as const;

/** Bits of `flags`, by the frames that have them. */
export const FLAG = {
  /** SUBMIT: input is in shared memory at `inputOffset`, not inline. HELLO: shared memory is wanted. */
  INPUT_SHARED: 1,
  /** SUBMIT, COMPLETE: output is in shared memory at `outputOffset`. */
  OUTPUT_SHARED: 2,
  /** HELLO, WELCOME: jobs may be submitted and completed in rings in shared memory. */
  RINGS: 4,
  /** COMPLETE: all steps ran in a native library, or in hardware. */
  NATIVE: 8,
  HARDWARE: 16,
  /** HELLO: the client would rather be woken for several completions at once than for each. */
  BATCHES: 32,
} as const;

/** Where the fields are in the header. Those that a frame does not use are 0. */
export const FIELD = {
  /** u32: bytes that follow the header on a socket. */
  inlineLength: 0,
  /** u8. */
  type: 4,
  /** u8: of the format. HELLO: the highest that the client speaks; WELCOME: the one that both do. */
  version: 5,
  /** u16. */
  flags: 6,
  /** u64: chosen by the client, given back. Unique among the jobs in flight. */
  jobId: 8,
  /** u32: of the session. */
  epoch: 20,
  /** SUBMIT u16: the program. COMPLETE, WELCOME, GOAWAY u16: the status. */
  program: 24,
  status: 24,
  /** COMPLETE u8: the step that failed, from 1; 0: none did. */
  failedStep: 26,
  /** u8: eights of bytes of metadata. */
  metadataLength: 27,
  /** SUBMIT u32: microseconds from its arrival within which it must have begun; 0: none. */
  deadline: 28,
  /** COMPLETE u32: microseconds after which BUSY may be tried again. */
  retryAfter: 28,
  /** SUBMIT u32: bytes. COMPLETE u32: bytes of input that were used: all or none. */
  inputLength: 32,
  /** SUBMIT u32: room for output, bytes. COMPLETE u32: bytes of output. */
  outputLength: 36,
  /** SUBMIT u64. HELLO, WELCOME u64: bytes of shared memory that are wanted, that there are. */
  inputOffset: 40,
  regionLength: 40,
  /** SUBMIT, COMPLETE u64. WELCOME u64: where payload may begin in shared memory; before it are the rings. */
  outputOffset: 48,
  payloadOffset: 48,
  /** COMPLETE u32: nanoseconds of the engines, which the session's share is charged with. */
  engineTime: 56,
  /** WELCOME: what may be in flight on this connection. u16 jobs, u16 64 KiB of input and room for output. */
  grantedJobs: 60,
  grantedUnits: 62,
} as const;

/** What `grantedUnits` counts in, bytes. */
export const GRANT_UNIT = 64 * 1024;
/** Largest input and largest room for output of one job, bytes: 1 MiB, and what it may grow by. */
export const MAXIMUM_TRANSFER = (1 << 20) + 64 * 1024;
/** Most metadata of one frame, bytes. */
const MAXIMUM_METADATA = 255 * 8;
/** Most that may follow a header, bytes. */
export const MAXIMUM_INLINE = MAXIMUM_METADATA + MAXIMUM_TRANSFER;
/** The secret of a session, which HELLO carries. */
export const TOKEN_BYTES = 32;

/**
 * What is in the 64 bytes before each frame. A class, so that all headers have one shape: whatever reads or writes some of
 * several shapes takes five times as long.
 */
export class Header {
  inlineLength = 0;
  version: number = FRAME_VERSION;
  flags = 0;
  jobLow = 0;
  jobHigh = 0;
  epoch = 0;
  /** The program or the status. */
  code = 0;
  failedStep = 0;
  metadataBytes = 0;
  /** The deadline or the time to retry after, microseconds. */
  microseconds = 0;
  inputLength = 0;
  outputLength = 0;
  /** Numbers: whoever sends more than 2^53 means an offset that no region has. */
  inputOffset = 0;
  outputOffset = 0;
  engineTime = 0;
  grantedJobs = 0;
  grantedUnits = 0;

  constructor(public type: number) {}
}

/** A header of this version that says nothing but its type, and these fields. */
export const headerOf = (type: number, fields: Partial<Header> = {}): Header =>
  Object.assign(new Header(type), fields);

const HIGH = 2 ** 32;

/** Writes all of the header at `at`, with zeros where nothing is said. */
export function writeHeader(view: DataView, at: number, header: Header): void {
  view.setUint32(at + FIELD.inlineLength, header.inlineLength, true);
  view.setUint8(at + FIELD.type, header.type);
  view.setUint8(at + FIELD.version, header.version);
  view.setUint16(at + FIELD.flags, header.flags, true);
  view.setUint32(at + FIELD.jobId, header.jobLow, true);
  view.setUint32(at + FIELD.jobId + 4, header.jobHigh, true);
  view.setUint32(at + 16, 0, true);
  view.setUint32(at + FIELD.epoch, header.epoch, true);
  view.setUint16(at + FIELD.program, header.code, true);
  view.setUint8(at + FIELD.failedStep, header.failedStep);
  view.setUint8(at + FIELD.metadataLength, header.metadataBytes / 8);
  view.setUint32(at + FIELD.deadline, header.microseconds, true);
  view.setUint32(at + FIELD.inputLength, header.inputLength, true);
  view.setUint32(at + FIELD.outputLength, header.outputLength, true);
  view.setUint32(at + FIELD.inputOffset, header.inputOffset, true);
  view.setUint32(at + FIELD.inputOffset + 4, header.inputOffset / HIGH, true);
  view.setUint32(at + FIELD.outputOffset, header.outputOffset, true);
  view.setUint32(at + FIELD.outputOffset + 4, header.outputOffset / HIGH, true);
  view.setUint32(at + FIELD.engineTime, header.engineTime, true);
  view.setUint16(at + FIELD.grantedJobs, header.grantedJobs, true);
  view.setUint16(at + FIELD.grantedUnits, header.grantedUnits, true);
}

/**
 * Reads each field once, into `header` if there is one: nothing is checked, and in memory of another process nothing would
 * stay as it was.
 */
export function readHeader(view: DataView, at: number, header: Header = new Header(0)): Header {
  header.inlineLength = view.getUint32(at + FIELD.inlineLength, true);
  header.type = view.getUint8(at + FIELD.type);
  header.version = view.getUint8(at + FIELD.version);
  header.flags = view.getUint16(at + FIELD.flags, true);
  header.jobLow = view.getUint32(at + FIELD.jobId, true);
  header.jobHigh = view.getUint32(at + FIELD.jobId + 4, true);
  header.epoch = view.getUint32(at + FIELD.epoch, true);
  header.code = view.getUint16(at + FIELD.program, true);
  header.failedStep = view.getUint8(at + FIELD.failedStep);
  header.metadataBytes = view.getUint8(at + FIELD.metadataLength) * 8;
  header.microseconds = view.getUint32(at + FIELD.deadline, true);
  header.inputLength = view.getUint32(at + FIELD.inputLength, true);
  header.outputLength = view.getUint32(at + FIELD.outputLength, true);
  header.inputOffset = readOffset(view, at + FIELD.inputOffset);
  header.outputOffset = readOffset(view, at + FIELD.outputOffset);
  header.engineTime = view.getUint32(at + FIELD.engineTime, true);
  header.grantedJobs = view.getUint16(at + FIELD.grantedJobs, true);
  header.grantedUnits = view.getUint16(at + FIELD.grantedUnits, true);
  return header;
}

const readOffset = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * HIGH;

/** Whether `[offset, offset + length)` is in `[from, to)`. */
export const isWithin = (offset: number, length: number, from: number, to: number): boolean =>
  offset >= from && length <= to - offset;
