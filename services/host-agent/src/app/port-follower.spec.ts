import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Received } from '@outboard/bus';
import { ok } from '@outboard/core';
import type { Port } from '@outboard/model';
import { ManualClock } from '@outboard/testkit';
import type { AgentBus } from './eventual-bus.js';
import { PortFollower } from './port-follower.js';

const SUBJECT = 'outboard.v1alpha1.event.acme.network.port.web-0';
const DEADLINE = 10_000;

const ready = (status: string, message = '') => [{ type: 'Ready', status, reason: 'Applying', message }];

const portOf = (status: string, observedGeneration: number): Port =>
  ({
    metadata: { tenant: 'acme', name: 'web-0', uid: 'one', generation: 2 },
    status: { observedGeneration, conditions: ready(status, 'dpu-1 is unreachable') },
  }) as unknown as Port;

describe('who waits for a port', () => {
  let clock: ManualClock;
  let follower: PortFollower;
  let hear: (transition: string, body: unknown) => Promise<void>;
  /** What the service answers, and how often it was asked. */
  let port: Port;
  let asked: number;

  beforeEach(async () => {
    clock = new ManualClock();
    port = portOf('False', 2);
    asked = 0;
    let handler = (_: Received): void => {};
    const bus: Pick<AgentBus, 'subscribe'> = {
      subscribe: async (_subject, own) => {
        handler = own;
        return { closed: new Promise(() => {}), [Symbol.asyncDispose]: async () => {} };
      },
    };
    hear = async (transition, body) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      handler({ subject: `${SUBJECT}.${transition}`, headers: {}, body: Buffer.from(text) });
      await clock.advance(0);
    };
    follower = await PortFollower.open(
      bus as AgentBus,
      clock,
      { tenant: 'acme', name: 'web-0' },
      async () => {
        asked++;
        return ok(port);
      },
    );
  });

  const wait = () => {
    const outcome = { isReady: false, failure: undefined as unknown };
    follower.ready(port, DEADLINE).then(
      () => {
        outcome.isReady = true;
      },
      (failure) => {
        outcome.failure = failure;
      },
    );
    return outcome;
  };
  const event = (status: string, observedGeneration = 2, uid = 'one') => ({
    metadata: { uid },
    status: { observedGeneration, conditions: ready(status) },
  });

  it('is told by an event, and nobody is asked', async () => {
    const outcome = wait();
    await hear('notready', event('False'));
    expect(outcome.isReady).toBe(false);
    await hear('ready', event('True'));
    expect(outcome.isReady).toBe(true);
    expect(asked).toBe(0);
  });

  it('need not have begun to wait when the event comes', async () => {
    await hear('ready', event('True'));
    const outcome = wait();
    await clock.advance(0);
    expect(outcome.isReady).toBe(true);
  });

  it.each([
    ['another port of that name', event('True', 2, 'other')],
    ['an older version of it', event('True', 1)],
    ['a port that has no conditions yet', { metadata: { uid: 'one' }, status: { observedGeneration: 2 } }],
  ])('does not take the word of %s', async (_, body) => {
    const outcome = wait();
    await hear('ready', body);
    expect(outcome.isReady).toBe(false);
  });

  it.each([
    ['is no JSON', 'ready', '{'],
    ['is no port', 'ready', { metadata: { uid: 1 }, status: 'fine' }],
    ['says that the port is gone', 'deleted', event('True')],
  ])('asks where an event %s', async (_, transition, body) => {
    const outcome = wait();
    await hear(transition, body);
    expect(asked).toBe(1);
    expect(outcome.isReady).toBe(false);
    port = portOf('True', 2);
    await clock.advance(1_000);
    expect(outcome.isReady).toBe(true);
  });

  it('is told what the port waits for when the time is over', async () => {
    const outcome = wait();
    for (let second = 0; second <= DEADLINE / 1_000; second++) await clock.advance(1_000);
    expect(outcome.failure).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'port acme/web-0 is not ready: Applying: dpu-1 is unreachable',
    });
  });
});
