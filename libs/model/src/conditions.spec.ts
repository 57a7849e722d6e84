import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { conditions } from '../test/arbitraries/values.js';
import {
  CONDITION_TYPES,
  type Condition,
  type ConditionUpdateOf,
  computeConditions,
  findCondition,
  formatTime,
  isReady,
  readinessTransition,
  updateConditions,
} from './index.js';

const T0 = Date.UTC(2026, 10, 22, 10, 8, 0, 123);

const update = (
  before: readonly Condition[],
  updates: readonly ConditionUpdateOf<'Port'>[],
  { generation = 1, now = T0 } = {},
): readonly Condition[] => updateConditions('Port', before, updates, generation, now);

const PLANNED = { type: 'Planned', reason: 'Planned', message: 'on dpu-7' } as const;
const APPLIED = { type: 'Applied', reason: 'AppliedAndReadBack', message: '1 of 1 DPU' } as const;
const HEALTHY = { type: 'Healthy', reason: 'DpuReachable', message: 'dpu-7 reports' } as const;

describe('conditions', () => {
  it('are complete from the start, and Ready tells what is missing first', () => {
    const fresh = update([], []);
    expect(fresh.map(({ type, status, reason }) => [type, status, reason])).toEqual([
      ['Accepted', 'True', 'Valid'],
      ['Planned', 'Unknown', 'Pending'],
      ['Applied', 'Unknown', 'NeverReported'],
      ['Healthy', 'Unknown', 'NeverReported'],
      ['Ready', 'Unknown', 'Pending'],
    ]);
    const waiting = update(fresh, [
      { type: 'Planned', reason: 'FunctionUnknown', message: 'no VF 3' },
      HEALTHY,
    ]);
    expect(findCondition(waiting, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'FunctionUnknown',
      message: 'no VF 3',
    });
    expect(isReady(waiting)).toBe(false);
  });

  it('make a resource Ready when all are True, with the documented reason, message and time', () => {
    const ready = update([], [PLANNED, APPLIED, HEALTHY], { generation: 3 });
    expect(isReady(ready)).toBe(true);
    expect(findCondition(ready, 'Ready')).toEqual({
      type: 'Ready',
      status: 'True',
      reason: 'AppliedAndReadBack',
      observedGeneration: 3,
      lastTransitionTime: '2026-11-22T10:08:00Z',
      message: '1 of 1 DPU',
    });
  });

  it('keep their time while the status stays, and are the very same when nothing changes', () => {
    const before = update([], [PLANNED, APPLIED, HEALTHY]);
    const after = update(before, [{ ...APPLIED, message: '2 of 2 DPUs' }], {
      generation: 2,
      now: T0 + 60_000,
    });
    expect(findCondition(after, 'Applied')).toMatchObject({
      message: '2 of 2 DPUs',
      observedGeneration: 2,
      lastTransitionTime: formatTime(T0),
    });
    expect(findCondition(after, 'Planned')).toBe(findCondition(before, 'Planned'));
    expect(update(before, [PLANNED, APPLIED, HEALTHY], { now: T0 + 60_000 })).toBe(before);
    const broken = update(after, [{ type: 'Applied', reason: 'Failed', message: 'EBUSY' }], {
      now: T0 + 60_000,
    });
    expect(findCondition(broken, 'Applied')?.lastTransitionTime).toBe(formatTime(T0 + 60_000));
    expect(findCondition(broken, 'Ready')?.lastTransitionTime).toBe(formatTime(T0 + 60_000));
  });

  it('of one update win over earlier ones of the same type', () => {
    const after = update([], [{ type: 'Planned', reason: 'NoFunction', message: '' }, PLANNED]);
    expect(findCondition(after, 'Planned')?.reason).toBe('Planned');
  });

  it('are Ready exactly when all others are True, in order, one of each type', () => {
    fc.assert(
      fc.property(conditions('Port'), (value) => {
        const types = value.map(({ type }) => type);
        expect(types).toEqual(CONDITION_TYPES.filter((type) => types.includes(type)));
        const others = value.filter(({ type }) => type !== 'Ready');
        expect(isReady(value)).toBe(others.every(({ status }) => status === 'True'));
        expect(update(value, [], { now: T0 + 1 })).toBe(value);
      }),
    );
  });

  it('with a reason outside the closed set do not compile, and are a bug at run time', () => {
    // @ts-expect-error no reason of a Port's Planned
    const wrong: ConditionUpdateOf<'Port'> = { type: 'Planned', reason: 'SegmentAllocated', message: '' };
    expect(() => update([], [wrong])).toThrow('SegmentAllocated is no reason of Planned');
  });

  it('that change are news when a resource becomes ready, ceases to be, or is not for another reason', () => {
    const ready = update([], [APPLIED, HEALTHY, PLANNED]);
    const failure = { type: 'Applied', reason: 'Failed', message: 'no such device' } as const;
    const failed = update(ready, [failure]);
    const unhealthy = update(ready, [{ type: 'Healthy', reason: 'DpuUnreachable', message: 'dpu-7' }]);
    expect(readinessTransition(undefined, ready)).toBe('ready');
    expect(readinessTransition(failed, ready)).toBe('ready');
    expect(readinessTransition(ready, ready)).toBeUndefined();
    expect(readinessTransition(ready, failed)).toBe('notready');
    expect(readinessTransition(failed, unhealthy)).toBe('notready');
    expect(readinessTransition(failed, update(failed, [{ ...failure, message: 'again' }]))).toBeUndefined();
    expect(readinessTransition(undefined, failed)).toBeUndefined();
  });

  it('a kind without Applied is Ready with the reason of its last condition', () => {
    const reasons = {
      Accepted: { Valid: { status: 'True', text: 'Valid.' } },
      Healthy: { Good: { status: 'True', text: 'Good.' } },
    } as const;
    expect(findCondition(computeConditions(reasons, [], [], 1, T0), 'Ready')).toMatchObject({
      reason: 'Good',
      message: 'Good.',
    });
  });
});
