import { describe, expect, it } from '@jest/globals';
import { AppError, CODES, type Code } from '@outboard/core';
import fc from 'fast-check';
import { decodeError, encodeError, isErrorReply, MAX_BODY_BYTES } from './index.js';

const text = (body: Uint8Array): string => new TextDecoder().decode(body);

/** The example of the architecture, verbatim. */
const EXAMPLE = `{"code":3,"status":"INVALID_ARGUMENT","message":"1 problem","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SEGMENT_OUTSIDE_POLICY","domain":"outboard.dev","metadata":{"policy":"default","range":"100-199"}},
 {"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"spec.segment.segmentationId","description":"must be 100-199 on physnet1"}]}]}`;

const code = fc.constantFrom(...(Object.keys(CODES) as Code[]));
const violation = fc.record({ field: fc.string(), description: fc.string() });
const upperSnake = fc.stringMatching(/^[A-Z][A-Z_]{3,20}$/).filter((reason) => !Object.hasOwn(CODES, reason));

describe('errors on the wire', () => {
  it('are exactly the documented example', () => {
    const error = AppError.invalid(
      [{ field: 'spec.segment.segmentationId', description: 'must be 100-199 on physnet1' }],
      { reason: 'SEGMENT_OUTSIDE_POLICY', metadata: { policy: 'default', range: '100-199' } },
    );
    const { headers, body } = encodeError(error);
    expect(text(body)).toBe(JSON.stringify(JSON.parse(EXAMPLE)));
    expect(headers).toEqual({ 'Nats-Service-Error-Code': '400', 'Nats-Service-Error': '1 problem' });
    expect(isErrorReply(headers)).toBe(true);
    expect(isErrorReply({})).toBe(false);
  });

  it('come back as they were', () => {
    const facts = fc.dictionary(fc.stringMatching(/^[a-z]{1,12}$/), fc.string());
    fc.assert(
      fc.property(
        code,
        fc.string(),
        fc.option(upperSnake, { nil: undefined }),
        facts,
        fc.array(violation, { maxLength: 120 }),
        (status, message, reason, metadata, violations) => {
          const before = new AppError(status, message, {
            ...(reason === undefined ? {} : { reason }),
            metadata,
            violations,
          });
          const { headers, body } = encodeError(before);
          const after = decodeError(headers, body);
          const fields = (error: AppError) => ({ ...error, message: error.message });
          expect(fields(after)).toEqual(fields(before));
        },
      ),
    );
  });

  it('tell the total when 1,000 problems were found and 100 are listed', () => {
    const violations = Array.from({ length: 1000 }, (_, index) => ({
      field: `spec.f${index}`,
      description: 'must be a string',
    }));
    const { headers, body } = encodeError(AppError.invalid(violations));
    expect(headers['Nats-Service-Error']).toBe('1000 problems');
    const error = decodeError(headers, body);
    expect(error.violations).toHaveLength(100);
    expect(error.violationTotal).toBe(1000);
    expect(error.reason).toBeUndefined();
  });

  it('fit into a message and a header line, whatever the texts are', () => {
    const long = 'x\r\né'.repeat(100_000);
    const error = new AppError('NOT_FOUND', long, {
      metadata: { long },
      violations: Array.from({ length: 100 }, () => ({ field: long, description: long })),
    });
    const { headers, body } = encodeError(error);
    expect(body.length).toBeLessThanOrEqual(MAX_BODY_BYTES);
    expect(headers['Nats-Service-Error']).toMatch(/^[ -~]{1,256}$/);
    expect(decodeError(headers, body).violationTotal).toBe(100);
  });

  it('of a service that does not speak AIP-193 are made of the headers', () => {
    const error = decodeError(
      { 'Nats-Service-Error-Code': '404', 'Nats-Service-Error': 'no such echo' },
      new Uint8Array(),
    );
    expect(error).toMatchObject({ code: 'NOT_FOUND', message: 'no such echo', violations: [] });
  });

  it('are decoded from anything without throwing', () => {
    const body = fc.oneof(
      fc.uint8Array(),
      fc.json().map((json) => new TextEncoder().encode(json)),
      fc
        .record({ status: code, message: fc.anything(), details: fc.anything() })
        .map((value) =>
          new TextEncoder().encode(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? 0 : v))),
        ),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), body, (headers, bytes) => {
        expect(decodeError(headers, bytes)).toBeInstanceOf(AppError);
      }),
    );
  });
});
