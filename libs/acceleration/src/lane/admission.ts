import { STATUS, type Status } from '../wire/status.js';
import type { Connection, ReceivedFrame } from './connection.js';
import { locateData } from './job-data.js';
import { Job, type LaneSession } from './lane-session.js';

/** The job that a SUBMIT is, held against what the session was granted; or why it is none. `now`: monotonic milliseconds. */
export function admit(
  connection: Connection,
  session: LaneSession,
  frame: ReceivedFrame,
  now: number,
): Job | Status {
  const { header, metadata, payload, inRing } = frame;
  const { grant, pipelines } = session;
  if (header.epoch !== grant.epoch) return STATUS.STALE_EPOCH;
  if (!pipelines.has(header.code)) return STATUS.NOT_FOUND;
  const pipeline = pipelines.get(header.code);
  if (pipeline === undefined) return STATUS.UNSUPPORTED;
  // A program of another lane: its socket is elsewhere.
  if (typeof pipeline === 'string') return STATUS.INVALID_ARGUMENT;
  const data = locateData(header, metadata, payload, connection.views);
  if (typeof data === 'number') return data;
  // What completes in the ring has no room for output there.
  if (inRing && data.outputOffset < 0 && data.outputLength > 0) return STATUS.INVALID_ARGUMENT;
  if (exceedsGrant(connection, session, data.input.length + data.outputLength)) return STATUS.BUSY;
  const { jobLow, jobHigh, microseconds, inlineLength } = header;
  const chunk = inRing || inlineLength === 0 ? undefined : connection.retainInput();
  const deadline = microseconds === 0 ? Number.POSITIVE_INFINITY : now + microseconds / 1000;
  return new Job(connection, session, pipeline, jobLow, jobHigh, data, chunk, inRing, now, deadline);
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
