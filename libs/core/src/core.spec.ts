import { describe, expect, it } from '@jest/globals';
import { AppError, equal, MAX_LISTED_VIOLATIONS, Problems, systemRandom, uuidv7 } from './index.js';

describe('AppError', () => {
  it('lists at most the stated number of problems and always tells the total', () => {
    const violations = Array.from({ length: 1000 }, (_, index) => ({
      field: `spec.f${index}`,
      description: 'must be',
    }));
    const error = AppError.invalid(violations);
    expect(error.violations).toHaveLength(MAX_LISTED_VIOLATIONS);
    expect(error.violationTotal).toBe(1000);
    expect(error.message).toBe('1000 problems');
  });

  it('keeps an AppError as it is and makes anything else INTERNAL', () => {
    const refusal = new AppError('NOT_FOUND', 'no such port');
    expect(AppError.from(refusal)).toBe(refusal);
    expect(AppError.from('boom')).toMatchObject({ code: 'INTERNAL', message: 'boom' });
  });
});

describe('equal', () => {
  it('compares plain data by content, whatever the order of its fields', () => {
    expect(equal({ a: 1, b: [{ c: 'x' }] }, { b: [{ c: 'x' }], a: 1 })).toBe(true);
    expect(equal({ a: undefined, b: null }, { b: null })).toBe(true);
    expect(equal([1, 2], [2, 1])).toBe(false);
    expect(equal([1], { 0: 1 })).toBe(false);
    expect(equal({ a: null }, {})).toBe(false);
    expect(equal({}, { a: 1 })).toBe(false);
  });
});

describe('Problems', () => {
  it('do not repeat what a malformed field, or what contains it, says already', () => {
    const problems = new Problems();
    problems.addMalformed('spec.addresses[1]', 'must be an object');
    problems.add('spec.addresses[1]', 'is required');
    problems.add('spec.addresses[1].subnet', 'is required');
    problems.add('spec.addresses[10].subnet', 'is required');
    problems.add('spec.addresses', 'must be at most 16');
    expect(problems.violations.map(({ field }) => field)).toEqual([
      'spec.addresses[1]',
      'spec.addresses[10].subnet',
      'spec.addresses',
    ]);
    expect(problems.total).toBe(3);
  });

  it('say nothing more when the whole input is malformed', () => {
    const problems = new Problems();
    problems.addMalformed('', 'must be an object');
    problems.add('spec', 'is required');
    expect(problems.toError().violations).toEqual([{ field: '', description: 'must be an object' }]);
  });
});

describe('uuidv7', () => {
  it('has version 7, variant 10 and sorts by time', () => {
    const earlier = uuidv7(1_000, systemRandom);
    const later = uuidv7(2_000, systemRandom);
    expect(earlier).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(earlier < later).toBe(true);
    expect(parseInt(later.replaceAll('-', '').slice(0, 12), 16)).toBe(2_000);
  });
});
