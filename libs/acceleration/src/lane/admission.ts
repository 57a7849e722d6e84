import type { Header } from '../wire/frame.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Connection, ReceivedFrame } from './connection.js';
import { locateData } from './job-data.js';
import type { Job, LaneSession } from './lane-session.js';

/** The job that a SUBMIT is, held against what the session was granted; or why it is none. */
export function admit(connection: Connection, session: LaneSession, frame: ReceivedFrame): Job | Status {
  const { header, metadata, payload, inRing } = frame;
  const { grant, pipelines } = session;
  if (header.epoch !== grant.epoch) return STATUS.STALE_EPOCH;
  if (!pipelines.has(header.code)) return STATUS.NOT_FOUND;
  const pipeline = pipelines.get(header.code);
  if (pipeline === undefined) return STATUS.UNSUPPORTED;
  // A program of another lane: its socket is elsewhere.
  if (typeof pipeline === 'string') return STATUS.INVALID_ARGUMENT;
  const data = locateData(header, metadata, payload, connection.region?.bytes);
  if (typeof data === 'number') return data;
  // What completes in the ring has no room for output there.
  if (inRing && data.outputOffset === undefined && header.outputLength > 0) return STATUS.INVALID_ARGUMENT;
  if (exceedsGrant(connection, session, data.input.length + header.outputLength)) return STATUS.BUSY;
  const arrival = performance.now();
  return {
    ...data,
    connection,
    session,
    pipeline,
    inRing,
    arrival,
    jobLow: header.jobLow,
    jobHigh: header.jobHigh,
    outputLength: header.outputLength,
    chunk: inRing || header.inlineLength === 0 ? undefined : connection.retainInput(),
    deadline: deadlineOf(header, arrival),
    done: false,
  };
}

/** A first job is always taken, however large: otherwise it could never be done. */
function exceedsGrant(connection: Connection, { grant }: LaneSession, bytes: number): boolean {
  const { jobsInFlight, bytesInFlight, output } = connection;
  return (
    jobsInFlight >= grant.maximumJobs ||
    (jobsInFlight > 0 && bytesInFlight + bytes > grant.maximumBytes) ||
    output.pending > grant.maximumBytes
  );
}

const deadlineOf = ({ microseconds }: Header, arrival: number): number =>
  microseconds === 0 ? Number.POSITIVE_INFINITY : arrival + microseconds / 1000;

/** What a job takes of its connection's grant, bytes. */
export const bytesOf = ({ input, outputLength }: Job): number => input.length + outputLength;
