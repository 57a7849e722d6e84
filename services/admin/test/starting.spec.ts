import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type NatsServer, startNatsServer } from '@outboard/testkit';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

const directory = mkdtempSync(join(tmpdir(), 'outboard-admin-'));
const children: ChildProcess[] = [];
let server: NatsServer;

beforeAll(async () => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not built: npx tsc -b services/admin`);
  server = await startNatsServer();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await server.kill();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** The service as a process of its own. */
function startService() {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, OUTBOARD_NATS_URL: server.url, OUTBOARD_DATA_DIRECTORY: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const ended = once(child, 'exit') as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  const lines: string[] = [];
  const looks = new Set<() => void>();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      lines.push(line);
      for (const look of looks) look();
    });
  }
  return {
    says: (text: string) =>
      new Promise<string>((resolve, reject) => {
        const look = (): void => {
          const line = lines.find((each) => each.includes(text));
          if (line !== undefined) resolve(line);
        };
        looks.add(look);
        look();
        void ended.then(() => reject(new Error(`ended without ${text}:\n${lines.join('\n')}`)));
      }),
    /** Its exit code and the signal that killed it. */
    async terminate() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

describe('a service without a bus', () => {
  it('says at once what it waits for, goes on trying, and is ready when the bus is there', async () => {
    await server.kill();
    const service = startService();
    expect(JSON.parse(await service.says('no bus yet'))).toMatchObject({
      service: 'admin',
      code: 'UNAVAILABLE',
      // The first attempt, which goes on.
      failures: 1,
      msg: expect.stringContaining(`NATS at ${server.url} cannot be reached`),
    });
    await server.start();
    await service.says('"event":"ready"');
    expect(await service.terminate()).toEqual([0, null]);
  });

  it('ends in order while it waits', async () => {
    await server.kill();
    const service = startService();
    await service.says('no bus yet');
    expect(await service.terminate()).toEqual([0, null]);
  });
});
