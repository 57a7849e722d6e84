import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { STREAMS } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import type { AppError } from '@outboard/core';
import { eventually, Submissions, World } from './world.js';

/** Publishes intents until one is refused; of those that are taken nobody awaits an answer. */
function refusal({ acme }: World): Promise<AppError> {
  const subject = subjects.intent({ tenant: 'acme', api: 'network', kind: 'port', name: 'nobody-waits' });
  return eventually('publishing is refused', async () => {
    const message = { headers: {}, body: Buffer.from('{}') };
    const answer = await acme.bus.publish(subject, message, { messageId: randomUUID() });
    return answer.ok ? { missing: answer.value } : { found: answer.error };
  });
}

/** For fewer intents than are published. */
const ROOM = 10;
const SERVICES = ['admin', 'network-intent', 'acceleration-broker'];

describe('a broker', () => {
  let world: World;
  let ports: Submissions;

  beforeAll(async () => {
    world = await World.start({ name: 'broker', acceleration: true });
    ports = new Submissions(world);
  }, 90_000);
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);
  beforeEach(() => world.startTraffic());
  afterEach(() => world.expectUndisturbed());

  it.each(STREAMS.map(({ name }) => name))(
    'that loses %s has it again in seconds; what is asked meanwhile is answered, and whoever looks finds everything',
    async (stream) => {
      const before = await world.states();
      expect(await world.jetStream(`STREAM.DELETE.${stream}`)).toMatchObject({ success: true });
      await ports.submit(5);
      await ports.expectAllReady();
      // Of all services: DPUs and functions, ports and networks, what the acceleration broker owns.
      await world.statesInclude([...before.keys()]);
      for (const service of SERVICES) await world.problemBecomes(service, undefined);
    },
    120_000,
  );

  it.each(['admin', 'network', 'acceleration'])(
    'that loses the consumer of the intents of %s has it again; nothing that was asked is lost',
    async (api) => {
      // nats-server 2.9 fails to remove the consumer's files when it writes one meanwhile ("directory not empty").
      await world.jetStreamBecomes(
        `CONSUMER.DELETE.OUTBOARD_INTENT.${api}-intents`,
        ({ success }) => success === true,
      );
      await ports.submit(5);
      await ports.expectAllReady();
      await world.jetStreamBecomes(`CONSUMER.INFO.OUTBOARD_INTENT.${api}-intents`, ({ error }) => !error);
    },
    120_000,
  );

  it('whose stream of intents is at its limit refuses them with the reason, until there is room; what it took is answered', async () => {
    // Each of them gives a stream its limits back that has others.
    for (const service of SERVICES) await world.program(service).stop();
    const { config, state } = (await world.jetStream('STREAM.INFO.OUTBOARD_INTENT')) as {
      config: object;
      state: { messages: number };
    };
    const small = { ...config, max_msgs: state.messages + ROOM };
    expect(await world.jetStream('STREAM.UPDATE.OUTBOARD_INTENT', small)).not.toHaveProperty('error');
    const submitted = ports.submit(20);
    expect(await refusal(world)).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringContaining('maximum messages exceeded'),
    });
    for (const service of SERVICES) await world.program(service).start();
    await submitted;
    await ports.expectAllReady();
    for (const service of SERVICES) await world.problemBecomes(service, undefined);
  }, 120_000);

  it('that has no room for streams by its configuration is told of by every service, until it has', async () => {
    const file = join(world.stack.testbed.directory, 'nats', 'nats-server.conf');
    const configuration = readFileSync(file, 'utf8');
    writeFileSync(file, configuration.replace(/"max_file_store": \d+/, '"max_file_store": 1048576'));
    await world.stack.stack.restartNats();
    const submitted = ports.submit(5);
    for (const service of SERVICES)
      await world.problemBecomes(service, /streams: \w+: .*(insufficient storage|STREAM\.CREATE)/);
    const direct = ports.next();
    expect(await world.create(direct)).toMatchObject({ ok: true });
    ports.names.push(direct.metadata.name);

    writeFileSync(file, configuration);
    await world.stack.stack.restartNats();
    await submitted;
    await ports.expectAllReady();
    for (const service of SERVICES) await world.problemBecomes(service, undefined);
    await world.portsBecome(ports.all);
  }, 120_000);
});

describe('a broker whose disk is full', () => {
  let world: World;
  let ports: Submissions;

  beforeAll(async () => {
    const disk = { directories: ['nats/store'], mebibytes: 64 };
    world = await World.start({ name: 'broker-disk', disk });
    ports = new Submissions(world);
  }, 90_000);
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);
  beforeEach(() => world.startTraffic());
  afterEach(() => world.expectUndisturbed());

  it('refuses intents with the reason; when there is room all goes on by itself, and nothing is lost', async () => {
    world.disk.fill();
    // What finds room in the stream's last block is taken and answered later; the others are sent until they are taken.
    const submitted = ports.submit(20);
    expect(await refusal(world)).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringContaining('no space left on device'),
    });

    world.disk.makeRoom();
    await submitted;
    await ports.expectAllReady();
    for (const service of ['admin', 'network-intent']) await world.problemBecomes(service, undefined);
    await world.portsBecome(ports.all);
  }, 240_000);
});
