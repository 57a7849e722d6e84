import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateCredentials, readCredentials } from './credentials.js';
import { roles } from './roles.js';
import { renderServerConfig } from './server-config.js';

const ALL = [roles.admin(), roles.networkIntent(), roles.worker('dpu-1'), roles.operator()];

describe('credentials and configuration', () => {
  let directory: string;
  let credentials: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'outboard-credentials-'));
    credentials = join(directory, 'credentials');
    await generateCredentials(credentials, ALL);
  });

  afterAll(() => rm(directory, { recursive: true }));

  it('are secret, stay when they are made again, and are refused when they are damaged', async () => {
    const file = join(credentials, 'admin.seed');
    const before = await readFile(file, 'utf8');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(credentials)).mode & 0o777).toBe(0o700);
    const [again] = await generateCredentials(credentials, [roles.admin()]);
    expect(await readFile(file, 'utf8')).toBe(before);
    expect(again?.publicKey).toMatch(/^U[A-Z2-7]{55}$/);

    const damaged = join(directory, 'damaged');
    await generateCredentials(damaged, [roles.admin()]);
    await writeFile(join(damaged, 'admin.seed'), 'SUNOTAKEY');
    await expect(readCredentials(damaged, 'admin')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(readCredentials(damaged, 'absent')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('the configuration holds public keys only, and is refused with every problem', async () => {
    const authorized = await generateCredentials(credentials, ALL);
    const config = renderServerConfig({
      host: '127.0.0.1',
      port: 4222,
      storeDirectory: '/s',
      roles: authorized,
    });
    for (const { name } of ALL) {
      expect(config).not.toContain((await readFile(join(credentials, `${name}.seed`), 'utf8')).trim());
    }
    const [one] = authorized;
    const twice = one ? [one, { ...one, publicKey: 'X' }] : [];
    expect(() =>
      renderServerConfig({
        host: 'a b',
        port: 70_000,
        storeDirectory: '',
        roles: twice,
        monitoringPort: -1,
      }),
    ).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        violations: [
          { field: 'host', description: expect.any(String) },
          { field: 'port', description: expect.any(String) },
          { field: 'monitoringPort', description: expect.any(String) },
          { field: 'storeDirectory', description: expect.any(String) },
          { field: 'roles[1]', description: 'admin is there twice' },
          { field: 'roles[1].publicKey', description: expect.any(String) },
        ],
      }),
    );
  });

  it('a name that cannot be a token of a subject makes no role', () => {
    for (const name of ['*', '>', 'a.b', 'A', '', '_', 'x'.repeat(64)]) {
      expect(() => roles.worker(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(() => roles.orchestrator(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});
