import { describe, expect, it } from '@jest/globals';
import { LIFECYCLE_STATES, type LifecycleState, type LifecycleStatus } from '@outboard/model';
import fc from 'fast-check';
import { advance, awaitsBoot, awaitsDocuments } from '../src/domain/lifecycle/advance.js';
import type { LifecycleFacts } from '../src/domain/lifecycle/outcome.js';

type Facts = LifecycleFacts & { readonly retryRequest: string | undefined };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.parse('2026-11-27T00:00:00Z');

const FACTS: Facts = {
  approved: true,
  desired: 'READY',
  rebootRequest: undefined,
  retryRequest: undefined,
  drainSeconds: 3_600,
  forceDrain: false,
  connected: true,
  incarnation: 'boot-1',
  settled: false,
  rebootProblem: '',
  remaining: 0,
  remainingWorkloads: 0,
  ending: 0,
  remainingNames: [],
};
const BUSY = {
  remaining: 2,
  remainingWorkloads: 0,
  ending: 0,
  remainingNames: ['port acme/a', 'port acme/b'],
};
const ENDING = {
  remaining: 1,
  remainingWorkloads: 1,
  ending: 1,
  remainingNames: ['workload acme/fw (ending)'],
};
const ENDED = { remaining: 0, remainingWorkloads: 0, ending: 0, remainingNames: [] };
const AWAY = { connected: false };

/** A DPU as it goes from one to the next of these facts, a second apart. */
function life(...steps: readonly Partial<Facts>[]): LifecycleStatus {
  let status: LifecycleStatus | undefined;
  let facts = FACTS;
  steps.forEach((step, index) => {
    facts = { ...facts, ...step };
    status = advance(status, facts, START + index * SECOND);
  });
  if (status === undefined) throw new Error('nothing of it is kept');
  return status;
}

const told = ({ state, reason }: LifecycleStatus): string => `${state} ${reason}`;
const READY = { settled: true };

