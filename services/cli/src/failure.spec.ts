import { describe, expect, it } from '@jest/globals';
import { AppError, type Code } from '@outboard/core';
import { exitCodeOf, explainFailure, failureJson, usageError } from './failure.js';

const violation = (field: string) => ({ field, description: 'is required' });

describe('a failure', () => {
  it('with one problem is one line that names the field and the rule', () => {
    const error = AppError.invalid([violation('spec.network')]);
    expect(explainFailure(error, 'port/web-0')).toEqual(['outboard: port/web-0: spec.network: is required']);
  });

  it('with several lists all, and counts those that are not listed', () => {
    const error = AppError.invalid([violation('a'), violation('')], { violationTotal: 7 });
    expect(explainFailure(error)).toEqual([
      'outboard: 7 problems',
      '  a: is required',
      '  is required',
      '  and 5 more',
    ]);
  });

  it('of a missing service names the service and the way to see what runs', () => {
    const subject = 'outboard.v1alpha1.rpc.acme.network.port.get';
    const error = new AppError('UNAVAILABLE', `nobody answers ${subject}`, {
      reason: 'NO_RESPONDERS',
      metadata: { subject },
    });
    expect(explainFailure(error)).toEqual([
      'outboard: no network-intent service is running to answer for the network API',
      '  `outboard ping` shows what runs; `npm start` starts a local stack',
    ]);
  });

  it.each([
    ['UNAVAILABLE', undefined, '--server'],
    ['UNAUTHENTICATED', undefined, '--seed'],
    ['PERMISSION_DENIED', 'SUBJECT_DENIED', 'role'],
    ['DEADLINE_EXCEEDED', undefined, '--timeout'],
    ['FAILED_PRECONDITION', 'STREAM_MISSING', 'services'],
    ['FAILED_PRECONDITION', 'IN_USE', 'delete first'],
    ['ABORTED', 'STALE', 'read it again'],
  ] as const)('%s %s tells what to do', (code: Code, reason, advice) => {
    const error = new AppError(code, 'so it is', reason === undefined ? {} : { reason });
    const lines = explainFailure(error);
    expect(lines[0]).toBe('outboard: so it is');
    expect(lines[1]).toContain(advice);
  });

  it.each([
    ['default', '  encapsulationpolicy default says so'],
    ['built-in', '  these are the built-in rules: no encapsulationpolicy is for the tenant'],
  ])('of an encapsulation names the policy: %s', (policy, expected) => {
    const details = { reason: 'SEGMENT_OUTSIDE_POLICY', metadata: { policy } };
    const error = AppError.invalid([violation('spec.segment.networkType')], details);
    expect(explainFailure(error, 'network/a').at(-1)).toBe(expected);
  });

  it('of which the user can do nothing has no advice', () => {
    expect(explainFailure(new AppError('NOT_FOUND', 'no Port acme/a'))).toEqual(['outboard: no Port acme/a']);
  });

  it('cannot command the terminal', () => {
    expect(explainFailure(new AppError('INTERNAL', 'a\u001b]0;x\u0007'))).toEqual(['outboard: a?]0;x?']);
  });

  it('as JSON is the error of the bus, on one line, with what it is about', () => {
    const error = AppError.invalid([violation('spec.network')], { reason: 'IMMUTABLE_FIELD' });
    const text = failureJson(error, 'port/web-0');
    expect(text).not.toContain('\n');
    expect(JSON.parse(text)).toMatchObject({
      resource: 'port/web-0',
      error: { code: 3, status: 'INVALID_ARGUMENT', message: '1 problem' },
    });
    expect(JSON.parse(failureJson(error))).not.toHaveProperty('resource');
  });

  it('has an exit code: 2 for the command line, 124 for what took too long, 1 for the rest', () => {
    expect(exitCodeOf(usageError('KIND', 'is no kind'))).toBe(2);
    expect(exitCodeOf(new AppError('DEADLINE_EXCEEDED', ''))).toBe(124);
    expect(exitCodeOf(AppError.invalid([violation('a')]))).toBe(1);
    expect(exitCodeOf(new AppError('UNAVAILABLE', ''))).toBe(1);
  });
});
