import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AppError, type Clock } from '@outboard/core';
import { NAMESPACES } from './bundle.js';
import { enforceableLimits } from './cgroups.js';
import type {
  ContainerExit,
  ContainerRuntime,
  ContainerSpecification,
  FoundContainer,
  RuntimeCapabilities,
} from './container-runtime.js';
import { findProgram } from './find-program.js';
import { identify, isMonitorOf, isRunning, type ProcessIdentity, readNumber } from './process-identity.js';
import { mustRun, plainMessage, type RunResult, runProgram } from './run-program.js';

const CALL_MILLISECONDS = 10_000;
/** In the facts of a container: the pid of its conmon. */
const MONITOR = 'monitor';
const CREATE_MILLISECONDS = 20_000;
/** How often is looked whether a program and its monitor still run: either may have been killed. Costs two reads of /proc. */
const WATCH_MILLISECONDS = 500;
/** How often, and after how long, is looked for the end of what does not run any more. */
const PATIENCE = 10;
const LAST_WORD_MILLISECONDS = 200;
/** The log that a workload fills while nobody looks; conmon starts it anew then. */
const MAX_LOG_BYTES = 4 << 20;

export interface OciRuntimeOptions {
  /** For the state of containers; of this runtime alone. It survives restarts. */
  readonly directory: string;
  readonly clock: Clock;
}

/**
 * Containers by an OCI runtime (crun, runc), each watched by a conmon of its own: both are programs of Debian that
 * outlive us, so that workloads do, and tell how a container ended to whoever comes next.
 */
export class OciRuntime implements ContainerRuntime {
  readonly #state: string;
  /** What conmon writes down: how each ended, by name; and more, in a directory each. */
  readonly #exits: string;
  readonly #facts: string;
  readonly #clock: Clock;
  #probed: Promise<Probed> | undefined;

  constructor({ directory, clock }: OciRuntimeOptions) {
    this.#state = join(directory, 'containers');
    this.#exits = join(directory, 'exits');
    this.#facts = join(directory, 'facts');
    this.#clock = clock;
  }

  async probe(): Promise<RuntimeCapabilities> {
    const { version, limits, reason } = await this.#tools();
    return { isolation: { runtime: version, namespaces: NAMESPACES, limits, reason }, limits };
  }

