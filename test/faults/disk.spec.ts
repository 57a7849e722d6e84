import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Submissions, World } from './world.js';

describe('a disk of the services', () => {
  let world: World;
  let ports: Submissions;

  beforeAll(async () => {
    const directories = ['admin/data', 'network-intent/data'];
    // With NORMAL a failing disk takes the newest changes with it, as a power cut does.
    const disk = { directories, mebibytes: 64 };
    world = await World.start({ name: 'disk', storeDurability: 'FULL', disk });
    ports = new Submissions(world);
  }, 90_000);
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);
  beforeEach(() => world.startTraffic());
  afterEach(() => world.expectUndisturbed());

  it('that is full refuses requests and keeps intents waiting, says so, and all goes on when there is room', async () => {
    world.disk.fill();
    const submitted = ports.submit(20);
    await world.problemBecomes(
      'network-intent',
      /^store: UNAVAILABLE: .*network-intent\.sqlite.*disk is full/,
    );
    expect(await world.create(ports.next())).toMatchObject({
      ok: false,
      error: {
        code: 'UNAVAILABLE',
        reason: 'DATABASE_FULL',
        message: expect.stringMatching(/network-intent\.sqlite .*the disk is full; free space and retry/),
      },
    });
    // What is stored can be read, and nothing that was not answered is there.
    expect(await world.ports()).toEqual(['far', 'near']);

    world.disk.makeRoom();
    await submitted;
    await ports.expectAllReady();
    for (const service of ['admin', 'network-intent']) await world.problemBecomes(service, undefined);
  }, 120_000);

  it('that is full lets no service start, which says so; it starts when there is room', async () => {
    await world.program('network-intent').stop();
    world.disk.fill();
    const submitted = ports.submit(5);
    await expect(world.program('network-intent').start()).rejects.toMatchObject({
      message: expect.stringMatching(/network-intent\.sqlite .*free space and retry/),
    });
    world.disk.makeRoom();
    await world.program('network-intent').start();
    await submitted;
    await ports.expectAllReady();
  }, 120_000);

  it('that the kernel makes read-only takes no change; the services start again once it is repaired', async () => {
    world.disk.fail();
    const submitted = ports.submit(5);
    await world.problemBecomes('network-intent', /^store: .*network-intent\.sqlite.*look at the kernel log/);
    expect(await world.create(ports.next())).toMatchObject({
      ok: false,
      error: { code: 'UNAVAILABLE', reason: 'DATABASE_IO_ERROR' },
    });
    expect(await world.ports()).toEqual(ports.before(5));

    for (const service of ['admin', 'network-intent']) {
      await world.program(service).stop();
      await expect(world.program(service).start()).rejects.toMatchObject({
        message: expect.stringMatching(
          new RegExp(`${service}\\.sqlite cannot be written: make the file, its folder and its file system`),
        ),
      });
    }
    world.disk.repair();
    for (const service of ['admin', 'network-intent']) {
      expect(await world.storeCommand(service, 'check-store')).toMatchObject({ code: 0 });
      expect(await world.storeCommand(service, 'renew-epoch')).toMatchObject({ code: 0 });
      await world.program(service).start();
    }
    await submitted;
    await ports.expectAllReady();
  }, 120_000);
});