describe('the life of a DPU', () => {
  it.each<[string, readonly Partial<Facts>[], string]>([
    ['is discovered and waits for approval', [{ approved: false }], 'DISCOVERED AwaitingApproval'],
    ['is known before its worker is', [{ ...AWAY, approved: false }], 'DISCOVERED AwaitingWorker'],
    ['is approved before its worker registers', [AWAY], 'APPROVED AwaitingWorker'],
    ['is provisioned once it has registered', [AWAY, { connected: true }], 'PROVISIONING AwaitingDocuments'],
    ['is ready when everything is read back', [{}, READY], 'READY Provisioned'],
    ['is unreachable when its lease ends', [READY, AWAY], 'UNREACHABLE LeaseExpired'],
    [
      'is provisioned when it is back',
      [READY, { ...AWAY, settled: false }, { connected: true }],
      'PROVISIONING AwaitingDocuments',
    ],
    [
      'is provisioned after a reboot of its own',
      [READY, { incarnation: 'boot-2', settled: false }],
      'PROVISIONING AwaitingDocuments',
    ],
    ['is drained of its ports', [{ ...READY, ...BUSY }, { desired: 'MAINTENANCE' }], 'DRAINING PortsRemain'],
    [
      'rests when no port remains',
      [{ ...READY, ...BUSY }, { desired: 'MAINTENANCE' }, { remaining: 0 }],
      'MAINTENANCE NothingRemains',
    ],
    [
      'is drained until the end of its workloads is confirmed',
      [{ ...READY, ...ENDING }, { desired: 'MAINTENANCE' }],
      'DRAINING WorkloadsRemain',
    ],
    [
      'is waited for also by who forces its drain, or retires it, as long as its worker reports',
      [{ ...READY, ...ENDING }, { desired: 'MAINTENANCE', forceDrain: true }, { desired: 'RETIRED' }],
      'DRAINING WorkloadsRemain',
    ],
    [
      'rests when it has confirmed that',
      [{ ...READY, ...ENDING }, { desired: 'MAINTENANCE' }, ENDED],
      'MAINTENANCE NothingRemains',
    ],
    [
      'is unreachable, not in maintenance, when nobody can confirm that any more',
      [{ ...READY, ...ENDING }, { desired: 'MAINTENANCE' }, AWAY],
      'UNREACHABLE LeaseExpired',
    ],
    [
      'says that it is not confirmed when it is dead and its drain is forced',
      [{ ...READY, ...ENDING }, { desired: 'MAINTENANCE' }, AWAY, { forceDrain: true }],
      'MAINTENANCE EndUnconfirmed',
    ],
    [
      'is retired without that when it is dead',
      [
        { ...READY, ...ENDING },
        { ...AWAY, desired: 'RETIRED' },
      ],
      'RETIRED Retired',
    ],
    [
      'says so no more when its worker comes back and confirms it',
      [
        { ...READY, ...ENDING },
        { desired: 'MAINTENANCE', forceDrain: true, ...AWAY },
        { connected: true, ...ENDED },
      ],
      'MAINTENANCE NothingRemains',
    ],
    ['may be off in maintenance', [READY, { desired: 'MAINTENANCE' }, AWAY], 'MAINTENANCE NothingRemains'],
    [
      'is used again after maintenance',
      [READY, { desired: 'MAINTENANCE' }, { desired: 'READY' }],
      'READY Provisioned',
    ],
    [
      'goes on as before when a drain is cancelled',
      [{ ...READY, ...BUSY }, { desired: 'MAINTENANCE' }, { desired: 'READY' }],
      'READY Provisioned',
    ],
    [
      'is unreachable also while it is drained',
      [{ ...READY, ...BUSY }, { desired: 'MAINTENANCE' }, AWAY],
      'UNREACHABLE LeaseExpired',
    ],
    [
      'is drained without its worker for retirement',
      [
        { ...READY, ...BUSY },
        { ...AWAY, desired: 'RETIRED' },
      ],
      'DRAINING PortsRemain',
    ],
    ['is retired when no port remains', [READY, { ...AWAY, desired: 'RETIRED' }], 'RETIRED Retired'],
    [
      'is approved anew after retirement',
      [READY, { desired: 'RETIRED' }, { desired: 'READY', approved: false }],
      'DISCOVERED AwaitingApproval',
    ],
    ['is rebooted when that is asked for', [READY, { rebootRequest: 'a' }], 'REBOOTING AwaitingBoot'],
    [
      'says that it has to be rebooted by hand',
      [READY, { rebootRequest: 'a' }, { rebootProblem: 'no program' }],
      'REBOOTING RebootByHand',
    ],
    [
      'is rebooting while its worker is away',
      [READY, { rebootRequest: 'a' }, AWAY],
      'REBOOTING AwaitingBoot',
    ],
    [
      'is ready after its reboot',
      [READY, { rebootRequest: 'a' }, { incarnation: 'boot-2' }],
      'READY Provisioned',
    ],
    [
      'reboots once for a request',
      [READY, { rebootRequest: 'a' }, { incarnation: 'boot-2' }, {}],
      'READY Provisioned',
    ],
    [
      'need not reboot when that is not wanted any more',
      [READY, { rebootRequest: 'a' }, { rebootRequest: undefined }],
      'READY Provisioned',
    ],
    [
      'is drained before the reboot when both are asked for',
      [
        { ...READY, ...BUSY },
        { desired: 'MAINTENANCE', rebootRequest: 'a' },
      ],
      'DRAINING PortsRemain',
    ],
    [
      'is in maintenance again after a reboot there',
      [READY, { desired: 'MAINTENANCE', rebootRequest: 'a' }, { incarnation: 'boot-2' }],
      'MAINTENANCE NothingRemains',
    ],
    [
      'is not used any more when its approval is withdrawn',
      [READY, { approved: false }],
      'DISCOVERED AwaitingApproval',
    ],
  ])('%s', (_, steps, expected) => {
    expect(told(life(...steps))).toBe(expected);
  });

  it('names what nobody can confirm to have ended', () => {
    const dead = life({ ...READY, ...ENDING }, { desired: 'MAINTENANCE' }, AWAY);
    expect(dead.message).toContain('1 to leave: workload acme/fw (ending)');
    const forced = life({ ...READY, ...ENDING }, { desired: 'MAINTENANCE', forceDrain: true, ...AWAY });
    expect(forced.message).toContain('1 to leave: workload acme/fw (ending)');
  });

  it('names the ports that remain, as many as it is told', () => {
    const many = { remaining: 1_000, remainingNames: ['port acme/a'] };
    const status = life({ ...READY, ...many }, { desired: 'MAINTENANCE' });
    expect(status).toMatchObject({ ...many, message: '1000 to leave: port acme/a and 999 more' });
    expect(life({ ...READY, ...many }, { desired: 'MAINTENANCE' }, { desired: 'READY' }).remaining).toBe(0);
  });

  it.each<[LifecycleState, readonly Partial<Facts>[], number, string]>([
    ['PROVISIONING', [{}], 10 * MINUTE, 'ProvisioningTimedOut'],
    ['DRAINING', [{ ...READY, ...BUSY }, { desired: 'MAINTENANCE' }], HOUR, 'DrainTimedOut'],
    ['DRAINING', [{ ...READY, ...ENDING }, { desired: 'MAINTENANCE' }], HOUR, 'DrainTimedOut'],
    ['REBOOTING', [READY, { rebootRequest: 'a' }], 15 * MINUTE, 'RebootTimedOut'],
  ])(
    '%s that lasts too long fails, is tried again with growing pauses, or when asked',
    (state, steps, patience, why) => {
      const facts = Object.assign({}, FACTS, ...steps) as Facts;
      const entered = START + (steps.length - 1) * SECOND;
      let status = life(...steps);
      expect(status).toMatchObject({ state, stuck: false, failures: 0 });
      expect(Date.parse(status.deadline ?? '')).toBe(entered + patience);
      expect(advance(status, facts, entered + patience - 1)).toEqual(status);
      let now = entered;
      for (const pause of [1, 2, 4, 8, 16, 32, 60, 60]) {
        now += patience;
        status = advance(status, facts, now) as LifecycleStatus;
        expect(status).toMatchObject({ state: 'FAILED', reason: why, failedState: state, stuck: true });
        now += pause * MINUTE;
        expect(Date.parse(status.deadline ?? '')).toBe(now);
        status = advance(status, facts, now) as LifecycleStatus;
        expect(status).toMatchObject({ state, stuck: false });
      }
      now += patience;
      status = advance(status, facts, now) as LifecycleStatus;
      const asked = advance(status, { ...facts, retryRequest: 'again' }, now + 1) as LifecycleStatus;
      expect(asked).toMatchObject({ state, retryRequest: 'again' });
      expect(advance(asked, { ...facts, retryRequest: 'again' }, now + 2)).toEqual(asked);
    },
  );

  it('that has failed goes on by itself when what it waited for happens', () => {
    const failed = advance(life({}), FACTS, START + 11 * MINUTE) as LifecycleStatus;
    expect(told(failed)).toBe('FAILED ProvisioningTimedOut');
    const provisioned = advance(failed, { ...FACTS, ...READY }, START + 11 * MINUTE);
    expect(provisioned).toMatchObject({ state: 'READY', failures: 0, failedState: undefined });
    const lost = advance(failed, { ...FACTS, ...AWAY }, START + 11 * MINUTE) as LifecycleStatus;
    expect(told(lost)).toBe('UNREACHABLE LeaseExpired');
  });

  it.each<[string, Partial<Facts>[]]>([
    ['DISCOVERED', [{ approved: false }]],
    ['APPROVED', [AWAY]],
    ['UNREACHABLE', [READY, AWAY]],
    ['MAINTENANCE', [READY, { desired: 'MAINTENANCE' }]],
  ])(
    'counts as stuck after long in %s, where nothing is tried, until somebody looks after it',
    (state, steps) => {
      const facts = Object.assign({}, FACTS, ...steps) as Facts;
      const late = advance(life(...steps), facts, START + 2 * DAY) as LifecycleStatus;
      expect(late).toMatchObject({ state, stuck: true });
      const retried = advance(late, { ...facts, retryRequest: 'a' }, START + 2 * DAY) as LifecycleStatus;
      expect(retried).toMatchObject({ state, stuck: false, since: late.since });
    },
  );

  it('ends thirty days after retirement', () => {
    const facts = { ...FACTS, desired: 'RETIRED' as const };
    const retired = life(READY, { desired: 'RETIRED' });
    expect(advance(retired, facts, START + 30 * DAY)).toEqual(retired);
    expect(advance(retired, facts, START + 30 * DAY + SECOND)).toBeUndefined();
  });
});

