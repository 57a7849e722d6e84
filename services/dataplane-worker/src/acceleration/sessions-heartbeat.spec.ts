import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { GeneratedVersion, SessionActivity } from '@outboard/acceleration';
import type { Bus } from '@outboard/bus';
import {
  decodeBinary,
  encodeBinary,
  SessionsHeartbeatRequestSchema,
  SessionsHeartbeatResponseSchema,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, unwrap } from '@outboard/core';
import type { DocumentReport } from '@outboard/dataplane';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { SessionsHeartbeat } from './sessions-heartbeat.js';

const LEASE = 9_000;
/** Between two beats. */
const PERIOD = LEASE / 3;

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

it('sessions that have a connection are told with each beat, and once more when they have none any more', async () => {
  const world = new HeartbeatWorld([activityOf('used', 1), activityOf('idle', 0)]);
  await world.start();
  world.sessions = [activityOf('used', 0), activityOf('idle', 0)];
  await world.clock.advance(PERIOD);
  await world.clock.advance(PERIOD);
  expect(world.told).toEqual([['used 1'], ['used 0']]);
  world.stop();
});

describe('keys that were made here', () => {
  const made = (version: number, fingerprint = '0123456789abcdef') => ({ keyUid: 'k', version, fingerprint });
  let world: HeartbeatWorld;
  beforeEach(() => {
    world = new HeartbeatWorld([]);
  });
  afterEach(() => world.stop());
  const beat = async (): Promise<readonly number[][]> => {
    await world.clock.advance(PERIOD);
    return world.toldKeys.splice(0);
  };

  it('are told a thousand a message, once', async () => {
    world.generated = Array.from({ length: 1_001 }, (_, version) => made(version));
    await world.start();
    expect(world.toldKeys.splice(0).map(({ length }) => length)).toEqual([1_000, 1]);
    expect(await beat()).toEqual([[]]);
    world.generated = [...world.generated, made(5_000)];
    expect(await beat()).toEqual([[5_000]]);
    expect(await beat()).toEqual([[]]);
  });

  it('are told again when they were made anew, and when they come back', async () => {
    world.generated = [made(1), made(2)];
    await world.start();
    expect(world.toldKeys.splice(0)).toEqual([[1, 2]]);
    world.generated = [made(1, 'fedcba9876543210')];
    expect(await beat()).toEqual([[1]]);
    world.generated = [made(1, 'fedcba9876543210'), made(2)];
    expect(await beat()).toEqual([[2]]);
  });

  it('are told until they are stored, and all of them to a broker that has started anew', async () => {
    world.generated = [made(1), made(2)];
    world.storedBy = '';
    await world.start();
    await beat();
    world.storedBy = 'one';
    expect(await beat()).toEqual([[1, 2]]);
    expect(await beat()).toEqual([[]]);
    world.generated = [made(1), made(2), made(3)];
    world.isReachable = false;
    expect(await beat()).toEqual([]);
    world.isReachable = true;
    world.storedBy = 'two';
    expect((await beat())[0]).toEqual([3]);
    expect(await beat()).toEqual([[1, 2]]);
    expect(await beat()).toEqual([[]]);
  });
});

it('sessions that were connected are told as such while a thread stands still, and no longer', async () => {
  const world = new HeartbeatWorld([activityOf('used', 1)]);
  await world.start();
  world.sessions = [activityOf('used', 0)];
  world.isStandingStill = true;
  await world.clock.advance(PERIOD);
  await world.clock.advance(PERIOD);
  world.isStandingStill = false;
  await world.clock.advance(PERIOD);
  await world.clock.advance(PERIOD);
  expect(world.told).toEqual([['used 1'], ['used 1'], ['used 1'], ['used 0']]);
  world.stop();
});

it('a thread that stands still is a problem of the worker, in its log once, until it answers again; the broker is told at the third beat', async () => {
  const world = new HeartbeatWorld([]);
  await world.start();
  expect(world.problem).toBeUndefined();
  world.isStandingStill = true;
  await world.clock.advance(PERIOD);
  await world.clock.advance(PERIOD);
  expect(world.stalled).toEqual([false, false, false]);
  await world.clock.advance(PERIOD);
  expect(world.stalled.at(-1)).toBe(true);
  const problem = 'threads of acceleration stand still, and the jobs on them: LIGHT 0';
  expect(world.problem).toBe(problem);
  world.isStandingStill = false;
  await world.clock.advance(PERIOD);
  expect(world.problem).toBeUndefined();
  expect(world.stalled.at(-1)).toBe(false);
  expect(world.log.lines.map(({ level, sentence }) => `${level} ${sentence}`)).toEqual([
    `warn ${problem}`,
    'info all threads of acceleration answer again',
  ]);
  world.stop();
});

it('the lease is renewed three times within its length, from the moment of asking, for what is served', async () => {
  const world = new HeartbeatWorld([]);
  world.answerAfter = 500;
  await world.start();
  await world.clock.advance(500);
  expect(world.leases).toEqual([LEASE - 500]);
  world.report();
  await world.clock.advance(LEASE);
  expect(world.leases).toHaveLength(3);
  expect(world.applied).toEqual(['-', 'one 7', 'one 7']);
  world.stop();
});

