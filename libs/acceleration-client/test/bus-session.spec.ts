import { expect, it } from '@jest/globals';
import { AppError } from '@outboard/core';
import type { AnyResource } from '@outboard/model';
import { BusSession, type BusSessionOptions } from '../src/bus/index.js';
import { AccelerationClient, HostEngine } from '../src/index.js';

const TOKEN = Buffer.alloc(32, 1);
const CHECKSUM = { operation: 'GENERATE', algorithm: 'CRC32C', key: undefined, level: 0, callerNonce: false };
const PROFILE = {
  kind: 'AccelerationProfile',
  spec: { programs: [{ id: 7, steps: [CHECKSUM] }], policy: { hostFallback: true } },
};
const sessionOn = (dpu: string | undefined, epoch: number) => ({
  kind: 'AccelerationSession',
  spec: { profile: 'sums', programs: [], policy: {} },
  status: { dpu, epoch, socketDirectory: dpu && `/run/${dpu}/s1` },
});

/** What the bus says of a tenant, by kind. */
function states(resources: Record<string, object | undefined>) {
  const listeners = new Set<() => void>();
  const state: BusSessionOptions['state'] = {
    get: ({ kind }) => resources[kind] as AnyResource | undefined,
    async until(what, look) {
      const found = look(state as never);
      if (found) return found;
      throw new AppError('DEADLINE_EXCEEDED', what);
    },
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
  return {
    session: new BusSession({ state, tenant: 'acme', name: 'sums', token: TOKEN }),
    say(kind: string, resource: object | undefined): void {
      resources[kind] = resource;
      for (const listener of listeners) listener();
    },
  };
}

it('a session is where the bus says that it is, and each move is told once', async () => {
  const { session, say } = states({ accelerationsession: sessionOn('dpu-a', 1) });
  const moves: string[] = [];
  const listening = session.onMove(({ dpu, epoch }) => moves.push(`${dpu} ${epoch}`));
  expect(await session.locate()).toEqual({ directory: '/run/dpu-a/s1', token: TOKEN });
  for (const epoch of [1, 2, 2]) say('accelerationsession', sessionOn('dpu-b', epoch));
  expect(await session.locate()).toEqual({ directory: '/run/dpu-b/s1', token: TOKEN });
  say('accelerationsession', sessionOn(undefined, 2));
  await expect(session.locate()).rejects.toMatchObject({ status: 'UNAVAILABLE', class: 'MOVE' });
  listening[Symbol.dispose]();
  say('accelerationsession', sessionOn('dpu-a', 3));
  expect(moves).toEqual(['dpu-b 2']);
});

it('why there is nowhere to connect is told: there is no session, no DPU has it, or it is over', async () => {
  const { session, say } = states({});
  await expect(session.locate()).rejects.toThrow('UNAVAILABLE: there is no session acme/sums');
  say('accelerationsession', sessionOn(undefined, 1));
  await expect(session.locate()).rejects.toThrow('UNAVAILABLE: not so: session acme/sums is on a DPU');
  say('accelerationsession', undefined);
  await expect(session.locate()).rejects.toMatchObject({
    message: 'NOT_FOUND: session acme/sums is over',
    class: 'FINAL',
  });
});

it('a job of a session that is over fails at once: it is not tried again, and the host does not do it', async () => {
  const { session, say } = states({
    accelerationsession: sessionOn('dpu-a', 1),
    accelerationprofile: PROFILE,
  });
  const client = new AccelerationClient({
    locate: session.locate,
    known: session.known,
    host: new HostEngine(),
    // It would take longer than the test may.
    timeoutMilliseconds: 600_000,
  });
  const job = client.run(7, Buffer.from('123456789'));
  say('accelerationsession', undefined);
  await expect(job).rejects.toMatchObject({ status: 'NOT_FOUND', class: 'FINAL' });
  expect(client.activity).toEqual({ accelerated: 0, onHost: 0, resubmitted: 0, failed: 1 });
  client[Symbol.dispose]();
});

it('where no DPU ever had the session the host does what its profile allows, and says so', async () => {
  const { session } = states({
    accelerationsession: sessionOn(undefined, 0),
    accelerationprofile: PROFILE,
  });
  const client = new AccelerationClient({
    locate: session.locate,
    known: session.known,
    host: new HostEngine(),
    timeoutMilliseconds: 20,
  });
  const { ranOn, metadata } = await client.run(7, Buffer.from('123456789'));
  expect([ranOn, Buffer.from(metadata[0]?.digest ?? []).toString('hex')]).toEqual(['HOST', '839206e3']);
  expect(client.activity).toEqual({ accelerated: 0, onHost: 1, resubmitted: 0, failed: 0 });
  client[Symbol.dispose]();
});
