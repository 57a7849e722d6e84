import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RecordingLog } from '@outboard/testkit';
import type { PluginCall } from '../src/app/plugin-protocol.js';
import { PluginServer } from '../src/app/plugin-server.js';
import type { PluginAnswer } from '../src/app/verbs.js';

const BUILD = fileURLToPath(new URL('../plugin/build.mjs', import.meta.url));

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
}

/** One suite for both plugins: they must not differ in anything that a runtime sees. */
describe.each([
  ['compiled from C', []],
  ['for Node', ['--without-compiler']],
])('the plugin %s', (_, flags) => {
  let directory: string;
  let plugin: string;
  let socket: string;
  let server: PluginServer;
  let answer: (call: PluginCall) => Promise<PluginAnswer>;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'outboard-plugin-'));
    plugin = join(directory, 'outboard');
    socket = join(directory, 'cni.sock');
    const call = [BUILD, '--output', plugin, '--socket', join(directory, 'built-in.sock'), ...flags];
    execFileSync(process.execPath, call, { stdio: 'ignore' });
    server = await PluginServer.listen(socket, (call) => answer(call), new RecordingLog());
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  const run = (environment: Record<string, string>, stdin: string, path = socket): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const child = spawn(plugin, [], {
        env: { PATH: process.env.PATH ?? '', OUTBOARD_CNI_SOCKET: path, ...environment },
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let stdout = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stdin.on('error', () => {});
      child.once('error', reject).once('close', (exitCode) => resolve({ exitCode, stdout }));
      child.stdin.end(stdin);
    });

  it('carries the variables of CNI and of traces, and standard input, however long', async () => {
    let seen: PluginCall | undefined;
    answer = async (call) => {
      seen = call;
      return { exitCode: 0, stdout: '' };
    };
    const stdin = JSON.stringify({ text: 'ä\n'.repeat(100_000) });
    const environment = {
      CNI_COMMAND: 'ADD',
      CNI_ARGS: 'A=B;C=D=E',
      CNI_NETNS: '',
      TRACEPARENT: 't',
      SECRET: 's',
    };
    expect(await run(environment, stdin)).toEqual({ exitCode: 0, stdout: '' });
    const { SECRET: _secret, ...passed } = environment;
    expect(Object.fromEntries(seen?.environment ?? [])).toEqual(passed);
    expect(seen?.stdin).toBe(stdin);
  });

  it('prints what the agent says, however long, and ends with its exit code', async () => {
    const stdout = `{"msg":"${'ö\\n'.repeat(100_000)}"}`;
    answer = async () => ({ exitCode: 1, stdout });
    expect(await run({ CNI_COMMAND: 'DEL' }, '{}')).toEqual({ exitCode: 1, stdout });
  });

  it.each([
    ['there is no agent', () => join(directory, 'nobody.sock')],
    ['nobody listens where it was built to look', () => ''],
    ['the path of its socket is too long', () => `/${'x'.repeat(200)}`],
    ['the path of its socket has characters that JSON escapes', () => '/"quoted"\\\n.sock'],
  ])('asks the runtime to try again later when %s', async (_case, path) => {
    const { exitCode, stdout } = await run({ CNI_COMMAND: 'ADD' }, '{}', path());
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      code: 11,
      msg: expect.stringContaining(path() || join(directory, 'built-in.sock')),
    });
  });

  it('asks the runtime to try again later when the agent dies without an answer', async () => {
    const dying = join(directory, 'dying.sock');
    const agent = createServer((connection) => connection.destroy());
    await new Promise<void>((resolve) => agent.listen(dying, resolve));
    const { exitCode, stdout } = await run({ CNI_COMMAND: 'ADD' }, '{}', dying);
    agent.close();
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 11 });
  });

  it("has a socket that is root's alone, and nonsense on it is cut off", async () => {
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    answer = async () => ({ exitCode: 0, stdout: 'asked' });
    const said = await new Promise<string>((resolve) => {
      const chunks: Buffer[] = [];
      const stranger = connect(socket);
      stranger.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
      stranger.once('close', () => resolve(Buffer.concat(chunks).toString()));
      stranger.end('GET / HTTP/1.1\r\n\r\n');
    });
    expect(said).toBe('');
  });
});
