import { describe, expect, it } from '@jest/globals';
import { AppError, err, ok, type Result } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { Consumption, type HeldDelivery, MAX_HELD_BACK } from './consumption.js';
import type { ConsumerSpec, Delivery, Settlement } from './port.js';
import { ack, message, retry } from './testing/world.js';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A consumption whose settlements are written down. `fraction`: the random part of the jitter. */
function consumption(
  handler: (delivery: Delivery) => Promise<Settlement>,
  {
    fraction = 0,
    parking = ok(undefined),
    ...changes
  }: Partial<ConsumerSpec> & { fraction?: number; parking?: Result<unknown, AppError> } = {},
) {
  const settlements: string[] = [];
  const under = new Consumption<HeldDelivery>(
    {
      stream: 'S',
      durable: 'd',
      filterSubject: '>',
      maxInFlight: 10,
      backoffMilliseconds: [100, 1_000],
      maxDeliveries: 3,
      ...changes,
    },
    handler,
    {
      acknowledge: ({ sequence }) => void settlements.push(`ack ${sequence}`),
      redeliver: ({ sequence }, after) => void settlements.push(`again ${sequence} after ${after}`),
      park: async ({ sequence }, reason) => {
        settlements.push(`park ${sequence}: ${reason}`);
        return parking;
      },
      roomChanged: () => {},
    },
    { clock: new ManualClock(), random: { bytes: () => new Uint8Array(), fraction: () => fraction } },
  );
  const deliver = async (sequence: number, deliveries: number, subject = `s${sequence}`): Promise<void> => {
    const delivery = {
      ...message(),
      subject,
      deliveries,
      streamSequence: sequence,
      storedAt: 0,
      streamMadeAt: 1,
    };
    under.accept({ sequence, delivery });
    await settle();
  };
  return { under, deliver, settlements };
}

describe('consumption', () => {
  it('the n-th redelivery waits for the n-th step of the backoff, later ones for the last, stretched by a quarter at most', async () => {
    const patient = consumption(async () => retry, { maxDeliveries: 100 });
    for (const deliveries of [1, 2, 3, 50]) await patient.deliver(deliveries, deliveries);
    expect(patient.settlements).toEqual([
      'again 1 after 100',
      'again 2 after 1000',
      'again 3 after 1000',
      'again 50 after 1000',
    ]);
    const jittered = consumption(async () => retry, { fraction: 0.999 });
    await jittered.deliver(1, 1);
    expect(jittered.settlements).toEqual(['again 1 after 125']);
  });

  it('a handler may say how long to wait', async () => {
    const { deliver, settlements } = consumption(
      async () => ({ ...retry, afterMilliseconds: 7 }) as Settlement,
    );
    await deliver(1, 1);
    expect(settlements).toEqual(['again 1 after 7']);
  });

  it('a handling that fails at the last delivery parks; one that succeeds late does not', async () => {
    const failing = consumption(() => Promise.reject(new Error('no\nluck')));
    await failing.deliver(1, 2);
    await failing.deliver(2, 3);
    expect(failing.settlements).toEqual([
      'again 1 after 1000',
      'park 2: gave up after 3 deliveries: no luck',
    ]);
    const late = consumption(async () => ack);
    await late.deliver(1, 13);
    expect(late.settlements).toEqual(['ack 1']);
  });

  it('what was delivered far too often without ever being settled is parked unseen: it kills whoever handles it', async () => {
    let calls = 0;
    const { deliver, settlements } = consumption(async () => {
      calls++;
      return ack;
    });
    await deliver(1, 14);
    expect(calls).toBe(0);
    expect(settlements).toEqual(['park 1: 14 deliveries, none settled: whoever handles it dies']);
  });

  it('a dead letter that cannot be stored leaves the message to be delivered again', async () => {
    const { deliver, settlements } = consumption(async () => ({ kind: 'park', reason: 'poison' }), {
      parking: err(new AppError('UNAVAILABLE', 'no stream')),
    });
    await deliver(1, 1);
    expect(settlements).toEqual(['park 1: poison', 'again 1 after 100']);
  });

  it('a reason is one line of bounded length, and never empty', async () => {
    const reasons = ['  ', 'x'.repeat(5_000)];
    const { deliver, settlements } = consumption(async () => ({
      kind: 'park',
      reason: reasons.shift() ?? '',
    }));
    await deliver(1, 1);
    await deliver(2, 1);
    expect(settlements).toEqual(['park 1: no reason given', `park 2: ${'x'.repeat(1_024)}`]);
  });

  it('room shrinks with what is held and not at all with what waits behind a retry, up to its own bound', async () => {
    const { under, deliver } = consumption(async () => retry, { maxInFlight: 5, maxDeliveries: 100 });
    expect(under.room).toBe(5);
    for (let sequence = 1; sequence <= MAX_HELD_BACK + 1; sequence++) await deliver(sequence, 1, 'one key');
    expect(under.room).toBe(5);
    for (let sequence = 0; sequence < 3; sequence++)
      await deliver(MAX_HELD_BACK + 2 + sequence, 1, 'one key');
    expect(under.room).toBe(2);
  });

  it('a key that cannot be told is the subject', async () => {
    const { deliver, settlements } = consumption(async () => ack, {
      key: () => {
        throw new Error('no key');
      },
    });
    await deliver(1, 1);
    expect(settlements).toEqual(['ack 1']);
  });

  it('takes nothing once it is closing', async () => {
    const { under, deliver, settlements } = consumption(async () => ack);
    const { notStarted, idle } = under.close();
    await idle;
    expect(notStarted).toEqual([]);
    await deliver(1, 1);
    expect(settlements).toEqual([]);
    expect(under.room).toBe(0);
  });
});