/** Anything that can happen to a DPU, at any time, with the service dying between any two things. */
const happening = fc.oneof(
  fc
    .record({
      approved: fc.boolean(),
      desired: fc.constantFrom('READY', 'MAINTENANCE', 'RETIRED'),
      rebootRequest: fc.constantFrom(undefined, 'a', 'b'),
      retryRequest: fc.constantFrom(undefined, 'a', 'b'),
      drainSeconds: fc.constantFrom(1, 3_600),
      forceDrain: fc.boolean(),
      connected: fc.boolean(),
      incarnation: fc.constantFrom('boot-1', 'boot-2'),
      settled: fc.boolean(),
      rebootProblem: fc.constantFrom('', 'no program'),
      ends: fc.constantFrom(ENDED, ENDING, BUSY),
    })
    .map(({ ends, ...facts }) => ({ ...facts, ...ends }))
    .chain((all) =>
      fc
        .subarray(Object.keys(all))
        .map((keys) => Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)))),
    ),
  fc.record({
    passed: fc.oneof(
      fc.integer({ min: -400 * DAY, max: 400 * DAY }),
      fc.integer({ min: 0, max: 20 * MINUTE }),
    ),
  }),
  fc.constant({ crash: true }),
) as fc.Arbitrary<Partial<Facts> & { passed?: number; crash?: boolean }>;

