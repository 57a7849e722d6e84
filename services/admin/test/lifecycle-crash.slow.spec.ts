import { describe, expect, it } from '@jest/globals';
import type { Dpu, LifecycleStatus } from '@outboard/model';
import fc from 'fast-check';
import { CrashingWorld, LEASE_MILLISECONDS, type Step } from './crashing-world.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Holds of every state that anybody is told of. */
function check({ status }: Dpu, world: CrashingWorld): void {
  const { lifecycle } = status;
  const { state, reason, message, deadline, failedState, stuck } = lifecycle as LifecycleStatus;
  expect([reason, message]).not.toContain('');
  expect(deadline === undefined).toBe(state === 'READY');
  expect([failedState !== undefined, state !== 'FAILED' || stuck]).toEqual([state === 'FAILED', true]);
  if (state === 'MAINTENANCE' && reason === 'NothingRemains') expect(world.runs).toBe(false);
}

/** What a DPU is told to be, without what depends on when. */
const standing = ({ lifecycle }: CrashingWorld) =>
  lifecycle && {
    state: lifecycle.state,
    reason: lifecycle.reason,
    message: lifecycle.message,
    failures: lifecycle.failures,
    rebootRequest: lifecycle.rebootRequest,
    retryRequest: lifecycle.retryRequest,
  };

/** Everything that can happen in a life, one thing after the other, with what follows from each. */
const LIFE: readonly [Step, string][] = [
  [{ settled: false }, 'READY'],
  [{ isPinned: true, isBound: true }, 'READY'],
  [{ powerCut: true }, 'PROVISIONING'],
  [{ passed: 10.5 * MINUTE }, 'FAILED'],
  [{ retryRequest: 'a' }, 'PROVISIONING'],
  [{ settled: true }, 'READY'],
  [{ rebootRequest: 'a', rebootProblem: 'no program' }, 'REBOOTING'],
  [{ passed: 15.5 * MINUTE }, 'FAILED'],
  [{ jumped: -2 * DAY }, 'FAILED'],
  [{ rebootProblem: '', passed: 2 * MINUTE }, 'READY'],
  [{ desired: 'MAINTENANCE', ends: false }, 'DRAINING'],
  [{ isBound: false }, 'DRAINING'],
  [{ passed: 60.5 * MINUTE }, 'FAILED'],
  [{ jumped: DAY, ends: true }, 'MAINTENANCE'],
  [{ rebootRequest: 'b' }, 'MAINTENANCE'],
  [{ desired: 'READY' }, 'READY'],
  [{ desired: 'MAINTENANCE', forceDrain: true, ends: false }, 'DRAINING'],
  [{ isAlive: false, passed: 2 * LEASE_MILLISECONDS + MINUTE }, 'MAINTENANCE'],
  [{ isAlive: true, ends: true }, 'MAINTENANCE'],
  [{ approved: false }, 'DISCOVERED'],
  [{ approved: true, desired: 'READY' }, 'READY'],
  [{ isAlive: false, passed: 2 * LEASE_MILLISECONDS + MINUTE }, 'UNREACHABLE'],
  [{ desired: 'RETIRED' }, 'RETIRED'],
];

/** Lives that life; in every part of it the process dies after so many steps, if it takes so many. */
async function live(deaths: readonly number[]) {
  const world = await CrashingWorld.open(check);
  try {
    const standings = [];
    const steps: number[] = [];
    for (const [step] of LIFE) {
      const before = world.fate.steps;
      await world.step({ ...step, deaths });
      steps.push(world.fate.steps - before);
      expect(world.areInOrder).toBe(true);
      expect(world.told.at(-1)).toEqual(world.dpu);
      standings.push(standing(world));
    }
    return { standings, steps, dead: world.fate.dead };
  } finally {
    await world[Symbol.asyncDispose]();
  }
}

/** Anything, in any order; the clock may be moved in either direction. */
const step: fc.Arbitrary<Step> = fc
  .record({
    approved: fc.boolean(),
    desired: fc.constantFrom('READY', 'MAINTENANCE', 'RETIRED'),
    drainSeconds: fc.constantFrom(1, 600),
    forceDrain: fc.boolean(),
    rebootRequest: fc.constantFrom('', 'a', 'b'),
    retryRequest: fc.constantFrom('', 'a', 'b'),
    isAlive: fc.boolean(),
    settled: fc.boolean(),
    rebootProblem: fc.constantFrom('', 'no program'),
    isBound: fc.boolean(),
    isPinned: fc.boolean(),
    ends: fc.boolean(),
    powerCut: fc.constant(true as const),
    passed: fc.integer({ min: 1, max: 20 * MINUTE }),
    jumped: fc.integer({ min: -2 * DAY, max: 2 * DAY }),
  })
  .chain((all) =>
    fc
      .subarray(Object.keys(all), { minLength: 1, maxLength: 3 })
      .map((keys) => Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)))),
  );

/** All is well with the DPU from now on. */
const WELL: Step = {
  isAlive: true,
  settled: true,
  rebootProblem: '',
  ends: true,
  isBound: false,
  isPinned: false,
  passed: MINUTE,
};

/** What becomes of a DPU by these steps: when nothing more happens, when all is well with it, and when it is wanted. */
async function fateOf(steps: readonly Step[]) {
  const world = await CrashingWorld.open(check);
  try {
    for (const each of steps) await world.step(each);
    // Leases end later where they were given anew by a new process.
    await world.step({ passed: 3 * LEASE_MILLISECONDS });
    const { state, failedState = state } = world.lifecycle ?? {};
    await world.step(WELL);
    const well = standing(world);
    await world.step({ approved: true, desired: 'READY' });
    expect([world.areInOrder, world.told.at(-1)]).toEqual([true, world.dpu]);
    return { rest: failedState, well, wanted: standing(world), dead: world.fate.dead };
  } finally {
    await world[Symbol.asyncDispose]();
  }
}

describe('the life of a DPU whose admin dies', () => {
  it('is the same wherever that is: before or after any commit or message of it, or after a mark', async () => {
    const undisturbed = await live([]);
    expect(undisturbed.standings.map((each) => each?.state)).toEqual(LIFE.map(([, state]) => state));
    const last = Math.max(...undisturbed.steps);
    let dead = 0;
    for (let step = 0; step < last; step++) {
      const disturbed = await live([step]);
      expect({ step, standings: disturbed.standings }).toEqual({ step, standings: undisturbed.standings });
      dead += disturbed.dead;
    }
    expect(dead).toBeGreaterThanOrEqual(undisturbed.steps.reduce((sum, steps) => sum + steps));
  }, 300_000);

  it('comes to the same end whatever else happens, and is READY when that is wanted and all is well', async () => {
    let dead = 0;
    const disturbed = fc.tuple(step, fc.array(fc.nat({ max: 24 }), { maxLength: 3 }));
    const lives = fc.asyncProperty(fc.array(disturbed, { minLength: 1, maxLength: 10 }), async (steps) => {
      const undisturbed = await fateOf(steps.map(([each]) => each));
      const { dead: died, ...fate } = await fateOf(steps.map(([each, deaths]) => ({ ...each, deaths })));
      expect({ ...fate, dead: 0 }).toEqual(undisturbed);
      expect(fate.wanted).toMatchObject({ state: 'READY', failures: 0 });
      dead += died;
    });
    await fc.assert(lives, { numRuns: 25 });
    expect(dead).toBeGreaterThan(0);
  }, 300_000);
});
