import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { NetworkNamespace } from '@outboard/netlink';
import type { Ended, Program } from '../../cni/cni-runtime.js';

/** struct answer of runtime.c. */
const ANSWER_BYTES = 24;
const NANOSECONDS_PER_MILLISECOND = 1e6;
/** USER_HZ (proc(5)). */
const MILLISECONDS_PER_TICK = 10;

interface Waiting {
  readonly resolve: (ended: Ended) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * Starts plugins as container runtimes do, which are native programs: by `runtime.c`, compiled here, a process in a
 * host's network namespace. What starting a process by Node costs is in nothing that it measures.
 */
export class NativeRuntime implements AsyncDisposable {
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #received: Buffer = Buffer.alloc(0);

  private constructor(private readonly process: ChildProcessByStdio<Writable, Readable, null>) {
    process.stdout.on('data', (chunk: Buffer) => this.#receive(chunk));
    process.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the runtime has ended'));
    });
  }

  /** Compiles it into a folder and starts it. */
  static start(folder: string, host: NetworkNamespace): NativeRuntime {
    const path = join(folder, 'runtime');
    const source = new URL('../../../bench/cni/runtime.c', import.meta.url).pathname;
    execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-pthread', '-o', path, source], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const start = () => spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    return new NativeRuntime(host.run(start));
  }

  /** Runs a program to its end. */
  readonly run = ({ path, environment, stdin }: Program): Promise<Ended> => {
    const id = ++this.#calls;
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const texts = Buffer.from([path, ...variables].map((text) => `${text}\0`).join(''));
    const input = Buffer.from(stdin);
    const head = Buffer.from(Uint32Array.of(id, texts.length, input.length).buffer);
    return new Promise((resolve, reject) => {
      if (this.process.exitCode !== null) return reject(new Error('the runtime has ended'));
      this.#waiting.set(id, { resolve, reject });
      this.process.stdin.write(Buffer.concat([head, texts, input]));
    });
  };

  /** Of the programs that have ended and of the runtime, milliseconds: utime to cstime of proc(5). */
  get cpuMilliseconds(): number {
    const stat = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) * MILLISECONDS_PER_TICK;
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const received = this.#received;
      if (received.length < ANSWER_BYTES) return;
      const end = ANSWER_BYTES + received.readUInt32LE(16);
      if (received.length < end) return;
      const id = received.readUInt32LE(0);
      this.#waiting.get(id)?.resolve({
        exitCode: received.readInt32LE(4),
        milliseconds: Number(received.readBigUInt64LE(8)) / NANOSECONDS_PER_MILLISECOND,
        stdout: received.toString('utf8', ANSWER_BYTES, end),
      });
      this.#waiting.delete(id);
      this.#received = received.subarray(end);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.stdin.end();
    await ended;
  }
}
