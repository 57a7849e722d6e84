import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { subjects, type Verb } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { damage, moveAway } from './damage.js';
import { World } from './world.js';

/** Each service that has a database, with something small that it keeps there. */
const SERVICES = [
  { service: 'admin', api: 'admin', tenant: '_', kind: 'FunctionPool', spec: { minimumFree: 0 } },
  { service: 'network-intent', api: 'network', tenant: 'acme', kind: 'AddressSet', spec: { addresses: [] } },
  {
    service: 'acceleration-broker',
    api: 'acceleration',
    tenant: 'acme',
    kind: 'AccelerationProfile',
    spec: { programs: [{ id: 1, steps: [{ operation: 'GENERATE', algorithm: 'CRC32C' }] }] },
  },
] as const;
type Keeper = (typeof SERVICES)[number];
/** What is in memory and in parts of files that are used again takes some changes on a full disk. */
const MOST_CHANGES = 2_000;

describe('the databases of all services', () => {
  let world: World;
  let made = 0;

  beforeAll(async () => {
    const directories = SERVICES.map(({ service }) => `${service}/data`);
    const disk = { directories, mebibytes: 96 };
    world = await World.start({ name: 'bases', storeDurability: 'FULL', acceleration: true, disk });
  }, 90_000);
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);
  beforeEach(() => world.startTraffic());
  afterEach(() => world.expectUndisturbed());

  const ask = ({ api, tenant, kind }: Keeper, verb: Verb, body: object) =>
    world.operator.request(
      subjects.rpc(tenant, api, kind.toLowerCase(), verb),
      { headers: {}, body: Buffer.from(JSON.stringify(body)) },
      { deadlineMilliseconds: 10_000 },
    );
  const create = (keeper: Keeper, name = `made-${++made}`) => {
    const { api, tenant, kind, spec } = keeper;
    const metadata = tenant === '_' ? { name } : { tenant, name };
    return ask(keeper, 'create', { apiVersion: `${api}.outboard.dev/v1alpha1`, kind, metadata, spec });
  };
  const untilRefused = async (keeper: Keeper) => {
    for (let count = 0; count < MOST_CHANGES; count++) {
      const answer = await create(keeper);
      if (!answer.ok) return answer.error;
    }
    throw new Error(`${MOST_CHANGES} changes were taken by a full disk`);
  };

  it.each(SERVICES)(
    'of $service on a full disk takes no change and is read, until there is room',
    async (keeper) => {
      const { service } = keeper;
      unwrap(await create(keeper, 'before'));
      world.disk.fill();
      try {
        expect(await untilRefused(keeper)).toMatchObject({
          code: 'UNAVAILABLE',
          reason: 'DATABASE_FULL',
          message: expect.stringMatching(
            new RegExp(`${service}\\.sqlite .*the disk is full; free space and retry`),
          ),
        });
        await world.problemBecomes(
          service,
          new RegExp(`^store: UNAVAILABLE: .*${service}\\.sqlite.*disk is full`),
        );
        unwrap(await ask(keeper, 'get', { name: 'before' }));
      } finally {
        world.disk.makeRoom();
      }
      unwrap(await create(keeper));
      await world.problemBecomes(service, undefined);
    },
    120_000,
  );

  it.each(SERVICES)(
    'of $service that is damaged keeps it from starting, which says what to do, and a backup makes it good',
    async (keeper) => {
      const { service } = keeper;
      const file = world.database(service);
      const backup = join(file, '..', 'backup.sqlite');
      unwrap(await create(keeper, 'kept'));
      expect(await world.storeCommand(service, 'backup-store', backup)).toMatchObject({ code: 0 });
      await world.program(service).stop();
      damage(file);
      await expect(world.program(service).start()).rejects.toMatchObject({
        message: expect.stringMatching(
          new RegExp(`${service}\\.sqlite cannot be used .*restore a backup \\(restore-store\\)`),
        ),
      });
      expect(await world.storeCommand(service, 'check-store')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^DATA_LOSS: .*restore a backup/),
      });
      moveAway(file, 'damaged');
      expect(await world.storeCommand(service, 'restore-store', backup)).toMatchObject({ code: 0 });
      await world.program(service).start();
      unwrap(await ask(keeper, 'get', { name: 'kept' }));
      unwrap(await create(keeper));
      await world.problemBecomes(service, undefined);
    },
    120_000,
  );

  it('on a disk that the kernel makes read-only take no change and are read, and all services start again once it is repaired', async () => {
    for (const keeper of SERVICES) unwrap(await create(keeper, 'stored'));
    world.disk.fail();
    for (const keeper of SERVICES) {
      expect(await create(keeper)).toMatchObject({
        ok: false,
        error: { code: 'UNAVAILABLE', reason: 'DATABASE_IO_ERROR' },
      });
      unwrap(await ask(keeper, 'get', { name: 'stored' }));
    }
    for (const { service } of SERVICES) {
      await world.problemBecomes(
        service,
        new RegExp(`^store: .*${service}\\.sqlite.*look at the kernel log`),
      );
      await world.program(service).stop();
      await expect(world.program(service).start()).rejects.toMatchObject({
        message: expect.stringMatching(
          new RegExp(`${service}\\.sqlite cannot be written: make the file, its folder and its file system`),
        ),
      });
    }
    world.disk.repair();
    for (const keeper of SERVICES) {
      const { service } = keeper;
      for (const command of ['check-store', 'renew-epoch'])
        expect(await world.storeCommand(service, command)).toMatchObject({ code: 0 });
      await world.program(service).start();
      unwrap(await ask(keeper, 'get', { name: 'stored' }));
      unwrap(await create(keeper));
      await world.problemBecomes(service, undefined);
    }
  }, 180_000);
});
