// The health check of a container: `service NAME` is healthy if it answers on the bus, `dpu NAME` if admin hears its
// worker. Says on standard output what is wrong; exits with 0 or 1.
import { basename, dirname } from 'node:path';
import { type Bus, connectNats, readCredentials } from '@outboard/bus';
import { StateCache } from '@outboard/client';
import { AppError, unwrap } from '@outboard/core';
import { findCondition } from '@outboard/model';

/** The engine ends a check that takes longer than the `timeout` in docker-compose.yml; this one says why it failed. */
const DEADLINE_MILLISECONDS = 3_000;

const checks: Record<string, (bus: Bus, name: string) => Promise<void>> = {
  async service(bus, name) {
    const request = { headers: {}, body: new Uint8Array() };
    unwrap(await bus.request(`$SRV.PING.${name}`, request, { deadlineMilliseconds: DEADLINE_MILLISECONDS }));
  },
  async dpu(bus, name) {
    const state = await StateCache.open(bus);
    const isHeard = (): boolean =>
      [...state.values()].some(
        ({ kind, metadata, status }) =>
          kind === 'Dpu' &&
          metadata.name === name &&
          findCondition(status.conditions, 'Healthy')?.status === 'True',
      );
    await state.until(`admin hears the worker of ${name}`, isHeard, DEADLINE_MILLISECONDS);
  },
};

async function main([kind = '', name = '']: readonly string[]): Promise<void> {
  const check = checks[kind];
  if (check === undefined) throw AppError.invalid([{ field: 'kind', description: 'must be service or dpu' }]);
  const seedFile = process.env.OUTBOARD_NATS_SEED_FILE ?? '';
  const role = basename(seedFile, '.seed');
  const bus = await connectNats({
    servers: process.env.OUTBOARD_NATS_URL ?? '',
    name: `health of ${name}`,
    connectMilliseconds: DEADLINE_MILLISECONDS,
    ...(await readCredentials(dirname(seedFile), role)),
  });
  await check(bus, name);
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (failure) => {
    process.stdout.write(`${AppError.from(failure).message}\n`);
    process.exit(1);
  },
);
