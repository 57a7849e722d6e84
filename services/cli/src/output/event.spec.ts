import { describe, expect, it } from '@jest/globals';
import { encodeError, HEADERS } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import { PORT } from '../../test/samples.js';
import { formatEvent, readEvent } from './event.js';

const received = (transition: string, body: unknown, headers: Record<string, string> = {}) => ({
  subject: `outboard.v1alpha1.event.acme.network.port.web-0.${transition}`,
  headers: {
    'ce-time': '2026-11-22T10:08:00.123Z',
    [HEADERS.cause]: 'message-1',
    [HEADERS.actor]: 'dpu/dpu-1',
    [HEADERS.revision]: '42',
    ...headers,
  },
  body: body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body)),
  streamSequence: 17,
  storedAt: 0,
});

const line = (...given: Parameters<typeof received>): string => {
  const event = readEvent(received(...given));
  return event ? formatEvent(event) : 'no event';
};

describe('an event', () => {
  it('tells when, what, of what and by whom, and why a resource is ready or not', () => {
    expect(line('ready', PORT)).toBe(
      '2026-11-22T10:08:00.123Z   17         42         ready       acme/port/web-0                  dpu/dpu-1        AppliedAndReadBack: The DPU has applied it and read it back.',
    );
    expect(line('accepted', PORT)).toContain(
      'accepted    acme/port/web-0                  dpu/dpu-1        generation 3',
    );
    expect(line('deleted', PORT)).toMatch(/deleted {5}acme\/port\/web-0 +dpu\/dpu-1$/);
  });

  it('of what ended without being asked to tells why', () => {
    const condition = {
      type: 'Ready',
      status: 'False',
      reason: 'PortDeleted',
      message: 'port web-0 was deleted',
    };
    const ended = (actor: string) =>
      readEvent(
        received('deleted', { ...PORT, status: { conditions: [condition] } }, { [HEADERS.actor]: actor }),
      )?.message;
    expect(ended('system')).toBe('PortDeleted: port web-0 was deleted');
    expect(ended('tenant/acme')).toBe('');
  });

  it('of a refusal tells the first problem and how many more there are', () => {
    const violations = [
      { field: 'spec.network', description: 'is required' },
      { field: 'spec.offload', description: 'must be one of PREFERRED, REQUIRED, NEVER' },
    ];
    const { headers, body } = encodeError(AppError.invalid(violations));
    expect(line('refused', body, { ...headers })).toContain(
      'INVALID_ARGUMENT: spec.network: is required (and 1 more)',
    );
    const plain = encodeError(new AppError('ABORTED', 'superseded'));
    expect(line('refused', plain.body, { ...plain.headers })).toContain('ABORTED: superseded');
  });

  it('keeps what programs need: sequence, revision, cause, actor, who asked for it, address, body', () => {
    const headers = { [HEADERS.requestedBy]: 'alice' };
    expect(readEvent(received('ready', PORT, headers))).toMatchObject({
      sequence: 17,
      revision: 42,
      cause: 'message-1',
      actor: 'dpu/dpu-1',
      requestedBy: 'alice',
      transition: 'ready',
      tenant: 'acme',
      kind: 'port',
      name: 'web-0',
      body: { metadata: { uid: PORT.metadata.uid } },
    });
  });

  it('with a body that is no JSON, or without a time, is shown all the same', () => {
    const damaged = { ...received('ready', Buffer.from('{')), headers: {} };
    const event = readEvent(damaged);
    expect(event && formatEvent(event)).toMatch(/^- +17 +- +ready +acme\/port\/web-0 +-$/);
  });

  it('on a subject of another kind is none', () => {
    expect(
      readEvent({ ...received('ready', PORT), subject: 'outboard.v1alpha1.rpc.a.b.c.d' }),
    ).toBeUndefined();
  });
});
