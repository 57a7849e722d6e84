import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { connectNats, STREAM, STREAMS, type StreamBus } from '../src/index.js';

const ROOT = 'outboard.v1alpha1.state.acme.network.';
/** So many changes of others, of these sizes (bytes), make nats-server 2.9.10 forget where a subject's message is. */
const OTHERS = 3000;
const ROUNDS = 3;
const PUT = 700;
const TOMBSTONE = 200;
/** Publishes under way. */
const WINDOW = 256;

let server: NatsServer;
let bus: StreamBus;
let messages = 0;

beforeAll(async () => {
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url, name: 'last values' });
  unwrap(await bus.streams.provision(STREAMS, 'apply'));
});

afterAll(async () => {
  await bus?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

async function publish(name: string, size: number): Promise<number> {
  const message = { headers: {}, body: new Uint8Array(size) };
  return unwrap(await bus.publish(ROOT + name, message, { messageId: `change-${++messages}` })).sequence;
}

async function publishOthers(size: number): Promise<void> {
  const names = Array.from({ length: OTHERS }, (_, index) => `port.p-${index}`);
  const work = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await publish(name, size);
  };
  await Promise.all(Array.from({ length: WINDOW }, work));
}

/** What a watch has delivered when it says that this was all. */
async function present(filter: string): Promise<number[]> {
  const sequences: number[] = [];
  let current = (): void => {};
  const isCurrent = new Promise<void>((resolve) => {
    current = resolve;
  });
  const watch = await bus.watch(
    { stream: STREAM.state.name, filterSubject: ROOT + filter, from: 'last-per-subject' },
    { message: ({ streamSequence }) => void sequences.push(streamSequence), current },
  );
  await isCurrent;
  await watch[Symbol.asyncDispose]();
  return sequences;
}

describe('last values over NATS', () => {
  it('of one subject or of many are all delivered, each once, however much has changed', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await publish('subnet.blue', PUT);
      await publishOthers(PUT);
      await publishOthers(TOMBSTONE);
      const wanted = await publish('subnet.blue', TOMBSTONE);
      await publish('network.blue', TOMBSTONE);
      expect(await present('subnet.blue')).toEqual([wanted]);
      const all = await present('*.*');
      expect([all.length, new Set(all).size]).toEqual([OTHERS + 2, OTHERS + 2]);
    }
  }, 60_000);
});
