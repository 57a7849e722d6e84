import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Subscription } from '@outboard/bus';
import { HEADERS } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { intentConsumer } from '../src/index.js';
import { settled, until } from '../src/testing/index.js';
import { Laboratory, manifest } from './laboratory.js';

describe('intents published on the bus', () => {
  let laboratory: Laboratory;
  let consuming: Subscription;
  /** Settlements get lost, as when the process dies between its commit and the acknowledgement. */
  let isDying: boolean;

  const consume = async (): Promise<void> => {
    const bus = laboratory.broker.connect();
    consuming = await bus.consume(intentConsumer('network'), async (delivery) => {
      const settlement = await laboratory.service.handleIntent(delivery);
      if (isDying) throw new Error('the settlement was lost');
      return settlement;
    });
  };
  const publish = async (name: string, messageId: string, mtu?: number, isDelete = false): Promise<void> => {
    const headers = isDelete ? { [HEADERS.operation]: 'delete' } : {};
    const body = Buffer.from(isDelete ? '' : manifest(name, mtu === undefined ? {} : { mtu }));
    const subject = `outboard.v1alpha1.intent.acme.network.network.${name}`;
    unwrap(await laboratory.bus.publish(subject, { headers, body }, { messageId }));
  };
  const mtus = (): Record<string, unknown> =>
    Object.fromEntries(laboratory.stored().map(({ metadata, spec }) => [metadata.name, spec.mtu]));

  beforeEach(async () => {
    isDying = false;
    laboratory = await Laboratory.open();
    await consume();
  });
  afterEach(async () => {
    await consuming[Symbol.asyncDispose]();
    await laboratory.close();
  });

  it('wait out a full disk, and nothing is lost, doubled or taken out of order', async () => {
    laboratory.store.isDiskFull = true;
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 20; index++)
        await publish(`n-${index}`, `m-${round}-${index}`, 1400 + round);
    }
    await publish('n-0', 'm-delete', undefined, true);
    for (let minute = 0; minute < 60; minute++) await laboratory.clock.advance(60_000);
    expect(laboratory.stored()).toEqual([]);
    laboratory.store.isDiskFull = false;
    for (let second = 0; second < 240; second++) await laboratory.clock.advance(1_000);
    await until(() => laboratory.stored().length === 19);
    expect(new Set(Object.values(mtus()))).toEqual(new Set([1404]));
    await laboratory.published();
    for (let index = 0; index < 20; index++) {
      const transitions = Array<string>(5).fill('accepted');
      if (index === 0) transitions.push('deleted');
      expect(laboratory.transitions(`n-${index}`)).toEqual(transitions);
    }
  });

  it('that were committed but not acknowledged before the process died are not obeyed twice', async () => {
    isDying = true;
    for (let index = 0; index < 50; index++) await publish(`n-${index}`, `m-${index}`, 1400);
    await until(() => laboratory.stored().length === 50);
    const before = laboratory.rows();
    await settled();
    await laboratory.restart();
    isDying = false;
    await laboratory.clock.advance(1_000);
    await publish('last', 'm-last');
    await until(() => mtus().last === undefined && laboratory.stored().length === 51);
    await settled();
    expect(laboratory.rows().filter(({ key }) => key.name !== 'last')).toEqual(before);
    await laboratory.published();
    expect(laboratory.events).toHaveLength(51);
  });
});
