import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Bus, type Delivery, InProcessBroker, STREAMS, type StreamBus } from '@outboard/bus';
import { encodeError, HEADERS, MAX_BODY_BYTES, subjects } from '@outboard/contracts';
import { AppError, err, unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { IntentPublisher } from './intent-publisher.js';
import { ResourceClient } from './resource-client.js';
import { StateCache } from './state-cache.js';

const WEB = { tenant: 'acme', api: 'network', kind: 'port', name: 'web-0' } as const;
const BODY = Buffer.from('{}');

describe('the intent publisher', () => {
  let clock: ManualClock;
  let broker: InProcessBroker;
  let orchestrator: StreamBus;
  let service: Bus;
  let publisher: IntentPublisher;

  beforeEach(async () => {
    clock = new ManualClock();
    broker = new InProcessBroker({ clock });
    orchestrator = broker.connect();
    service = broker.connect();
    unwrap(await orchestrator.streams.provision(STREAMS, 'apply'));
    publisher = await IntentPublisher.open(orchestrator, 'acme', clock);
  });

  afterEach(async () => {
    await publisher[Symbol.asyncDispose]();
    await orchestrator[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
  });

  /** The service's side: every delivery of an intent. */
  const consume = (handle: (delivery: Delivery) => Promise<void>) =>
    service.consume(
      {
        stream: 'OUTBOARD_INTENT',
        durable: 'network-intents',
        filterSubject: subjects.allIntents('network'),
        maxInFlight: 16,
        backoffMilliseconds: [10],
        maxDeliveries: 5,
      },
      async (delivery) => {
        await handle(delivery);
        return { kind: 'ack' };
      },
    );

  const answer = async (
    delivery: Delivery,
    transition: 'accepted' | 'refused',
    body: Uint8Array,
    headers = {},
  ) => {
    const cause = delivery.headers[HEADERS.messageId] ?? '';
    const message = { headers: { ...headers, [HEADERS.cause]: cause }, body };
    unwrap(await service.publish(subjects.event(WEB, transition), message, { messageId: `event-${cause}` }));
  };

  it('resolves with the accepted event that names its message id', async () => {
    await consume((delivery) =>
      answer(delivery, 'accepted', Buffer.from('{"kind":"Port","metadata":{"name":"web-0"}}')),
    );
    expect(await publisher.submit(WEB, BODY)).toMatchObject({
      ok: true,
      value: { metadata: { name: 'web-0' } },
    });
  });

  it('resolves with the refusal: code, reason and fields', async () => {
    const refusal = AppError.invalid([{ field: 'spec.network', description: 'is required' }], {
      reason: 'WHY',
    });
    await consume((delivery) => {
      const { headers, body } = encodeError(refusal);
      return answer(delivery, 'refused', body, headers);
    });
    expect(await publisher.submit(WEB, BODY)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_ARGUMENT', reason: 'WHY', violations: [{ field: 'spec.network' }] },
    });
  });

  it('sends the same message again with the same id until it is answered', async () => {
    const ids: (string | undefined)[] = [];
    const subscription = await service.subscribe(subjects.intent(WEB), ({ headers }) => {
      ids.push(headers[HEADERS.messageId]);
    });
    const submitted = publisher.submit(WEB, BODY, { messageId: 'once' });
    await clock.advance(5_000);
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids)).toEqual(new Set(['once']));
    await subscription[Symbol.asyncDispose]();
    await consume((delivery) =>
      answer(delivery, 'accepted', Buffer.from('{"kind":"Port","metadata":{"name":"web-0"}}')),
    );
    expect(await submitted).toMatchObject({ ok: true });
  });

  it('says whom the caller acts for', async () => {
    const told: (string | undefined)[] = [];
    await consume(async (delivery) => {
      told.push(delivery.headers[HEADERS.requestedBy]);
      await answer(delivery, 'accepted', Buffer.from('{"kind":"Port","metadata":{"name":"web-0"}}'));
    });
    unwrap(await publisher.submit(WEB, BODY, { requestedBy: 'Alice <alice@example.org>' }));
    expect(told).toEqual(['Alice <alice@example.org>']);
  });

  it.each(['', 'Zoë', 'a\nb', 'x'.repeat(257)])(
    'refuses to act for %j before sending',
    async (requestedBy) => {
      const error = { violations: [{ field: HEADERS.requestedBy }] };
      expect(await publisher.submit(WEB, BODY, { requestedBy })).toMatchObject({ ok: false, error });
    },
  );

  it('gives up after a minute without an answer, and says so', async () => {
    const submitted = publisher.submit(WEB, BODY);
    await clock.advance(61_000);
    expect(await submitted).toMatchObject({ ok: false, error: { code: 'DEADLINE_EXCEEDED' } });
  });

  it('refuses a body over the limit before sending, naming size and limit', async () => {
    const refused = await publisher.submit(WEB, Buffer.alloc(MAX_BODY_BYTES + 1));
    expect(refused).toMatchObject({ ok: false, error: { reason: 'BODY_TOO_LARGE' } });
    expect(refused.ok ? '' : refused.error.violations[0]?.description).toContain(String(MAX_BODY_BYTES));
  });

  it('goes on after the log has forgotten where it was, though there is none for a time', async () => {
    let end: (failure: AppError) => void = () => {};
    let watches = 0;
    const forgetful: Bus = Object.create(orchestrator, {
      watch: {
        value: async (...asked: Parameters<Bus['watch']>) => {
          if (++watches === 2) throw new AppError('UNAVAILABLE', 'not yet');
          if (watches === 3) throw new AppError('FAILED_PRECONDITION', 'there is no stream');
          const watching = await orchestrator.watch(...asked);
          const closed = new Promise<void>((_, reject) => {
            end = reject;
          });
          return { closed, [Symbol.asyncDispose]: () => watching[Symbol.asyncDispose]() };
        },
      },
      publish: { value: (...asked: Parameters<Bus['publish']>) => orchestrator.publish(...asked) },
    });
    const following = await IntentPublisher.open(forgetful, 'acme', clock);
    end(new AppError('OUT_OF_RANGE', 'forgotten'));
    await clock.advance(10_000);
    expect(watches).toBe(4);
    const consumer = await consume((delivery) =>
      answer(delivery, 'accepted', Buffer.from('{"kind":"Port","metadata":{"name":"web-0"}}')),
    );
    expect(await following.submit(WEB, BODY)).toMatchObject({ ok: true });
    await following[Symbol.asyncDispose]();
    await consumer[Symbol.asyncDispose]();
  });

  it('resolves what waits as cancelled when it is closed', async () => {
    const submitted = publisher.submit(WEB, BODY);
    await publisher[Symbol.asyncDispose]();
    expect(await submitted).toMatchObject({ ok: false, error: { code: 'CANCELLED' } });
  });

  describe('the state cache', () => {
    const publish = async (revision: number, headers = {}) => {
      const metadata = {
        tenant: 'acme',
        name: 'blue',
        uid: '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11',
        generation: 1,
        resourceVersion: String(revision),
      };
      const network = {
        apiVersion: 'network.outboard.dev/v1alpha1',
        kind: 'Network',
        metadata,
        spec: {},
        status: {},
      };
      const subject = subjects.state({ ...WEB, kind: 'network', name: 'blue' });
      const body = Buffer.from(JSON.stringify(network));
      unwrap(await service.publish(subject, { headers, body }, { messageId: `state-${revision}` }));
    };
    const blue = { ...WEB, kind: 'network', name: 'blue' } as const;

    it('holds what was there when it was opened, what comes later, and not what was deleted', async () => {
      await publish(1);
      const cache = await StateCache.open(orchestrator, 'acme', clock);
      expect(cache.get(blue)?.metadata.resourceVersion).toBe('1');
      await publish(2);
      await cache.until('revision 2', (state) => state.get(blue)?.metadata.resourceVersion === '2', 1_000);
      await publish(3, { [HEADERS.operation]: 'delete' });
      await cache.until('deleted', (state) => state.get(blue) === undefined, 1_000);
      await cache[Symbol.asyncDispose]();
    });

    it('keeps what it knew when the stream began anew, and drops after a minute what was not told again', async () => {
      await publish(1);
      let restart: (() => void) | undefined;
      const bus: Bus = Object.create(orchestrator, {
        watch: {
          value: (spec: Parameters<Bus['watch']>[0], handler: Parameters<Bus['watch']>[1]) => {
            restart = handler.restart;
            return orchestrator.watch(spec, handler);
          },
        },
      });
      const cache = await StateCache.open(bus, 'acme', clock);
      restart?.();
      expect(cache.get(blue)).toBeDefined();
      await publish(2);
      await cache.until('revision 2', (state) => state.get(blue)?.metadata.resourceVersion === '2', 1_000);
      await clock.advance(60_000);
      expect(cache.get(blue)).toBeDefined();
      let changes = 0;
      cache.onChange(() => changes++);
      restart?.();
      await clock.advance(59_000);
      expect(cache.get(blue)).toBeDefined();
      await clock.advance(1_000);
      expect(cache.get(blue)).toBeUndefined();
      expect(changes).toBe(1);
      await cache[Symbol.asyncDispose]();
    });

    it('tells what it waited for when that does not come in time', async () => {
      const cache = await StateCache.open(orchestrator, 'acme', clock);
      const waited = cache.until('a miracle', () => undefined, 100);
      const refused = expect(waited).rejects.toMatchObject({
        code: 'DEADLINE_EXCEEDED',
        message: expect.stringContaining('a miracle'),
      });
      await clock.advance(100);
      await refused;
      await cache[Symbol.asyncDispose]();
    });
  });
});

it('a request that is not answered tells how long that was awaited in all', async () => {
  const clock = new ManualClock();
  const attempts: number[] = [];
  const bus: Pick<Bus, 'request'> = {
    request: async (subject, _, { deadlineMilliseconds }) => {
      attempts.push(deadlineMilliseconds);
      await clock.delay(deadlineMilliseconds);
      return err(new AppError('DEADLINE_EXCEEDED', `no answer from ${subject} in this attempt`));
    },
  };
  const client = new ResourceClient(bus, clock, { timeoutMilliseconds: 4_000 });
  const asked = client.get({ api: 'network', kind: 'Port' }, 'acme', 'web-0');
  await clock.advance(10_000);
  const message = 'no answer from outboard.v1alpha1.rpc.acme.network.port.get within 4000 ms';
  expect(await asked).toMatchObject({ ok: false, error: { code: 'DEADLINE_EXCEEDED', message } });
  expect(attempts).toEqual([3_000, 900]);
});
