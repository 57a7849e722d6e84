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
  const world = new HeartbeatWorld([activityOf('used', 1), activityOf('idle', 0)]);
  await world.start();
  world.sessions = [activityOf('used', 0), activityOf('idle', 0)];
  await world.clock.advance(5_000);
  await world.clock.advance(5_000);
  expect(world.told).toEqual([['used 1'], ['used 0']]);
  world.stop();
});

it('sessions that were connected are told as such while a thread stands still, and no longer', async () => {
  const world = new HeartbeatWorld([activityOf('used', 1)]);
  await world.start();
  world.sessions = [activityOf('used', 0)];
  world.isStandingStill = true;
  await world.clock.advance(5_000);
  await world.clock.advance(5_000);
  world.isStandingStill = false;
  await world.clock.advance(5_000);
  await world.clock.advance(5_000);
  expect(world.told).toEqual([['used 1'], ['used 1'], ['used 1'], ['used 0']]);
  world.stop();
});

it('a thread that stands still is a problem of the worker, in its log once, until it answers again', async () => {
  const world = new HeartbeatWorld([]);
  await world.start();
  expect(world.problem).toBeUndefined();
  world.isStandingStill = true;
  await world.clock.advance(5_000);
  await world.clock.advance(5_000);
  const problem = 'threads of acceleration stand still, and the jobs on them: LIGHT 0';
  expect(world.problem).toBe(problem);
  world.isStandingStill = false;
  await world.clock.advance(5_000);
  expect(world.problem).toBeUndefined();
  expect(world.log.lines.map(({ level, sentence }) => `${level} ${sentence}`)).toEqual([
    `warn ${problem}`,
    'info all threads of acceleration answer again',
  ]);
  world.stop();
});

/** A data path that says what the test wants, and a broker that hears it. */
class HeartbeatWorld {
  readonly clock = new ManualClock();
  readonly told: string[][] = [];
  readonly log = new RecordingLog();
  isStandingStill = false;
  readonly #heartbeat = new SessionsHeartbeat({
    dpu: 'dpu-1',
    incarnation: 'first',
    dataPath: {
      activity: async () => ({
        sessions: this.sessions,
        threads: this.isStandingStill ? [{ lane: 'LIGHT', index: 0, activity: undefined }] : [],
        engines: [],
        faults: [],
      }),
    },
    clock: this.clock,
    log: this.log,
  });

  constructor(public sessions: readonly SessionActivity[]) {}

  async start(): Promise<void> {
    const bus = {
      request: async (subject: string, { body }: { body: Uint8Array }) => {
        const { sessions } = unwrap(decodeBinary(SessionsHeartbeatRequestSchema, body));
        expect(subject).toBe(subjects.dpu('dpu-1', 'heartbeat', 'acceleration'));
        expect(sessions[0]).toMatchObject({ epoch: 2, completedJobs: 7n, engineMicroseconds: 13n });
        this.told.push(sessions.map(({ sessionUid, connections }) => `${sessionUid} ${connections}`));
        return ok({ headers: {}, body: new Uint8Array() });
      },
    };
    this.#heartbeat.connected(bus as unknown as Bus);
    await this.clock.advance(0);
  }

  get problem(): string | undefined {
    return this.#heartbeat.problem;
  }

  stop(): void {
    this.#heartbeat[Symbol.dispose]();
    expect(this.clock.nextAlarmIn).toBeUndefined();
  }
}
