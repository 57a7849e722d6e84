import type { Outcome } from '../program/pipeline.js';
import { emptyHeader, FLAG, FRAME, HEADER_BYTES, type Header, writeHeader } from '../wire/frame.js';
import { SLOT_METADATA } from '../wire/ring.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Connection } from './connection.js';
import type { Job } from './lane-session.js';

/** After which BUSY may be tried again, microseconds. */
const RETRY_MICROSECONDS = 1000;
const MAXIMUM_U32 = 0xffff_ffff;
const NOTHING = new Uint8Array();

/**
 * Does a job whose turn it is, unless its time is over, and writes its completion where the connection's client looks for
 * it. `began` is now, in monotonic milliseconds.
 */
export function complete(job: Job, began: number): Status {
  const { connection, pipeline, outputOffset, outputLength } = job;
  if (began >= job.deadline) return settle(job, STATUS.DEADLINE_EXCEEDED, began);
  const { completionBytes } = pipeline;
  if (outputOffset === undefined && !job.inRing) {
    const room = connection.output.reserve(HEADER_BYTES + completionBytes + outputLength);
    const results = room.at + HEADER_BYTES;
    const start = results + completionBytes;
    const outcome = run(
      job,
      room.bytes.subarray(start, start + outputLength),
      false,
      room.bytes.subarray(results, start),
    );
    const header = completionOf(job, outcome, began);
    header.inlineLength = header.metadataBytes + header.outputLength;
    writeHeader(room.view, room.at, header);
    connection.output.commit(HEADER_BYTES + header.inlineLength);
    return outcome.status;
  }
  const { region } = connection;
  const output =
    outputOffset === undefined || region === undefined
      ? NOTHING
      : region.bytes.subarray(outputOffset, outputOffset + outputLength);
  const results = resultsOf(job);
  const outcome = run(job, output, true, results);
  const header = completionOf(job, outcome, began);
  header.flags |= FLAG.OUTPUT_SHARED;
  header.outputOffset = outputOffset ?? 0;
  publish(connection, header, job.inRing, results);
  return outcome.status;
}

/** A job that was not begun. */
function settle(job: Job, status: Status, now: number): Status {
  const { session, connection, jobLow, jobHigh, inRing } = job;
  session.counters.count(false, 0, 0, 0, microseconds(now - job.arrival));
  refuse(connection, { jobLow, jobHigh }, inRing, status);
  return status;
}

/** A completion without results: the job was not done. */
export function refuse(
  connection: Connection,
  { jobLow, jobHigh }: Pick<Header, 'jobLow' | 'jobHigh'>,
  inRing: boolean,
  status: Status,
): void {
  const header: Header = {
    ...emptyHeader(FRAME.COMPLETE),
    epoch: connection.epoch ?? 0,
    jobLow,
    jobHigh,
    code: status,
    microseconds: status === STATUS.BUSY ? RETRY_MICROSECONDS : 0,
  };
  publish(connection, header, inRing, NOTHING);
}

function run(job: Job, output: Uint8Array, outputShared: boolean, results: Uint8Array): Outcome {
  const { pipeline, input, inputShared, metadata } = job;
  try {
    return pipeline.run({ input, inputShared, output, outputShared, metadata, results });
  } catch {
    // An engine that breaks its contract fails the job, not the thread.
    return { status: STATUS.ENGINE_FAILED, failedStep: 0, produced: 0 };
  }
}

function completionOf(job: Job, outcome: Outcome, began: number): Header {
  const { session, pipeline, input } = job;
  const { status, failedStep, produced } = outcome;
  const now = performance.now();
  const engineTime = Math.min(MAXIMUM_U32, Math.round((now - began) * 1e6));
  const isDone = status === STATUS.OK;
  const used = isDone ? input.length : 0;
  session.counters.count(isDone, used, produced, engineTime, microseconds(now - job.arrival));
  return {
    ...emptyHeader(FRAME.COMPLETE),
    flags: (pipeline.native ? FLAG.NATIVE : 0) | (pipeline.hardware ? FLAG.HARDWARE : 0),
    epoch: session.grant.epoch,
    jobLow: job.jobLow,
    jobHigh: job.jobHigh,
    code: status,
    failedStep,
    metadataBytes: isDone ? pipeline.completionBytes : 0,
    microseconds: status === STATUS.BUSY ? RETRY_MICROSECONDS : 0,
    inputLength: used,
    outputLength: produced,
    engineTime,
  };
}

/** Where a job's results are made: results are copied out of it, so that nothing is made in memory that others write. */
const made = new Uint8Array(1024);
const resultsOf = ({ pipeline }: Job): Uint8Array => made.subarray(0, pipeline.completionBytes);

/** Over the socket, or in the ring if that has room for it; a client that waits for its ring is woken. */
function publish(connection: Connection, header: Header, inRing: boolean, results: Uint8Array): void {
  const { rings } = connection;
  const metadata = results.subarray(0, header.metadataBytes);
  header.inlineLength = header.metadataBytes;
  if (inRing && rings !== undefined && metadata.length <= SLOT_METADATA && !rings.completions.isFull) {
    rings.completions.metadata(metadata.length).set(metadata);
    writeHeader(rings.completions.view, 0, header);
    rings.completions.write(metadata.length);
    if (rings.clientWaits.take()) connection.send(emptyHeader(FRAME.WAKE));
    return;
  }
  const room = connection.output.reserve(HEADER_BYTES + metadata.length);
  writeHeader(room.view, room.at, header);
  room.bytes.set(metadata, room.at + HEADER_BYTES);
  connection.output.commit(HEADER_BYTES + metadata.length);
}

const microseconds = (milliseconds: number): number => Math.max(0, Math.round(milliseconds * 1000));