describe('whatever happens to a DPU', () => {
  it('it comes to rest at once in a state with a deadline, a reason and a way out, and obeys every request', () => {
    const seen = new Set<LifecycleState>();
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
        let now = START;
        let facts: Facts = FACTS;
        let status = advance(undefined, facts, now);
        for (const { passed = 0, crash, ...changes } of happenings) {
          now += passed;
          facts = { ...facts, ...changes };
          const known = crash && status ? (JSON.parse(JSON.stringify(status)) as LifecycleStatus) : status;
          status = advance(known, facts, now);
          if (status === undefined) {
            expect(facts.desired).toBe('RETIRED');
            return;
          }
          checkStatus(status, facts, now);
          seen.add(status.state);
          expect(advance(status, facts, now)).toEqual(status);
        }
        const end = ideal(status, facts, now);
        expect(end.state).toBe('READY');
      }),
      { numRuns: 250 },
    );
    expect([...seen].sort()).toEqual([...LIFECYCLE_STATES].sort());
  });
});

function checkStatus(status: LifecycleStatus, facts: Facts, now: number): void {
  const { state, reason, message, deadline, since, failedState, stuck } = status;
  expect([reason === '', message === '']).toEqual([false, false]);
  expect(Date.parse(since)).toBeLessThanOrEqual(now);
  if (state === 'READY')
    expect([facts.connected, facts.desired, facts.approved, deadline]).toEqual([
      true,
      'READY',
      true,
      undefined,
    ]);
  else expect(Date.parse(deadline ?? '') - now).toBeLessThanOrEqual(30 * DAY);
  expect(failedState !== undefined).toBe(state === 'FAILED');
  if (state === 'MAINTENANCE') expect(reason).toBe(facts.ending > 0 ? 'EndUnconfirmed' : 'NothingRemains');
  if (state === 'FAILED') expect(stuck).toBe(true);
  else if (!stuck && deadline !== undefined) expect(Date.parse(deadline)).toBeGreaterThan(now - SECOND);
  expect(awaitsBoot(status) && awaitsDocuments(status)).toBe(false);
  // No request is lost: it is obeyed, or the state is one in which it waits.
  if (facts.retryRequest !== undefined) expect(status.retryRequest).toBe(facts.retryRequest);
  const pending = facts.rebootRequest !== undefined && facts.rebootRequest !== status.rebootRequest;
  const waits = ['DISCOVERED', 'APPROVED', 'DRAINING', 'RETIRED'];
  if (facts.desired === 'MAINTENANCE') waits.push('PROVISIONING');
  if (pending) expect(waits).toContain(failedState ?? state);
}

/** What becomes of a DPU with which all is well from now on, and of which the best is wanted. */
function ideal(status: LifecycleStatus | undefined, facts: Facts, now: number): LifecycleStatus {
  const well: Facts = {
    ...facts,
    approved: true,
    desired: 'READY',
    connected: true,
    settled: true,
    ...ENDED,
  };
  const first = advance(status, well, now);
  if (first === undefined) throw new Error('it is gone though it is wanted');
  if (first.state === 'READY') return first;
  expect(awaitsBoot(first)).toBe(true);
  return advance(first, { ...well, incarnation: 'boot-3' }, now) as LifecycleStatus;
}
