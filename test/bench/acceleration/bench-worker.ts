import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { SessionActivity } from '@outboard/acceleration';
import { TOKEN } from '@outboard/acceleration/testing';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const execute = promisify(execFile);

export type Transport = 'inline' | 'shared' | 'rings';

export interface Load {
  readonly session?: 'heavier' | 'lighter';
  readonly program: number;
  readonly socket?: string;
  readonly transport: Transport;
  readonly size: number;
  readonly depth: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly jobs: number;
  /** 10^6 bytes of input a second. */
  readonly megabytesPerSecond: number;
  /** Processor time of a job, microseconds: of the client, and of the worker. */
  readonly clientMicroseconds: number;
  readonly workerMicroseconds: number;
}

/** A worker in a process of its own, and clients in C. */
export class BenchWorker {
  readonly #build = mkdtempSync(join(tmpdir(), 'outboard-bench-'));
  readonly #lines: AsyncIterator<string>;
  #directory = '';

  private constructor(private readonly process: ChildProcess) {
    if (process.stdout === null) throw new Error('a worker has an output');
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  }

  static async start(lightThreads: number, heavyThreads = 1): Promise<BenchWorker> {
    const program = fileURLToPath(new URL('./worker.js', import.meta.url));
    const args = [program, `${lightThreads}`, `${heavyThreads}`];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const worker = new BenchWorker(child);
    worker.#directory = JSON.parse(await worker.#line()).directory;
    const example = join(ROOT, 'examples/acceleration');
    const sources = [join(ROOT, 'test/bench/acceleration/pipeline.c'), join(example, 'accelerator.c')];
    execFileSync('gcc', ['-std=gnu11', '-O2', `-I${example}`, '-o', worker.#client, ...sources]);
    return worker;
  }

  directoryOf(session = 'heavier'): string {
    return join(this.#directory, session);
  }

  async load(load: Load): Promise<LoadResult> {
    const { session, program, socket = 'light-0.sock', transport, size, depth, seconds } = load;
    const path = join(this.directoryOf(session), socket);
    const before = this.processorNanoseconds();
    const args = [path, '1', program, transport, size, depth, seconds, TOKEN.toString('hex')];
    const { stdout } = await execute(this.#client, args.map(String));
    const worker = this.processorNanoseconds() - before;
    const [jobs = 0, elapsed = 0, client = 0] = stdout.trim().split(' ').map(Number);
    return {
      jobs,
      megabytesPerSecond: (jobs * size) / elapsed / 1e6,
      clientMicroseconds: (client / jobs) * 1e6,
      workerMicroseconds: worker / jobs / 1000,
    };
  }

  async activity(): Promise<readonly SessionActivity[]> {
    this.process.stdin?.write('\n');
    return JSON.parse(await this.#line());
  }

  /** Of all threads of the worker, as the scheduler counts it. */
  processorNanoseconds(): number {
    const tasks = `/proc/${this.process.pid}/task`;
    return readdirSync(tasks).reduce((sum, task) => sum + Number(firstWord(`${tasks}/${task}/schedstat`)), 0);
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.stdin?.end();
    await exited;
    rmSync(this.#build, { recursive: true });
  }

  get #client(): string {
    return join(this.#build, 'pipeline');
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the worker ended');
    return value;
  }
}

const firstWord = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').split(' ')[0] ?? '0';
  } catch {
    // A thread that has ended meanwhile.
    return '0';
  }
};
