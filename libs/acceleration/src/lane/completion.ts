import { JobDropped } from '../engine/fault.js';
import { monotonic } from '../monotonic.js';
import { FLAG, FRAME, HEADER_BYTES, type Header, headerOf, writeHeader } from '../wire/frame.js';
import { SLOT_METADATA } from '../wire/ring.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Connection } from './connection.js';
import type { Job } from './lane-session.js';

/** After which BUSY may be tried again, microseconds. */
const RETRY_MICROSECONDS = 1000;
const MAXIMUM_U32 = 0xffff_ffff;
const NOTHING = new Uint8Array();

/** Does jobs whose turn it is and writes their completions where the connection's client looks for them. */
export class Completer {
  /** How the last job ended. */
  status: Status = STATUS.OK;
  /** Of the completion that is being made: used again by the next. */
  readonly #header = headerOf(FRAME.COMPLETE);

  /**
   * Does one, unless its time is over. `began` is now and the result is when it ended, in monotonic milliseconds. What has
   * not ended before the lease does is nobody's result: the session may be served elsewhere by then.
   */
  complete(job: Job, began: number, leaseEnd: number): number {
    const { connection, pipeline, data } = job;
    if (began >= leaseEnd) return this.#notBegun(job, began, STATUS.UNAVAILABLE);
    if (began >= job.deadline) return this.#notBegun(job, began, STATUS.DEADLINE_EXCEEDED);
    const { results } = pipeline;
    const { outputOffset, outputLength } = data;
    if (outputOffset < 0 && !job.inRing) {
      const room = connection.output.reserve(HEADER_BYTES + results.length + outputLength);
      const metadata = room.at + HEADER_BYTES;
      const start = metadata + results.length;
      if (!this.#run(job, room.bytes.subarray(start, start + outputLength), false, began)) return monotonic();
      const ended = this.#describe(job, began, leaseEnd);
      const header = this.#header;
      header.inlineLength = header.metadataBytes + header.outputLength;
      writeHeader(room.view, room.at, header);
      if (header.metadataBytes > 0) room.bytes.set(results, metadata);
      connection.output.commit(HEADER_BYTES + header.inlineLength);
      connection.moderation.completed(1);
      return ended;
    }
    const output =
      outputOffset < 0 ? NOTHING : (connection.views?.view(outputOffset, outputLength) ?? NOTHING);
    if (!this.#run(job, output, true, began)) return monotonic();
    const ended = this.#describe(job, began, leaseEnd);
    const header = this.#header;
    header.flags |= FLAG.OUTPUT_SHARED;
    header.outputOffset = Math.max(0, outputOffset);
    publish(connection, header, job.inRing, results);
    return ended;
  }

  /** False: a fault that was injected has it that nobody is told. */
  #run({ pipeline, data }: Job, output: Uint8Array, outputShared: boolean, began: number): boolean {
    try {
      const { input, inputShared, metadata } = data;
      this.status = pipeline.run(input, inputShared, output, outputShared, metadata, began);
      return true;
    } catch (failure) {
      if (failure instanceof JobDropped) return false;
      throw failure;
    }
  }

  #notBegun(job: Job, now: number, status: Status): number {
    const { session, connection } = job;
    session.counters.count(false, 0, 0, 0, microseconds(now - job.arrival));
    refuse(connection, job, job.inRing, status);
    this.status = status;
    return now;
  }

  /** Makes the header of a job's completion, and counts it. */
  #describe(job: Job, began: number, leaseEnd: number): number {
    const { session, pipeline, data } = job;
    const { failedStep, ended } = pipeline;
    if (ended >= leaseEnd) this.status = STATUS.UNAVAILABLE;
    const { status } = this;
    const produced = status === STATUS.UNAVAILABLE ? 0 : pipeline.produced;
    const header = this.#header;
    const isDone = status === STATUS.OK;
    header.flags = (pipeline.native ? FLAG.NATIVE : 0) | (pipeline.hardware ? FLAG.HARDWARE : 0);
    header.epoch = session.grant.epoch;
    header.jobLow = job.jobLow;
    header.jobHigh = job.jobHigh;
    header.code = status;
    header.failedStep = failedStep;
    header.metadataBytes = isDone ? pipeline.results.length : 0;
    header.microseconds = status === STATUS.BUSY ? RETRY_MICROSECONDS : 0;
    header.inputLength = isDone ? data.input.length : 0;
    header.outputLength = produced;
    header.outputOffset = 0;
    header.engineTime = Math.min(MAXIMUM_U32, Math.round((ended - began) * 1e6));
    session.counters.count(
      isDone,
      header.inputLength,
      produced,
      header.engineTime,
      microseconds(ended - job.arrival),
    );
    return ended;
  }
}

/** A completion without results: the job was not done. */
export function refuse(
  connection: Connection,
  { jobLow, jobHigh }: Pick<Header, 'jobLow' | 'jobHigh'>,
  inRing: boolean,
  status: Status,
): void {
  const header = headerOf(FRAME.COMPLETE);
  header.epoch = connection.epoch ?? 0;
  header.jobLow = jobLow;
  header.jobHigh = jobHigh;
  header.code = status;
  header.microseconds = status === STATUS.BUSY ? RETRY_MICROSECONDS : 0;
  publish(connection, header, inRing, NOTHING);
}

/** Over the socket, or in the ring if that has room for it. */
function publish(connection: Connection, header: Header, inRing: boolean, results: Uint8Array): void {
  const { rings } = connection;
  const length = header.metadataBytes;
  header.inlineLength = length;
  connection.moderation.completed(1);
  if (inRing && rings !== undefined && length <= SLOT_METADATA && !rings.completions.isFull) {
    writeHeader(rings.completions.view, 0, header);
    if (rings.completions.write(length > 0 ? results : NOTHING)) connection.showCompletions();
    return;
  }
  const room = connection.output.reserve(HEADER_BYTES + length);
  writeHeader(room.view, room.at, header);
  if (length > 0) room.bytes.set(results, room.at + HEADER_BYTES);
  connection.output.commit(HEADER_BYTES + length);
}

const microseconds = (milliseconds: number): number => Math.max(0, Math.round(milliseconds * 1000));
