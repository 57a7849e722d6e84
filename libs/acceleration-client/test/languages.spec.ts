import { spawnSync } from 'node:child_process';
import { createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readMetadata } from '@outboard/acceleration';
import { DataPathWorld, program, step, TOKEN } from '@outboard/acceleration/testing';

const EXAMPLES = join(import.meta.dirname, '../../../examples/acceleration');
const KEY = Buffer.alloc(32, 3);
const INPUT = randomBytes(100_000);

let world: DataPathWorld;
const build = mkdtempSync(join(tmpdir(), 'outboard-accelerate-'));
const binary = join(build, 'accelerate');

beforeAll(async () => {
  world = await DataPathWorld.open();
  await world.importKey('k', 'AES_256_GCM', KEY);
  await world.grant({
    programs: [
      program(1, step('ENCRYPT', 'AES_256_GCM', 'k')),
      program(2, step('DECRYPT', 'AES_256_GCM', 'k')),
    ],
  });
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', binary];
  const sources = ['accelerate.c', 'accelerator.c'].map((name) => join(EXAMPLES, name));
  expect(spawnSync('gcc', [...flags, ...sources], { encoding: 'utf8' })).toMatchObject({
    stderr: '',
    status: 0,
  });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(build, { recursive: true });
});

type Tool = (programId: number, input: Uint8Array, metadata: string) => { output: Buffer; metadata: string };

/** Its end must not be waited for by this thread alone: the data path has threads of its own. */
const run = (command: string, args: readonly string[], input: Uint8Array): ReturnType<Tool> => {
  const env = { ...process.env, OUTBOARD_ACCELERATION_TOKEN: TOKEN.toString('hex') };
  const { stdout, stderr, status } = spawnSync(command, args, { input, env, maxBuffer: 8 << 20 });
  if (status !== 0) throw new Error(`${command}: ${stderr.toString()}`);
  return { output: stdout, metadata: stderr.toString() };
};

const python =
  (...flags: string[]): Tool =>
  (programId, input, metadata) => {
    const { directory } = world.locationOf();
    const script = join(EXAMPLES, 'accelerate.py');
    return run('python3', [script, directory, `${programId}`, ...flags, '--metadata', metadata], input);
  };

const c =
  (transport: string): Tool =>
  (programId, input, metadata) =>
    run(
      binary,
      [join(world.locationOf().directory, 'light-0.sock'), '1', `${programId}`, transport, metadata],
      input,
    );

const tools: [string, Tool][] = [
  ['Python over the socket', python()],
  ['Python with shared memory', python('--shared')],
  ['C over the socket', c('inline')],
  ['C with shared memory', c('shared')],
  ['C with rings', c('rings')],
];

it.each(tools)('%s encrypts as anybody with the key decrypts, and decrypts it again', (_, tool) => {
  const sealed = tool(1, INPUT, '');
  const [results] = readMetadata(Buffer.from(sealed.metadata, 'hex')) ?? [];
  const decipher = createDecipheriv('aes-256-gcm', KEY, results?.nonce ?? Buffer.alloc(0));
  decipher.setAuthTag(results?.tag ?? Buffer.alloc(0));
  expect(Buffer.concat([decipher.update(sealed.output), decipher.final()]).equals(INPUT)).toBe(true);
  expect(tool(2, sealed.output, sealed.metadata).output.equals(INPUT)).toBe(true);
  expect(() => tool(2, INPUT, sealed.metadata)).toThrow(/status 3/);
});
