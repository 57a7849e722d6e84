import { describe, expect, it } from '@jest/globals';
import { PORT, RESERVED_PORT } from '../test/samples.js';
import { isReached, parseGoal } from './waiting.js';

describe('a goal', () => {
  it.each([
    ['delete', { type: 'delete' }],
    ['condition=Ready', { type: 'condition', condition: 'Ready', status: 'True' }],
    ['condition=ready=false', { type: 'condition', condition: 'Ready', status: 'False' }],
    ['status.dpu=dpu-7', { type: 'field', path: 'status.dpu', value: 'dpu-7' }],
    ['jsonpath={.spec.network}=blue', { type: 'field', path: 'spec.network', value: 'blue' }],
    ['status.addresses[0].ip=10.0.1.5', { type: 'field', path: 'status.addresses[0].ip', value: '10.0.1.5' }],
  ])('is understood: %s', (text, goal) => {
    expect(parseGoal(text)).toEqual(goal);
  });

  it.each(['', 'ready', 'condition=', 'condition=Happy', 'condition=Ready=Maybe', 'status.dpu', 'dpu=x'])(
    'cannot be %j',
    (text) => {
      expect(() => parseGoal(text)).toThrow(expect.objectContaining({ reason: 'USAGE' }));
    },
  );

  it('is reached when the condition, or the field, is as it should be', () => {
    expect(isReached(parseGoal('condition=Ready'), PORT)).toBe(true);
    expect(isReached(parseGoal('condition=Ready'), RESERVED_PORT)).toBe(false);
    expect(isReached(parseGoal('condition=Ready=False'), RESERVED_PORT)).toBe(true);
    expect(isReached(parseGoal('condition=Healthy'), PORT)).toBe(false);
    expect(isReached(parseGoal('status.addresses[1].ip=fd00:0:1::5'), PORT)).toBe(true);
    expect(isReached(parseGoal('status.segment.segmentationId=5001'), PORT)).toBe(true);
    expect(isReached(parseGoal('status.dpu=dpu-1'), PORT)).toBe(false);
    expect(isReached(parseGoal('delete'), PORT)).toBe(false);
  });

  it('is not reached by a status that speaks of a former spec', () => {
    const changed = { ...PORT, metadata: { ...PORT.metadata, generation: 4 } };
    expect(isReached(parseGoal('condition=Ready'), changed)).toBe(false);
    expect(isReached(parseGoal('status.dpu=dpu-7'), changed)).toBe(false);
    expect(isReached(parseGoal('metadata.generation=4'), changed)).toBe(true);
  });
});
