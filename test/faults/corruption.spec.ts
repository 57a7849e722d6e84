import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { damage, moveAway } from './damage.js';
import { portManifest, Submissions, World } from './world.js';

/** Enough for a database of which a running service has only a part in memory. */
const PORTS = 150;

describe('a damaged database', () => {
  let world: World;
  let ports: Submissions;
  let file: string;
  let backup: string;
  const isWhole = { code: 0, stdout: expect.stringContaining('network-intent.sqlite is whole') };
  const isDamaged = {
    code: 1,
    stderr: expect.stringMatching(
      /^DATA_LOSS: database .*network-intent\.sqlite .*restore a backup(.|\n)*page/i,
    ),
  };

  beforeAll(async () => {
    world = await World.start({ name: 'damage' });
    ports = new Submissions(world);
    await ports.submit(PORTS);
    file = world.database('network-intent');
    backup = join(dirname(file), 'backup.sqlite');
    // A copy of the running service's database.
    expect(await world.storeCommand('network-intent', 'backup-store', backup)).toMatchObject({ code: 0 });
    expect(await world.storeCommand('network-intent', 'check-store')).toMatchObject(isWhole);
  }, 120_000);
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);
  beforeEach(() => world.startTraffic());
  afterEach(() => world.expectUndisturbed());

  it('is not written any more once a running service sees it; a backup and what was asked since make all good', async () => {
    // Ends and starts, so that all of it is in the file and little of it in memory.
    await world.stack.stack.restart('network-intent');
    const late = portManifest('late', 0, 255);
    await world.acme.apply(late);
    damage(file);
    const submitted = ports.submit(10);
    await world.problemBecomes(
      'network-intent',
      /^store: DATA_LOSS: .*network-intent\.sqlite .*restore a backup/,
    );
    expect(await world.create(ports.next())).toMatchObject({
      ok: false,
      error: { code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT', message: expect.stringContaining(file) },
    });
    expect(await world.storeCommand('network-intent', 'check-store')).toMatchObject(isDamaged);

    await world.program('network-intent').stop();
    moveAway(file, 'damaged');
    expect(await world.storeCommand('network-intent', 'restore-store', backup)).toMatchObject({ code: 0 });
    await world.program('network-intent').start();
    // Intents that nobody has answered were waiting for this.
    await submitted;
    await ports.expectAllReady();
    expect(await world.portsInStates()).toEqual(await world.ports());
    // What was accepted after the backup is not in it: the log of events names it, and it is sent again.
    expect(await world.acceptedSince(backup)).toContain('late');
    await world.acme.apply(late);
    ports.names.push('late');
    await ports.expectAllReady();
    await world.problemBecomes('network-intent', undefined);
  }, 120_000);

  it('keeps a service from starting, which names the file and what to do', async () => {
    await world.program('network-intent').stop();
    const newest = `${backup}.newest`;
    expect(await world.storeCommand('network-intent', 'backup-store', newest)).toMatchObject({ code: 0 });
    damage(file);
    const submitted = ports.submit(5);
    await expect(world.program('network-intent').start()).rejects.toMatchObject({
      message: expect.stringMatching(
        /network-intent\.sqlite cannot be used .*restore a backup \(restore-store\)/,
      ),
    });
    expect(await world.storeCommand('network-intent', 'check-store')).toMatchObject(isDamaged);
    moveAway(file, 'damaged-again');
    expect(await world.storeCommand('network-intent', 'restore-store', newest)).toMatchObject({ code: 0 });
    expect(await world.storeCommand('network-intent', 'check-store')).toMatchObject(isWhole);
    await world.program('network-intent').start();
    await submitted;
    await ports.expectAllReady();
  }, 120_000);
});
