import { expect, it } from '@jest/globals';
import type { ConnectionState } from '@outboard/bus';
import { InProcessBroker, STREAM, STREAMS } from '@outboard/bus';
import { AppError, err, systemRandom, unwrap } from '@outboard/core';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { StreamKeeper, type StreamKeeperPorts } from './stream-keeper.js';

const withoutDeltas = STREAMS.filter(({ name }) => name !== STREAM.delta.name);

/** A bus whose server can be exchanged for a new one, which has the streams that were on its disk. */
async function exchangeable() {
  const clock = new ManualClock();
  let broker = new InProcessBroker({ clock });
  let refusals = 0;
  const listeners = new Set<(state: ConnectionState) => void>();
  const log = new RecordingLog();
  const bus: StreamKeeperPorts['bus'] = {
    streams: {
      provision: async (specs, mode) =>
        refusals > 0 && refusals-- > 0
          ? err(new AppError('UNAVAILABLE', 'not yet'))
          : broker.provision(specs, mode),
      remove: async () => err(new AppError('INTERNAL', 'nobody asks for that')),
    },
    onState(listener) {
      listeners.add(listener);
      listener('connected');
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
  const keeper = await StreamKeeper.open({ bus, clock, random: systemRandom, log });
  const hasAll = async (): Promise<boolean> => (await broker.provision(STREAMS, 'verify')).ok;
  return {
    keeper,
    clock,
    log,
    hasAll,
    lose(): void {
      broker = new InProcessBroker({ clock });
    },
    refuse(count: number): void {
      refusals = count;
    },
    async exchange(refused = 0): Promise<void> {
      broker = new InProcessBroker({ clock });
      unwrap(await broker.provision(withoutDeltas, 'apply'));
      refusals = refused;
      for (const listener of [...listeners]) {
        listener('reconnecting');
        listener('connected');
      }
    },
  };
}

it('streams that a server kept in memory are made again after it was started anew', async () => {
  const { keeper, clock, hasAll, exchange } = await exchangeable();
  expect(await hasAll()).toBe(true);
  await exchange();
  await clock.advance(0);
  expect(await hasAll()).toBe(true);
  keeper[Symbol.dispose]();
});

it('a server that does not answer yet is asked again, and nobody is asked by a keeper that has ended', async () => {
  const { keeper, clock, log, hasAll, exchange } = await exchangeable();
  await exchange(2);
  await clock.advance(10_000);
  expect(await hasAll()).toBe(true);
  expect(log.at('warn').filter((line) => line.includes('not yet'))).toHaveLength(1);
  keeper[Symbol.dispose]();
  await exchange();
  await clock.advance(10_000);
  expect(await hasAll()).toBe(false);
  expect(clock.nextAlarmIn).toBeUndefined();
});

it('a stream that is deleted while all are connected is made again, and whoever filled it is told', async () => {
  const { keeper, clock, log, hasAll, lose } = await exchangeable();
  const replaced: string[] = [];
  keeper.onReplaced((stream) => replaced.push(stream));
  await clock.advance(10_000);
  expect(replaced).toEqual([]);
  lose();
  expect(await hasAll()).toBe(false);
  await clock.advance(5_000);
  expect(await hasAll()).toBe(true);
  expect(replaced).toEqual(STREAMS.map(({ name }) => name));
  expect(log.at('warn')).toHaveLength(STREAMS.length);
  keeper[Symbol.dispose]();
});

it('streams that cannot be made are a problem until they are', async () => {
  const { keeper, clock, log, refuse } = await exchangeable();
  expect(keeper.problem).toBeUndefined();
  refuse(3);
  await clock.advance(5_000);
  expect(keeper.problem).toMatchObject({ code: 'UNAVAILABLE', message: 'not yet' });
  await clock.advance(10_000);
  expect(keeper.problem).toBeUndefined();
  expect(log.at('warn')).toHaveLength(1);
  expect(log.at('info')).toContain('the streams are as they should be again');
  keeper[Symbol.dispose]();
});
