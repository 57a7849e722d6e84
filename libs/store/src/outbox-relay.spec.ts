import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError, err, ok, type Result, unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import fc from 'fast-check';
import { newBatch, newMessage } from './contract-suite.js';
import { openMemoryStore } from './memory/memory-store.js';
import { OutboxRelay, type OutboxRelayOptions, type RelayFailure } from './outbox-relay.js';
import type { PendingMessage, Store } from './port.js';

const outage = new AppError('UNAVAILABLE', 'no broker');

/** A broker whose acknowledgements the test gives. */
class HeldBroker {
  readonly #open: { message: PendingMessage; settle: (result: Result<unknown, AppError>) => void }[] = [];
  readonly received: string[] = [];
  /** Decides at once instead of waiting for `answer`. */
  decide: ((message: PendingMessage) => Result<unknown, AppError>) | undefined;

  publish = (message: PendingMessage): Promise<Result<unknown, AppError>> => {
    this.received.push(message.messageId);
    if (this.decide) return Promise.resolve(this.decide(message));
    return new Promise((settle) => this.#open.push({ message, settle }));
  };

  get inFlight(): string[] {
    return this.#open.map(({ message }) => message.messageId);
  }

  answer(messageId: string, result: Result<unknown, AppError> = ok(undefined)): void {
    const at = this.#open.findIndex(({ message }) => message.messageId === messageId);
    const [answered] = this.#open.splice(at, 1);
    if (!answered) throw new Error(`${messageId} is not in flight`);
    answered.settle(result);
  }

  answerAll(): void {
    for (const messageId of this.inFlight) this.answer(messageId);
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (condition()) return;
    await nextTurn();
  }
  throw new Error(`never came true: ${condition}`);
}

/** Two thirds are of three subjects of which only the last value counts. */
const subjectOf = (index: number): string => (index % 3 === 0 ? 'event' : `state.${(index % 7) % 3}`);

describe('the outbox relay', () => {
  let store: Store;
  let broker: HeldBroker;
  let clock: ManualClock;
  let failures: RelayFailure[];
  let relay: OutboxRelay | undefined;

  beforeEach(() => {
    store = openMemoryStore();
    broker = new HeldBroker();
    clock = new ManualClock();
    failures = [];
  });
  afterEach(async () => {
    const stopping = relay?.[Symbol.asyncDispose]();
    broker.answerAll();
    await stopping;
    await store[Symbol.asyncDispose]();
  });

  const start = (options: Partial<OutboxRelayOptions> = {}): OutboxRelay => {
    relay = new OutboxRelay({
      store,
      publish: broker.publish,
      onFailure: (failure) => failures.push(failure),
      clock,
      windowMessages: 256,
      random: { bytes: (count) => new Uint8Array(count), fraction: () => 0.5 },
      ...options,
    });
    return relay;
  };
  const commit = async (...ids: string[]): Promise<void> => {
    unwrap(await store.commit(newBatch({ outbox: ids.map((id) => newMessage(id)) })));
  };
  const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => `m${at}`);
  const pending = (): string[] =>
    store.read((snapshot) => snapshot.pendingMessages(10_000)).map(({ messageId }) => messageId);

  it('publishes what an earlier run left, then what is committed, in order', async () => {
    await commit('a', 'b');
    const running = start();
    await until(() => broker.received.length === 2);
    await commit('c');
    running.notify();
    await until(() => broker.received.length === 3);
    expect(broker.received).toEqual(['a', 'b', 'c']);
  });

  it('does not read back what it is given with the commit', async () => {
    let reads = 0;
    const counted: Store = {
      epoch: store.epoch,
      problem: undefined,
      read: (query) => {
        reads++;
        return store.read(query);
      },
      commit: (batch) => store.commit(batch),
      markPublished: (sequences) => store.markPublished(sequences),
      forgetAnswersBefore: (revision, limit) => store.forgetAnswersBefore(revision, limit),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
    const running = start({ store: counted });
    await until(() => reads > 0);
    reads = 0;
    for (const ids of [['a', 'b'], ['c']]) {
      const batch = newBatch({ outbox: ids.map((id) => newMessage(id)) });
      running.committed(batch.outbox, unwrap(await store.commit(batch)).outboxSequence);
    }
    await until(() => broker.received.length === 3);
    expect(broker.received).toEqual(['a', 'b', 'c']);
    expect(reads).toBe(0);
  });

  it('reads what it missed before what it is given', async () => {
    const running = start();
    await commit('a', 'b');
    const batch = newBatch({ outbox: [newMessage('c')] });
    running.committed(batch.outbox, unwrap(await store.commit(batch)).outboxSequence);
    await until(() => broker.received.length === 3);
    expect(broker.received).toEqual(['a', 'b', 'c']);
  });

  it('has at most 256 messages in flight, and sends the next ones when a quarter of them is acknowledged', async () => {
    await commit(...numbered(600));
    start();
    await until(() => broker.inFlight.length === 256);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(broker.inFlight).toHaveLength(256);
    for (const id of numbered(63)) broker.answer(id);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(broker.received).toHaveLength(256);
    broker.answer('m63');
    await until(() => broker.inFlight.length === 256);
    expect(broker.received).toEqual(numbered(320));
    broker.decide = () => ok(undefined);
    broker.answerAll();
    await until(() => broker.received.length === 600);
    expect(broker.received).toEqual(numbered(600));
  });

  it('has no more bodies in flight than 8 MiB, give or take the last one', async () => {
    const body = new Uint8Array(1024 * 1024);
    for (const id of numbered(12)) {
      unwrap(await store.commit(newBatch({ outbox: [{ ...newMessage(id), body }] })));
    }
    start();
    await until(() => broker.inFlight.length === 8);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(broker.inFlight).toHaveLength(8);
    broker.decide = () => ok(undefined);
    broker.answerAll();
    await until(() => broker.received.length === 12);
  });

  it('lets the process breathe while a broker answers at once', async () => {
    await commit(...numbered(2_000));
    broker.decide = () => ok(undefined);
    start();
    let turns = 0;
    await until(() => {
      turns++;
      return broker.received.length === 2_000;
    });
    expect(turns).toBeGreaterThan(2_000 / 256);
  });

  it('sends nothing after a failure, backs off, and goes on from the first message not acknowledged', async () => {
    await commit(...numbered(600));
    const running = start();
    await until(() => broker.inFlight.length === 256);
    broker.answer('m2', err(outage));
    broker.answer('m0');
    broker.answer('m5');
    broker.answer('m1', err(outage));
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(broker.received).toHaveLength(256);
    broker.answerAll();
    await until(() => clock.nextAlarmIn !== undefined && running.failure !== undefined);
    expect(failures).toEqual([
      { error: outage, subject: newMessage('m2').subject, attempt: 1, retryMilliseconds: 75 },
    ]);
    broker.decide = () => ok(undefined);
    await clock.advance(74);
    expect(broker.received).toHaveLength(256);
    await clock.advance(1);
    await until(() => broker.received.length === 602);
    expect(broker.received.slice(256)).toEqual(['m1', 'm2', ...numbered(600).slice(256)]);
    expect(running.failure).toBeUndefined();
  });

  it('tries one message at a time, ever more seldom, until the broker takes one', async () => {
    await commit(...numbered(300));
    broker.decide = () => err(outage);
    const running = start();
    for (let attempt = 1; attempt <= 9; attempt++) {
      await until(() => failures.length === attempt && clock.nextAlarmIn !== undefined);
      await clock.advance(failures.at(-1)?.retryMilliseconds ?? 0);
    }
    await until(() => failures.length === 10);
    expect(failures.map(({ retryMilliseconds }) => retryMilliseconds)).toEqual([
      75, 150, 300, 600, 1200, 2400, 3750, 3750, 3750, 3750,
    ]);
    expect(broker.received.slice(256).every((messageId) => messageId === 'm0')).toBe(true);
    broker.decide = () => ok(undefined);
    await clock.advance(3750);
    await until(() => running.failure === undefined);
    await until(() => broker.received.at(-1) === 'm299');
  });

  it('takes a publisher that throws for a failed one, and sends nothing after it', async () => {
    await commit('a', 'b', 'c');
    let calls = 0;
    start({
      publish: () => {
        calls++;
        throw new Error('boom');
      },
    });
    await until(() => failures.length === 1);
    expect(failures[0]?.error).toMatchObject({ code: 'INTERNAL', message: 'boom' });
    expect(calls).toBe(1);
  });

  it('tells and retries when the store cannot be read', async () => {
    await commit('a');
    const broken = new AppError('UNAVAILABLE', 'disk');
    let readable = false;
    start({
      store: Object.assign(Object.create(store) as Store, {
        read: (query: Parameters<Store['read']>[0]) => {
          if (!readable) throw broken;
          return store.read(query);
        },
      }),
    });
    await until(() => failures.length === 1);
    expect(failures[0]?.error).toBe(broken);
    readable = true;
    await clock.advance(75);
    await until(() => broker.received.length === 1);
  });

  describe('marks what was acknowledged', () => {
    let marks: number[];
    let failing: boolean;
    const watched = (): Store =>
      Object.assign(Object.create(store) as Store, {
        read: store.read.bind(store),
        markPublished: (sequences: readonly number[]) => {
          marks.push(sequences.length);
          return failing ? Promise.reject(new Error('disk full')) : store.markPublished(sequences);
        },
      });
    beforeEach(() => {
      marks = [];
      failing = false;
      broker.decide = () => ok(undefined);
    });

    it('in large groups', async () => {
      await commit(...numbered(5_000));
      start({ store: watched() });
      await until(() => pending().length < 1024);
      expect(marks.length).toBeLessThanOrEqual(5);
    });

    it('after half a second when there are few', async () => {
      await commit('a', 'b');
      start({ store: watched() });
      await until(() => broker.received.length === 2);
      await clock.advance(499);
      expect(marks).toEqual([]);
      await clock.advance(1);
      await until(() => pending().length === 0);
      expect(marks).toEqual([2]);
    });

    it('again when it could not be written, without publishing again', async () => {
      failing = true;
      await commit('a', 'b');
      start({ store: watched() });
      await until(() => broker.received.length === 2);
      await clock.advance(500);
      expect(marks).toEqual([2]);
      failing = false;
      await clock.advance(500);
      await until(() => pending().length === 0);
      expect(broker.received).toEqual(['a', 'b']);
    });

    it('and publishes no further while too many could not be marked', async () => {
      failing = true;
      for (let at = 0; at < 2; at++) await commit(...numbered(8_000).map((id) => `${id}-${at}`));
      start({ store: watched() });
      await until(() => broker.received.length >= 8192);
      for (let turn = 0; turn < 50; turn++) await nextTurn();
      expect(broker.received.length).toBeLessThan(8192 + 256);
      failing = false;
      await clock.advance(500);
      await until(() => broker.received.length === 16_000);
    });
  });

  describe('when it is disposed', () => {
    it('sends nothing more, awaits what is in flight, and marks it', async () => {
      await commit(...numbered(300));
      const running = start();
      await until(() => broker.inFlight.length === 256);
      const disposed = running[Symbol.asyncDispose]();
      broker.answerAll();
      await disposed;
      expect(broker.received).toHaveLength(256);
      expect(pending()).toEqual(numbered(300).slice(256));
    });

    it('waits no longer than its deadline: what was not acknowledged stays in the outbox', async () => {
      await commit('a', 'b');
      const running = start({ drainMilliseconds: 200 });
      await until(() => broker.inFlight.length === 2);
      broker.answer('a');
      const disposed = running[Symbol.asyncDispose]();
      await clock.advance(200);
      await disposed;
      expect(pending()).toEqual(['b']);
    });

    it('ends a backoff at once', async () => {
      await commit('a');
      broker.decide = () => err(outage);
      const running = start();
      await until(() => failures.length === 1);
      await running[Symbol.asyncDispose]();
      expect(clock.nextAlarmIn).toBeUndefined();
      expect(pending()).toEqual(['a']);
    });
  });

  it('loses no message, whichever publishes fail; in an outage the order stays as committed, and where the last value counts always', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { maxLength: 60 }),
        fc.integer({ min: 1, max: 400 }),
        fc.boolean(),
        async (outcomes, count, asOutage) => {
          const own = openMemoryStore();
          unwrap(
            await own.commit(
              newBatch({
                outbox: numbered(count).map((id, index) => ({
                  ...newMessage(id),
                  subject: subjectOf(index),
                })),
              }),
            ),
          );
          const ownClock = new ManualClock();
          const stored: string[] = [];
          const storedOf = new Map<string, string[]>();
          let calls = 0;
          let downUntil = 0;
          const ownRelay = new OutboxRelay({
            store: own,
            clock: ownClock,
            isLastValue: (subject) => subject.startsWith('state.'),
            publish: async ({ messageId, subject }) => {
              const fails = outcomes[calls++] === false;
              // An outage takes everything that is in flight with it: it ends by time only.
              if (fails && asOutage) downUntil = ownClock.now() + 1;
              if (fails || ownClock.now() < downUntil) return err(outage);
              if (stored.includes(messageId)) return ok(undefined);
              stored.push(messageId);
              storedOf.set(subject, [...(storedOf.get(subject) ?? []), messageId]);
              return ok(undefined);
            },
          });
          await until(() => {
            if (stored.length === count) return true;
            void ownClock.advance(ownClock.nextAlarmIn ?? 0);
            return false;
          });
          await ownRelay[Symbol.asyncDispose]();
          await own[Symbol.asyncDispose]();
          // Whatever waits for one of its own subject is passed by others.
          const isOrdered = asOutage ? () => true : (subject: string) => subject.startsWith('state.');
          for (const [subject, ids] of storedOf) {
            const wanted = numbered(count).filter((id) => ids.includes(id));
            if (isOrdered(subject)) expect(ids).toEqual(wanted);
          }
          expect([...stored].sort()).toEqual(numbered(count).sort());
        },
      ),
      { numRuns: 60 },
    );
  });
});
