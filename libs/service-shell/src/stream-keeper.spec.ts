import { expect, it } from '@jest/globals';
import type { ConnectionState } from '@outboard/bus';
import { InProcessBroker, STREAM, STREAMS } from '@outboard/bus';
import { AppError, err, systemRandom, unwrap } from '@outboard/core';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { StreamKeeper, type StreamKeeperPorts } from './stream-keeper.js';

const withoutDeltas = STREAMS.filter(({ name }) => name !== STREAM.delta.name);

/** A bus whose server can be exchanged for a new one, which has the streams that were on its disk. */
async function exchangeable() {
  let broker = new InProcessBroker();
  let refusals = 0;
  const listeners = new Set<(state: ConnectionState) => void>();
  const clock = new ManualClock();
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
    async exchange(refused = 0): Promise<void> {
      broker = new InProcessBroker();
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
  expect(log.at('warn')).toEqual(Array(2).fill(expect.stringContaining('not yet')));
  keeper[Symbol.dispose]();
  await exchange();
  await clock.advance(10_000);
  expect(await hasAll()).toBe(false);
  expect(clock.nextAlarmIn).toBeUndefined();
});
