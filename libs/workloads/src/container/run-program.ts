import { spawn } from 'node:child_process';
import { AppError } from '@outboard/core';

const MAX_OUTPUT = 64 << 10;
const DIRECTORIES = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface RunOptions {
  readonly timeoutMilliseconds: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
  readonly input?: string;
}

/** How a program ended, with the first 64 KiB of what it said. */
export interface RunResult {
  /** Undefined: a signal ended it, or it took too long. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** Runs a program to its end, or kills it when it takes too long. Throws AppError FAILED_PRECONDITION if there is none. */
export function runProgram(
  program: string,
  args: readonly string[],
  { timeoutMilliseconds, environment = {}, directory, input }: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      env: { PATH: DIRECTORIES, ...environment },
      cwd: directory ?? '/',
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name]?.on('data', (bytes: Buffer) => {
        if (said[name].length < MAX_OUTPUT) said[name] = `${said[name]}${bytes}`.slice(0, MAX_OUTPUT);
      });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMilliseconds);
    child.once('error', (failure) => {
      clearTimeout(timer);
      reject(new AppError('FAILED_PRECONDITION', `${program}: ${failure.message}`, { cause: failure }));
    });
    // Not `close`: what it leaves running may keep what it was given.
    child.once('exit', (code) => {
      clearTimeout(timer);
      setImmediate(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        resolve({ code: code ?? undefined, timedOut, ...said });
      });
    });
    // One that does not read ends before it is told everything.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** As `runProgram`, of a program that has to succeed: throws AppError INTERNAL with what it said. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const result = await runProgram(program, args, options);
  if (result.code === 0) return result;
  throw new AppError('INTERNAL', `${program} ${args[0] ?? ''}: ${sayOf(result, options)}`);
}

const MAX_SAID = 500;

function sayOf({ code, timedOut, stderr, stdout }: RunResult, { timeoutMilliseconds }: RunOptions): string {
  if (timedOut) return `took more than ${timeoutMilliseconds} ms`;
  const said = plainMessage(stderr.trim() || stdout.trim()).slice(-MAX_SAID);
  return said === '' ? `ended with ${code ?? 'a signal'}` : said;
}

/** What an OCI runtime says, without the dress of its log: `time="..." level=error msg="..."`. */
export function plainMessage(text: string): string {
  const message = /(?:^|\n)time="[^"]*" level=(?:error|fatal) msg="((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  return (message ?? text).replaceAll(/\\(.)/g, '$1').trim();
}