  async list(): Promise<readonly FoundContainer[]> {
    const names = await readdir(this.#state).catch(() => []);
    if (names.length === 0) return [];
    const { stdout } = await this.#call(['list', '--format', 'json']);
    const listed: unknown = JSON.parse(stdout.trim() || 'null');
    const found = Array.isArray(listed) ? (listed as { id: string; status: string }[]) : [];
    const running = new Set(found.filter(({ status }) => status === 'running').map(({ id }) => id));
    // Also what a creation has left that was cut short.
    return names.map((id) => ({ id, running: running.has(id) }));
  }

  async start({ id, bundle, logFile }: ContainerSpecification): Promise<void> {
    await mkdir(this.#exits, { recursive: true, mode: 0o700 });
    await mkdir(this.#state, { recursive: true, mode: 0o700 });
    await this.remove(id);
    const facts = join(this.#facts, id);
    await mkdir(facts, { recursive: true, mode: 0o700 });
    const { runtime, monitor } = await this.#tools();
    const args = [
      ...['--api-version', '1', '--cid', id, '--cuuid', id, '--name', id, '--runtime', runtime],
      ...['--bundle', bundle, '--full-attach', '--container-pidfile', join(bundle, 'pid')],
      ...['--conmon-pidfile', join(facts, MONITOR)],
      ...['--exit-dir', this.#exits, '--persist-dir', facts, '--socket-dir-path', bundle],
      ...['--log-path', `k8s-file:${logFile}`, '--log-size-max', String(MAX_LOG_BYTES)],
      ...this.#runtimeArguments().map((argument) => `--runtime-arg=${argument}`),
    ];
    try {
      await createByMonitor(monitor, args, bundle);
      await this.#must(['start', id]);
    } catch (failure) {
      await this.remove(id);
      throw failure;
    }
  }

  async signal(id: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#call(['kill', id, signal]);
  }

  async remove(id: string): Promise<void> {
    if (existsSync(join(this.#state, id))) {
      const { code } = await this.#call(['delete', '--force', id]);
      // Of one whose state cannot be read the runtime removes nothing.
      if (code !== 0) await rm(join(this.#state, id), { recursive: true, force: true });
    }
    await rm(join(this.#exits, id), { force: true });
    await rm(join(this.#facts, id), { recursive: true, force: true });
  }

  async ended(id: string, signal: AbortSignal): Promise<ContainerExit> {
    await mkdir(this.#exits, { recursive: true, mode: 0o700 });
    let wake = (): void => {};
    const stop = (): void => wake();
    signal.addEventListener('abort', stop, { once: true });
    const watcher = watch(this.#exits, (_, name) => {
      if (name === id) wake();
    });
    let patience = PATIENCE;
    let program = await this.#programOf(id);
    try {
      while (!signal.aborted) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        // Asked before its word is looked for: a monitor that gives it ends a moment later.
        const isMonitored = isMonitorOf(id, this.#monitorOf(id));
        const status = readStatus(join(this.#exits, id));
        const outOfMemory = this.#ranOutOfMemory(id);
        if (status !== undefined) return { status, outOfMemory, problem: '' };
        if (!isMonitored) return { status, outOfMemory, problem: 'its monitor (conmon) is gone' };
        program ??= await this.#programOf(id);
        if (!isRunning(program)) {
          // Its monitor tells it a moment later.
          patience -= 1;
          if (patience < 0) return { status, outOfMemory, problem: 'nobody saw how it ended' };
          program = undefined;
        }
        const milliseconds = patience < PATIENCE ? LAST_WORD_MILLISECONDS : WATCH_MILLISECONDS;
        const timer = this.#clock.schedule(milliseconds, wake);
        await woken;
        timer[Symbol.dispose]();
      }
    } finally {
      watcher.close();
      signal.removeEventListener('abort', stop);
    }
    throw new AppError('CANCELLED', `${id} is not watched any more`);
  }

  async execute(id: string, command: readonly string[], timeoutMilliseconds: number): Promise<void> {
    const { runtime } = await this.#tools();
    const args = [...this.#runtimeArguments(), 'exec', id, ...command];
    const { code, timedOut, stdout, stderr } = await runProgram(runtime, args, { timeoutMilliseconds });
    if (timedOut) throw new AppError('DEADLINE_EXCEEDED', `took more than ${timeoutMilliseconds} ms`);
    if (code === 0) return;
    const said = plainMessage(stderr.trim() || stdout.trim()).slice(-200);
    throw new AppError('FAILED_PRECONDITION', `ended with ${code ?? 'a signal'}${said && `: ${said}`}`);
  }

  /** The process that its runtime says it is; undefined: it does not run, or the runtime does not tell. */
  async #programOf(id: string): Promise<ProcessIdentity | undefined> {
    if (!existsSync(join(this.#state, id))) return undefined;
    const { code, stdout } = await this.#call(['state', id]);
    const pid = code === 0 ? /"pid": *(\d+)/.exec(stdout)?.[1] : undefined;
    return identify(Number(pid ?? 0));
  }

  #monitorOf(id: string): number {
    return readNumber(join(this.#facts, id, MONITOR)) ?? 0;
  }

  /** conmon leaves a file of that name. */
  #ranOutOfMemory(id: string): boolean {
    return existsSync(join(this.#facts, id, 'oom'));
  }

  #runtimeArguments(): string[] {
    return ['--root', this.#state];
  }

  async #call(args: readonly string[]): Promise<RunResult> {
    const { runtime } = await this.#tools();
    return runProgram(runtime, [...this.#runtimeArguments(), ...args], {
      timeoutMilliseconds: CALL_MILLISECONDS,
    });
  }

  async #must(args: readonly string[]): Promise<void> {
    const { runtime } = await this.#tools();
    await mustRun(runtime, [...this.#runtimeArguments(), ...args], {
      timeoutMilliseconds: CALL_MILLISECONDS,
    });
  }

  #tools(): Promise<Probed> {
    this.#probed ??= probeTools().catch((failure: unknown) => {
      // Somebody may install it.
      this.#probed = undefined;
      throw failure;
    });
    return this.#probed;
  }
}

interface Probed {
  readonly runtime: string;
  readonly monitor: string;
  readonly version: string;
  readonly limits: RuntimeCapabilities['limits'];
  readonly reason: string;
}

async function probeTools(): Promise<Probed> {
  const monitor = findProgram('conmon');
  const runtimes = ['crun', 'runc'].flatMap((name) => findProgram(name) ?? []);
  if (monitor === undefined || runtimes.length === 0)
    throw new AppError(
      'FAILED_PRECONDITION',
      'this DPU cannot run workloads: it needs the programs conmon, and crun or runc',
    );
  const { hybrid, limits, reason } = enforceableLimits();
  // crun refuses to work with both versions of cgroups at once.
  const runtime = runtimes.find((path) => !hybrid || !path.endsWith('crun'));
  if (runtime === undefined)
    throw new AppError(
      'FAILED_PRECONDITION',
      'this DPU cannot run workloads: crun does not work where both versions of cgroups have controllers, and runc is not installed',
    );
  const { stdout } = await mustRun(runtime, ['--version'], { timeoutMilliseconds: CALL_MILLISECONDS });
  const version = (stdout.split('\n')[0] ?? '').replace(' version ', ' ').trim();
  return { runtime, monitor, version, limits, reason };
}

/** The third descriptor of conmon's says how the creation went. */
const SYNCHRONISATION = 3;

function createByMonitor(monitor: string, args: readonly string[], bundle: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(monitor, [...args], {
      cwd: bundle,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', _OCI_SYNCPIPE: String(SYNCHRONISATION) },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const pipe = child.stdio[SYNCHRONISATION] as NodeJS.ReadableStream & { destroy(): void };
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      said = `${said}${bytes}`.slice(-1000);
    });
    const finish = (failure: string | undefined): void => {
      clearTimeout(timer);
      pipe.destroy();
      child.stderr?.destroy();
      if (failure === undefined) resolve();
      else reject(new AppError('INTERNAL', plainMessage(failure)));
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      finish(`the container was not created within ${CREATE_MILLISECONDS} ms`);
    }, CREATE_MILLISECONDS);
    child.once('error', ({ message }) => finish(`${monitor}: ${message}`));
    const lines = createInterface({ input: pipe });
    let told = false;
    lines.once('line', (line) => {
      told = true;
      const { data, pid, message } = parseLine(line);
      const number = data ?? pid ?? -1;
      finish(number > 0 ? undefined : (message ?? said.trim()) || 'the container could not be created');
    });
    lines.once('close', () => {
      if (!told) finish(said.trim() || 'the container could not be created');
    });
  });
}

function parseLine(line: string): { data?: number; pid?: number; message?: string } {
  try {
    return JSON.parse(line) as { data?: number; pid?: number; message?: string };
  } catch {
    return {};
  }
}

const readStatus = (path: string): number | undefined => {
  const status = readNumber(path);
  return status !== undefined && status <= 255 ? status : undefined;
};

/** Asks conmon for a log of the container from now on, the former having been moved away. */
export const reopenLog = (bundle: string): Promise<void> =>
  writeFile(join(bundle, 'ctl'), '2 0 0\n').catch(() => {});
