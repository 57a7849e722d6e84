import { expect, it } from '@jest/globals';
import type { SessionActivity } from '@outboard/acceleration';
import type { Bus } from '@outboard/bus';
import { decodeBinary, SessionsHeartbeatRequestSchema, subjects } from '@outboard/contracts';
import { ok, unwrap } from '@outboard/core';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { SessionsHeartbeat } from './sessions-heartbeat.js';

const counters = {
  completedJobs: 7,
  failedJobs: 1,
  inputBytes: 700,
  outputBytes: 0,
  engineNanoseconds: 12_600,
  latency: [8],
};
const activityOf = (sessionUid: string, connections: number): SessionActivity => ({
  sessionUid,
  epoch: 2,
  weight: 1,
  connections,
  queuedJobs: 0,
  counters,
});

it('sessions that have a connection are told every five seconds, and once more when they have none any more', async () => {
  const clock = new ManualClock();
  const told: (readonly [string, string[]])[] = [];
  const bus = {
    request: async (subject: string, { body }: { body: Uint8Array }) => {
      const { sessions } = unwrap(decodeBinary(SessionsHeartbeatRequestSchema, body));
      told.push([subject, sessions.map(({ sessionUid, connections }) => `${sessionUid} ${connections}`)]);
      expect(sessions[0]).toMatchObject({ epoch: 2, completedJobs: 7n, engineMicroseconds: 13n });
      return ok({ headers: {}, body: new Uint8Array() });
    },
  };
  let now = [activityOf('used', 1), activityOf('idle', 0)];
  const heartbeat = new SessionsHeartbeat({
    dpu: 'dpu-1',
    incarnation: 'first',
    dataPath: { activity: async () => ({ sessions: now, threads: [], engines: [], faults: [] }) },
    clock,
    log: new RecordingLog(),
  });
  heartbeat.connected(bus as unknown as Bus);
  await clock.advance(0);
  now = [activityOf('used', 0), activityOf('idle', 0)];
  await clock.advance(5_000);
  await clock.advance(5_000);
  const subject = subjects.dpu('dpu-1', 'heartbeat', 'acceleration');
  expect(told).toEqual([
    [subject, ['used 1']],
    [subject, ['used 0']],
  ]);
  heartbeat[Symbol.dispose]();
  expect(clock.nextAlarmIn).toBeUndefined();
});
