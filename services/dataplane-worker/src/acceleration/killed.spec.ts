import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { TOKEN } from '@outboard/acceleration/testing';
import { AccelerationClient } from '@outboard/acceleration-client';
import { residuesOf } from '@outboard/testkit';
import { KEY, keyObject, sessionObject } from '../testing/acceleration-objects.js';

const PROGRAM = join(import.meta.dirname, '../testing/acceleration-process.mjs');
const RAW_KEY = KEY.subarray(0, 32);

/** A process that hosts acceleration. */
class Host {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly exited: Promise<unknown>;

  constructor(directory: string) {
    const args = [PROGRAM, join(directory, 'sockets'), join(directory, 'data')];
    this.#process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#process.stdout === null) throw new Error('a host has an output');
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.exited = new Promise((resolve) => this.#process.once('exit', resolve));
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  async next(): Promise<{ publicKey?: string; problems?: string[] }> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the host ended');
    return JSON.parse(value);
  }

  async serve(objects: Readonly<Record<string, Uint8Array>>): Promise<void> {
    const entries = Object.entries(objects).map(([key, object]) => [
      key,
      Buffer.from(object).toString('base64'),
    ]);
    this.#process.stdin?.write(`${JSON.stringify(Object.fromEntries(entries))}\n`);
    const { problems } = await this.next();
    expect(problems).toEqual(entries.length === 1 ? ['key k1 is not here'] : []);
  }

  /** From here on it answers nothing. */
  stop(): void {
    this.#process.kill('SIGSTOP');
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.exited;
  }

  async end(): Promise<void> {
    this.#process.stdin?.end();
    await this.exited;
  }
}

let directory: string;
let hosts: Host[];
let client: AccelerationClient;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ob-killed-'));
  hosts = [];
  client = new AccelerationClient({ locate: location });
});
afterEach(async () => {
  client[Symbol.dispose]();
  for (const host of hosts) await host.kill();
  rmSync(directory, { recursive: true, force: true });
});

const location = (): { directory: string; token: Uint8Array } => ({
  directory: join(directory, 'sockets/s1'),
  token: TOKEN,
});

async function started(
  objects?: Readonly<Record<string, Uint8Array>>,
): Promise<[Host, Record<string, Uint8Array>]> {
  const host = new Host(directory);
  hosts.push(host);
  const { publicKey = '' } = await host.next();
  const wanted = objects ?? {
    'key/k1': keyObject(Buffer.from(publicKey, 'base64')),
    'session/s1': sessionObject(TOKEN),
  };
  await host.serve(wanted);
  return [host, wanted];
}

it('a worker that is killed in the middle of it loses no job, and no nonce is used again by the next', async () => {
  let [host, objects] = await started();
  const input = Buffer.alloc(20_000, 1);
  const nonces: string[] = [];
  const run = async (): Promise<number> => {
    const { metadata, output, attempts } = await client.run(1, input);
    expect(output.length).toBe(input.length);
    nonces.push(Buffer.from(metadata[0]?.nonce ?? []).toString('hex'));
    return attempts;
  };
  await Promise.all(Array.from({ length: 100 }, run));
  const jobs = Array.from({ length: 400 }, run);
  await jobs[20];
  host.stop();
  jobs.push(run());
  await host.kill();
  [host, objects] = await started(objects);
  const attempts = await Promise.all(jobs);
  expect(attempts.length).toBe(401);
  expect(attempts.some((count) => count > 1)).toBe(true);
  expect(nonces.length).toBe(501);
  expect(new Set(nonces).size).toBe(501);
  await host.end();
});

it('a key is in no file, and in memory only until it is removed', async () => {
  const [host, objects] = await started();
  await client.run(1, Buffer.alloc(100));
  const files = readdirSync(directory, { recursive: true, withFileTypes: true });
  for (const file of files.filter((each) => each.isFile())) {
    const bytes = readFileSync(join(file.parentPath, file.name));
    for (const encoding of ['latin1', 'hex', 'base64', 'base64url'] as const)
      expect([file.name, encoding, bytes.includes(RAW_KEY.toString(encoding), 0, 'latin1')]).toEqual([
        file.name,
        encoding,
        false,
      ]);
  }
  // That it is found while it is used shows that it would be found afterwards.
  expect(residuesOf(host.pid, RAW_KEY)).toBeGreaterThan(0);
  await host.serve({ 'session/s1': objects['session/s1'] ?? new Uint8Array() });
  expect(residuesOf(host.pid, RAW_KEY)).toBe(0);
  await host.end();
});