it('what is too old for a lease is synchronised at once, and asked for again when it was applied', async () => {
  const world = new HeartbeatWorld([]);
  world.lease = 0;
  await world.start();
  expect([world.leases, world.outdated]).toEqual([[], 1]);
  world.lease = LEASE;
  world.report();
  await world.clock.advance(0);
  expect(world.leases).toEqual([LEASE]);
  // With a lease nothing is hurried.
  world.report();
  await world.clock.advance(0);
  expect(world.leases).toHaveLength(1);
  world.stop();
});

it('sessions that nobody may use are a problem of the worker, in its log once, until there is a lease again', async () => {
  const world = new HeartbeatWorld([activityOf('used', 1)]);
  await world.start();
  world.isReachable = false;
  await world.clock.advance(LEASE);
  await world.clock.advance(LEASE);
  const problem = 'sessions of acceleration are not served: the broker does not renew their lease';
  expect(world.problem).toBe(problem);
  world.isReachable = true;
  await world.clock.advance(PERIOD);
  expect(world.problem).toBeUndefined();
  const told = world.log.lines.filter(({ level }) => level !== 'debug');
  expect(told.map(({ level, sentence }) => `${level} ${sentence}`)).toEqual([
    `warn ${problem}`,
    'info the lease of the sessions is renewed',
  ]);
  world.stop();
});

/** A data path that says what the test wants, an engine with what it has applied, and a broker that hears it. */
class HeartbeatWorld {
  readonly clock = new ManualClock();
  readonly told: string[][] = [];
  readonly stalled: boolean[] = [];
  /** What was asked for a lease: `epoch sequence`. */
  readonly applied: string[] = [];
  /** What was left of them when the data path heard of them, milliseconds. */
  readonly leases: number[] = [];
  readonly log = new RecordingLog();
  lease = LEASE;
  storedBy = 'broker';
  answerAfter = 0;
  outdated = 0;
  isReachable = true;
  isStandingStill = false;
  #version: { epoch: string; sequence: bigint; digest: Uint8Array } | undefined;
  #listener: (report: DocumentReport) => void = () => {};
  generated: readonly GeneratedVersion[] = [];
  readonly toldKeys: number[][] = [];
  readonly #heartbeat: SessionsHeartbeat;

  constructor(public sessions: readonly SessionActivity[]) {
    const version = () => this.#version;
    this.#heartbeat = new SessionsHeartbeat({
      dpu: 'dpu-1',
      incarnation: 'first',
      dataPath: {
        activity: async () => ({
          sessions: this.sessions,
          threads: this.isStandingStill ? [{ lane: 'LIGHT', index: 0, activity: undefined }] : [],
          engines: [],
          faults: [],
        }),
        generatedKeys: () => this.generated,
        renewLease: async (end) => {
          this.leases.push(end - this.clock.monotonic());
        },
      },
      served: {
        get applied() {
          return version();
        },
        onReport: (listener) => {
          this.#listener = listener;
          return { [Symbol.dispose]: () => {} };
        },
      },
      outdated: () => {
        this.outdated++;
      },
      clock: this.clock,
      log: this.log,
    });
  }

  async start(): Promise<void> {
    const bus = {
      request: async (subject: string, { body }: { body: Uint8Array }) => {
        if (!this.isReachable) return err(new AppError('UNAVAILABLE', 'nobody answers'));
        await this.clock.delay(this.answerAfter);
        const { sessions, applied, stalled, generatedKeys } = unwrap(
          decodeBinary(SessionsHeartbeatRequestSchema, body),
        );
        this.toldKeys.push(generatedKeys.map(({ version }) => version));
        expect(subject).toBe(subjects.dpu('dpu-1', 'heartbeat', 'acceleration'));
        this.stalled.push(stalled);
        this.applied.push(applied ? `${applied.epoch} ${applied.sequence}` : '-');
        if (sessions.length > 0) {
          expect(sessions[0]).toMatchObject({ epoch: 2, completedJobs: 7n, engineMicroseconds: 13n });
          this.told.push(sessions.map(({ sessionUid, connections }) => `${sessionUid} ${connections}`));
        }
        const response = create(SessionsHeartbeatResponseSchema, {
          leaseMilliseconds: this.lease,
          generatedKeysStoredBy: this.storedBy,
        });
        return ok({ headers: {}, body: encodeBinary(SessionsHeartbeatResponseSchema, response) });
      },
    };
    this.#heartbeat.connected(bus as unknown as Bus);
    await this.clock.advance(0);
  }

  /** Another version is served. */
  report(): void {
    const version = { epoch: 'one', sequence: 7n, digest: new Uint8Array(16) };
    this.#version = version;
    this.#listener({ owner: 'acceleration', version, problems: [], problemTotal: 0, repaired: 0 });
  }

  get problem(): string | undefined {
    return this.#heartbeat.problem;
  }

  stop(): void {
    this.#heartbeat[Symbol.dispose]();
    expect(this.clock.nextAlarmIn).toBeUndefined();
  }
}
