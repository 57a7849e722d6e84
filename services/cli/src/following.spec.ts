import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InProcessBroker, STREAMS, type StreamBus } from '@outboard/bus';
import { HEADERS } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { StateFollower, type Step, stateSpec, steps } from './following.js';
import { kindByArgument } from './kinds.js';

const PORT = kindByArgument('port');
const SUBJECT = 'outboard.v1alpha1.state.acme.network.port.';

let bus: StreamBus;
let messages = 0;

beforeEach(async () => {
  bus = new InProcessBroker().connect();
  unwrap(await bus.streams.provision(STREAMS, 'apply'));
});

afterEach(async () => bus[Symbol.asyncDispose]());

async function publish(name: string, revision: number, headers: Record<string, string> = {}): Promise<void> {
  const body = Buffer.from(
    JSON.stringify({ kind: 'Port', metadata: { name, resourceVersion: `${revision}` } }),
  );
  unwrap(await bus.publish(SUBJECT + name, { headers, body }, { messageId: `m${++messages}` }));
}

const remove = (name: string): Promise<void> => publish(name, 0, { [HEADERS.operation]: 'delete' });

const stateOf = (name: string, revision: number, headers = {}): Step => ({
  type: 'message',
  received: {
    subject: SUBJECT + name,
    headers,
    body: Buffer.from(JSON.stringify({ metadata: { name, resourceVersion: `${revision}` } })),
    streamSequence: 1,
    storedAt: 0,
  },
});

const tombstone = (name: string): Step => stateOf(name, 0, { [HEADERS.operation]: 'delete' });

describe('the steps of a watch', () => {
  it('are what is there, the notice that this was all, and what comes then, until the signal', async () => {
    await publish('a', 1);
    const over = new AbortController();
    const seen: string[] = [];
    for await (const step of steps(bus, stateSpec(PORT, 'acme'), over.signal)) {
      seen.push(step.type === 'message' ? step.received.subject.slice(SUBJECT.length) : step.type);
      if (step.type === 'current') await publish('b', 2);
      if (seen.includes('b')) over.abort();
    }
    expect(seen).toEqual(['a', 'current', 'b']);
  });

  it('are taken one at a time: nothing is lost when the taker leaves in the middle', async () => {
    for (const name of ['a', 'b', 'c']) await publish(name, 1);
    const { signal } = new AbortController();
    for await (const step of steps(bus, stateSpec(PORT, 'acme'), signal)) {
      expect(step.type).toBe('message');
      break;
    }
    const names: string[] = [];
    for await (const step of steps(bus, stateSpec(PORT, 'acme', ['b']), signal)) {
      if (step.type === 'current') break;
      if (step.type === 'message') names.push(step.received.subject.slice(SUBJECT.length));
    }
    expect(names).toEqual(['b']);
  });

  it('end with what ended the watch', async () => {
    const { signal } = new AbortController();
    const watching = steps(bus, { ...stateSpec(PORT, 'acme'), stream: 'NOWHERE' }, signal);
    await expect(watching.next()).rejects.toMatchObject({ reason: 'STREAM_MISSING' });
  });

  it('of an aborted signal are none', async () => {
    await publish('a', 1);
    const taken: Step[] = [];
    for await (const step of steps(bus, stateSpec(PORT, 'acme'), AbortSignal.abort())) taken.push(step);
    expect(taken).toEqual([]);
    await remove('a');
  });
});

describe('followed states', () => {
  const follow = (...taken: readonly Step[]): string[] => {
    const follower = new StateFollower();
    return taken.flatMap((step) =>
      follower.take(step).map(({ operation, address }) => `${operation} ${address.name}`),
    );
  };

  it('are present first, then created, changed and deleted', () => {
    expect(
      follow(
        stateOf('a', 1),
        { type: 'current' },
        stateOf('b', 2),
        stateOf('a', 3),
        tombstone('a'),
        stateOf('a', 5),
      ),
    ).toEqual(['present a', 'created b', 'changed a', 'deleted a', 'created a']);
  });

  it('that were deleted before are gone', () => {
    expect(follow(tombstone('a'), { type: 'current' })).toEqual(['gone a']);
  });

  it('after a restart are compared with what was known: only differences are told', () => {
    expect(
      follow(
        stateOf('same', 1),
        stateOf('changed', 1),
        stateOf('lost', 1),
        { type: 'current' },
        { type: 'restart' },
        stateOf('same', 1),
        stateOf('changed', 2),
        stateOf('new', 3),
        { type: 'current' },
      ),
    ).toEqual([
      'present same',
      'present changed',
      'present lost',
      'changed changed',
      'created new',
      'deleted lost',
    ]);
  });

  it('that are damaged or of other subjects are passed over', () => {
    const damaged = stateOf('a', 1) as Extract<Step, { type: 'message' }>;
    const foreign = { ...damaged.received, subject: 'outboard.v1alpha1.state.a.b.c.d' };
    expect(
      follow(
        { type: 'message', received: { ...damaged.received, body: Buffer.from('{') } },
        { type: 'message', received: { ...damaged.received, body: Buffer.from('null') } },
        { type: 'message', received: foreign },
      ),
    ).toEqual([]);
  });
});
