import { spawn } from 'node:child_process';
import type { NetworkNamespace } from '@outboard/netlink';

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in a network namespace, as on the machine that it stands for. `input`: what it reads. */
export function runIn(
  namespace: NetworkNamespace,
  [program, ...args]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>>,
  input = '',
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { PATH = '', HOME = '/root' } = process.env;
    const child = namespace.run(() =>
      spawn(program, args, {
        env: { PATH: `${PATH}:/usr/sbin:/sbin`, HOME, ...environment },
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    );
    const [out, error]: [Buffer[], Buffer[]] = [[], []];
    // One that has read enough, or does not read at all, closes it.
    child.stdin.on('error', () => {}).end(input);
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => error.push(chunk));
    child.once('error', reject);
    child.once('close', (exitCode) =>
      resolve({ exitCode, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(error).toString() }),
    );
  });
}

/** Its standard output; throws what it said when it fails. */
export async function mustRunIn(...call: Parameters<typeof runIn>): Promise<string> {
  const { exitCode, stdout, stderr } = await runIn(...call);
  if (exitCode === 0) return stdout;
  throw new Error(`${call[1].join(' ')} ended with ${exitCode}: ${stderr}${stdout}`);
}
