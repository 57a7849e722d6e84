import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestMicroservice, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppError, err, ok, type Result, unwrap } from '@outboard/core';
import { InProcessBroker } from '../in-process/broker.js';
import type { Delivery, Message, Received, Settlement, StreamBus } from '../port.js';
import { Collector, Gate } from '../testing/collector.js';
import { ack, message, PATIENT, refusal, textOf, World } from '../testing/world.js';
import { BusServer } from './bus-server.js';
import { HandleDelivery, HandleRequest } from './decorators.js';

const problem = AppError.invalid([{ field: 'spec.mtu', description: 'must be 1280-9216' }], {
  reason: 'MTU_OUTSIDE_POLICY',
  metadata: { policy: 'default' },
});

/** What the controller's handlers do in the test that runs. */
let behaviour: {
  request: (request: Received) => Promise<Result<Message, AppError>>;
  delivery: (delivery: Delivery) => Promise<Settlement>;
};

@Controller()
class TestController {
  @HandleRequest('get', 'rpc.*.thing.get')
  get(request: Received): Promise<Result<Message, AppError>> {
    return behaviour.request(request);
  }

  @HandleDelivery({
    stream: 'THINGS',
    durable: 'owner',
    filterSubject: 'things.>',
    maxInFlight: 10,
    backoffMilliseconds: [1],
    maxDeliveries: 3,
  })
  settle(delivery: Delivery): Promise<Settlement> {
    return behaviour.delivery(delivery);
  }
}

@Module({ controllers: [TestController] })
class TestModule {}

describe('NestJS over the bus', () => {
  let application: INestMicroservice;
  let client: StreamBus;
  let bus: StreamBus;
  let logged: string[];

  beforeEach(async () => {
    behaviour = { request: async () => ok(message()), delivery: async () => ack };
    logged = [];
    const log = (...texts: readonly unknown[]): void => void logged.push(texts.join(' '));
    const logger: LoggerService = { log: () => {}, warn: log, error: log };
    const broker = new InProcessBroker();
    client = broker.connect();
    bus = broker.connect();
    const world = new World();
    const things = world.specOf('things', { retention: 'workqueue' });
    const dead = world.specOf('dead', { name: 'DEAD', subjects: ['outboard.v1alpha1.dead.>'] });
    unwrap(await client.streams.provision([things, dead], 'apply'));
    const service = { name: 'things', version: '1.2.3', description: 'things', maxInFlight: 10 };
    application = await NestFactory.createMicroservice(TestModule, {
      strategy: new BusServer(bus, service),
      logger,
    });
    await application.listen();
  });

  afterEach(async () => {
    await application.close();
    await bus[Symbol.asyncDispose]();
    await client[Symbol.asyncDispose]();
  });

  const ask = () =>
    client.request('rpc.acme.thing.get', message('question', { traceparent: '00-1' }), PATIENT);
  const send = async (text: string) =>
    unwrap(await client.publish('things.a', message(text), { messageId: text }));

  it('a decorated method answers requests on its subject, with the message as it came', async () => {
    behaviour.request = async ({ subject, headers, ...rest }) =>
      ok(message(`${subject} ${headers.traceparent} ${textOf(rest)}`));
    expect(textOf(unwrap(await ask()))).toBe('rpc.acme.thing.get 00-1 question');
  });

  it.each([
    ['returned', async () => err(problem)],
    [
      'thrown',
      async () => {
        throw problem;
      },
    ],
  ])('a refusal that is %s arrives with code, reason, metadata and fields', async (_, request) => {
    behaviour.request = request;
    const { code, reason, metadata, violations } = problem;
    expect(refusal(await ask())).toMatchObject({ code, reason, metadata, violations });
    expect(logged).toEqual([]);
  });

  it('any other error is INTERNAL without its text, which goes to the log; the service goes on', async () => {
    behaviour.request = async () => {
      throw new TypeError('the password is 1234');
    };
    const error = refusal(await ask());
    expect(error.code).toBe('INTERNAL');
    expect(error.message).not.toContain('1234');
    expect(logged.join()).toContain('the password is 1234');
    behaviour.request = async () => ok(message('fine'));
    expect(textOf(unwrap(await ask()))).toBe('fine');
  });

  it('an error that was caught and is the answer is no other, with the stack in the log', async () => {
    behaviour.request = async () => err(AppError.from(new TypeError('no record of the vault')));
    const error = refusal(await ask());
    expect(error).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('by a bug') });
    expect(logged.join()).toContain('no record of the vault');
    expect(logged.join()).toContain('nest.spec');
  });

  it('an answer that is none is INTERNAL', async () => {
    behaviour.request = async () => undefined as unknown as Result<Message, AppError>;
    expect(refusal(await ask()).code).toBe('INTERNAL');
  });

  it('a decorated method settles deliveries; one that throws or answers nothing is asked again, then parked', async () => {
    const seen = new Collector<string>();
    behaviour.delivery = async (delivery) => {
      seen.add(`${textOf(delivery)}/${delivery.deliveries}`);
      if (textOf(delivery) === 'throws') throw new AppError('UNAVAILABLE', 'disk full');
      return (textOf(delivery) === 'nothing' ? undefined : ack) as Settlement;
    };
    const reasons = new Collector<string | undefined>();
    await client.watch(
      { stream: 'DEAD', filterSubject: 'outboard.v1alpha1.dead.>', from: 0 },
      { message: ({ headers }) => reasons.add(headers['Outboard-Dead-Reason']) },
    );
    for (const text of ['fine', 'throws', 'nothing']) await send(text);
    expect(await reasons.atLeast(2)).toEqual([
      'gave up after 3 deliveries: UNAVAILABLE: disk full',
      'gave up after 3 deliveries: the handler failed by a bug; the log of the service has it',
    ]);
    expect(seen.items).toEqual([
      'fine/1',
      ...[1, 2, 3].map((count) => `throws/${count}`),
      ...[1, 2, 3].map((count) => `nothing/${count}`),
    ]);
  });

  it('is discoverable by its name, with its endpoints', async () => {
    const info = unwrap(await client.request('$SRV.INFO.things', message(), PATIENT));
    expect(JSON.parse(textOf(info))).toMatchObject({
      name: 'things',
      version: '1.2.3',
      endpoints: [{ name: 'get', subject: 'rpc.*.thing.get' }],
    });
  });

  it('closing the application stops the intake, and awaits what is in flight: the answer still arrives', async () => {
    const gate = new Gate();
    const inside = new Collector<string>();
    behaviour.request = async () => {
      inside.add('request');
      await gate.opened;
      return ok(message('finished'));
    };
    const settled: string[] = [];
    behaviour.delivery = async (delivery) => {
      inside.add('delivery');
      await gate.opened;
      settled.push(textOf(delivery));
      return ack;
    };
    const pending = ask();
    await send('first');
    await inside.atLeast(2);
    const closing = application.close();
    await send('second');
    gate.open();
    await closing;
    expect(textOf(unwrap(await pending))).toBe('finished');
    expect(settled).toEqual(['first']);
    expect(refusal(await ask()).code).toBe('UNAVAILABLE');
  });
});
