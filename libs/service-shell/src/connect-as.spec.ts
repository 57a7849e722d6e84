import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateCredentials, readCredentials, readSeed, roles } from '@outboard/bus';
import { connectAs } from './connect-as.js';

describe('connecting as a role', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'outboard-connect-as-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  // No server is there: what is wrong with the seed is told without asking for one.
  const connectWith = (natsSeedFile: string) =>
    connectAs(
      { name: 'admin' },
      { natsServers: ['nats://127.0.0.1:1'], natsSeedFile, connectMilliseconds: 1 },
    );

  it('names the setting and the file where there is no seed', async () => {
    const file = join(directory, 'admin.seed');
    await expect(connectWith(file)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringMatching(`^OUTBOARD_NATS_SEED_FILE: .*${file}`),
    });
  });

  it('names both where the file holds something else, which it does not repeat', async () => {
    const file = join(directory, 'admin.seed');
    writeFileSync(file, 'a secret of something else\n');
    await expect(connectWith(file)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: `OUTBOARD_NATS_SEED_FILE: ${file} holds no NKey seed`,
    });
  });

  it('goes to the server with a seed that is one, also from a file that ends with a line break', async () => {
    await generateCredentials(directory, [roles.admin()]);
    const file = join(directory, 'admin.seed');
    const { seed } = await readCredentials(directory, 'admin');
    appendFileSync(file, '\n');
    expect(await readSeed(file)).toEqual(seed);
    await expect(connectWith(file)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
