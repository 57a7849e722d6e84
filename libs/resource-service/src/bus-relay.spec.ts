import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { AppError, err, ok, systemRandom, unwrap } from '@outboard/core';
import { openMemoryStore } from '@outboard/store';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { publishingProblem, relayToBus } from './bus-relay.js';

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !condition(); turn++) await nextTurn();
  expect(condition()).toBe(true);
}

describe('the relay to the bus', () => {
  it('says once in an outage what is not published and why, and when it goes on; meanwhile it is a problem', async () => {
    const [store, clock, log] = [openMemoryStore(), new ManualClock(), new RecordingLog()];
    const subject = 'outboard.v1alpha1.event.acme.network.port.web.accepted';
    let refusal: AppError | undefined = new AppError('PERMISSION_DENIED', 'may not publish there');
    const outbox = [{ messageId: 'm1', subject, headers: {}, body: new Uint8Array(1) }];
    unwrap(await store.commit({ expect: [], puts: [], deletes: [], outbox, remember: [] }));
    const bus = {
      publish: async () => (refusal ? err(refusal) : ok({ stream: 'EVENT', sequence: 1, duplicate: false })),
    };
    const relay = relayToBus({ bus, store, clock, random: systemRandom, log });
    while ((relay.failure?.attempt ?? 0) < 3) {
      await until(() => clock.nextAlarmIn !== undefined);
      await clock.advance(clock.nextAlarmIn ?? 0);
    }
    expect(log.lines).toEqual([
      {
        level: 'warn',
        facts: { code: 'PERMISSION_DENIED', subject },
        sentence: 'nothing is published: may not publish there',
      },
    ]);
    expect(publishingProblem(relay)).toBe(
      `not published, ${relay.failure?.attempt} failures in a row: ${subject}: PERMISSION_DENIED: may not publish there`,
    );
    refusal = undefined;
    await clock.advance(5_000);
    await until(() => relay.failure === undefined);
    expect(log.at('info')).toEqual(['publishing goes on']);
    expect(publishingProblem(relay)).toBeUndefined();
    await relay[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });
});
