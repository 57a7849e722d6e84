import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { AppError } from '@outboard/core';
import { type NetworkNamespace, runIn } from '@outboard/ffi';
import { within } from './deadline.js';
import { LogFile } from './log-file.js';

const READY_MILLISECONDS = 20_000;
const GRACE_MILLISECONDS = 5000;
/** How long what a dead program still had in its pipes is waited for: its children may hold them open for ever. */
const DRAIN_MILLISECONDS = 200;
const MAX_LINE = 64 << 10;
const MAX_EXITS = 100;
/** USER_HZ: the unit of times in /proc/<pid>/stat on every architecture that we run on. */
const TICKS_PER_SECOND = 100;

export interface ProgramSpecification {
  /** For messages, and the name of the log file. */
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly logFile: string;
  /** Where it runs, asked at each start; absent: where the caller does. */
  readonly location?: () => Promise<Location>;
  /** Besides PATH, HOME and TMPDIR it has these variables and no others. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether a line of its output says that it is ready; absent: a JSON line with `"event":"ready"`. */
  readonly isReady?: (line: string) => boolean;
  /** Default 20,000. */
  readonly readyMilliseconds?: number;
  /** It reads commands, which `write` sends. */
  readonly takesInput?: boolean;
  /** Sees every line of output, of both streams. */
  readonly onLine?: (line: string) => void;
}

/** Where a program runs. */
export interface Location {
  /** Of its network. */
  readonly namespace: NetworkNamespace;
  /** What the command is preceded by to enter the machine; absent: nothing. */
  readonly enter?: readonly string[];
}

/** How a program ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** False: it ended by itself, neither by `stop` nor by `kill`. */
  readonly wanted: boolean;
}

/** What a process uses (proc(5)). */
export interface Usage {
  readonly pid: number;
  readonly residentBytes: number;
  /** User and system time since its start. */
  readonly cpuMilliseconds: number;
  readonly threads: number;
  readonly descriptors: number;
}

interface Run {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  wanted: boolean;
}

/**
 * A program that can be started, stopped, killed and started again. It dies with its owner (PR_SET_PDEATHSIG), so
 * that even an owner that is killed leaves no process behind; what it started itself may stay.
 */
export class Program {
  readonly #log: LogFile;
  readonly #exits: Exit[] = [];
  #run: Run | undefined;
  /** How often it was stopped: a start that still waits to enter a machine must not outlive a stop. */
  #stops = 0;

  constructor(readonly specification: ProgramSpecification) {
    this.#log = new LogFile(specification.logFile);
  }

  get name(): string {
    return this.specification.name;
  }

  get logFile(): string {
    return this.#log.path;
  }

  /** Of the running process. */
  get pid(): number | undefined {
    return this.#run?.child.pid;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** How its processes ended so far, the last 100. */
  get exits(): readonly Exit[] {
    return this.#exits;
  }

  /** The last 8 KiB of output. */
  get tail(): string {
    return this.#log.tail;
  }

  /**
   * Resolves with the line by which it says that it is ready. Throws AppError with the end of its output:
   * FAILED_PRECONDITION if it is running already or ended instead, DEADLINE_EXCEEDED if it did not say so in time (it
   * is killed then), CANCELLED if it was stopped before it had started.
   */
  async start(): Promise<string> {
    const { specification } = this;
    const stops = this.#stops;
    // Without it nothing is awaited before the process runs: `isRunning` is true when this returns its promise.
    const location = specification.location === undefined ? undefined : await specification.location();
    if (this.#stops !== stops) {
      throw new AppError('CANCELLED', `${this.name} was stopped before it had started`);
    }
    if (this.#run !== undefined) {
      throw new AppError('FAILED_PRECONDITION', `${this.name} is running as process ${this.pid}`);
    }
    const isReady = specification.isReady ?? saysReady;
    const limit = specification.readyMilliseconds ?? READY_MILLISECONDS;
    let ready: (line: string) => void = () => undefined;
    const becameReady = new Promise<{ readonly line: string }>((resolve) => {
      ready = (line) => resolve({ line });
    });
    const run = this.#spawn(location, (line) => {
      specification.onLine?.(line);
      if (isReady(line)) ready(line);
    });
    const outcome = await within(limit, Promise.race([becameReady, run.exited]));
    if (outcome === 'late') {
      await this.kill();
      throw new AppError(
        'DEADLINE_EXCEEDED',
        this.#withTail(`${this.name} was not ready within ${limit} ms`),
      );
    }
    if ('line' in outcome) return outcome.line;
    throw new AppError(
      'FAILED_PRECONDITION',
      this.#withTail(`${this.name} ended at start (${how(outcome)})`),
    );
  }

  /** SIGTERM, and SIGKILL if that does not end it within the grace. Undefined if it is not running. */
  async stop(graceMilliseconds = GRACE_MILLISECONDS): Promise<Exit | undefined> {
    this.#stops++;
    const run = this.#run;
    if (run === undefined) return undefined;
    run.wanted = true;
    this.signal('SIGTERM');
    const outcome = await within(graceMilliseconds, run.exited);
    return outcome === 'late' ? this.kill() : outcome;
  }

  /** SIGKILL, awaited: a crash. Undefined if it is not running. */
  async kill(): Promise<Exit | undefined> {
    this.#stops++;
    const run = this.#run;
    if (run === undefined) return undefined;
    run.wanted = true;
    this.signal('SIGKILL');
    return run.exited;
  }

  /** Stops it if it runs, and starts it. */
  async restart(): Promise<string> {
    await this.stop();
    return this.start();
  }

  /** Sends a signal to the process (SIGSTOP and SIGCONT freeze and thaw it); none if it is not running. */
  signal(signal: NodeJS.Signals): void {
    this.#run?.child.kill(signal);
  }

  /** Sends text to its standard input; nowhere if it is not running or takes none. */
  write(text: string): void {
    this.#run?.child.stdin?.write(text);
  }

  /** Throws AppError FAILED_PRECONDITION if it is not running. */
  usage(): Usage {
    const { pid } = this;
    if (pid === undefined) throw new AppError('FAILED_PRECONDITION', `${this.name} is not running`);
    return processUsage(pid);
  }

  /** Ends it and closes the log. */
  async dispose(graceMilliseconds?: number): Promise<void> {
    await this.stop(graceMilliseconds);
    this.#log.close();
  }

  #spawn(location: Location | undefined, onLine: (line: string) => void): Run {
    const { command, environment } = this.specification;
    const { HOME, TMPDIR } = process.env;
    // Servers are in the administrator's directories, which not every user's PATH has.
    const PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;
    const inherited = Object.entries({ PATH, HOME, TMPDIR }).filter(([, value]) => value !== undefined);
    const child = runIn(location?.namespace, () =>
      spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...(location?.enter ?? []), ...command], {
        env: { ...Object.fromEntries(inherited), ...environment },
        stdio: [this.specification.takesInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
        // A session of its own: Ctrl-C on the terminal is for the owner, who ends its programs in order.
        detached: true,
      }),
    );
    for (const stream of [child.stdout, child.stderr]) {
      const lines = new LineSplitter(onLine);
      stream?.on('data', (bytes: Buffer) => {
        this.#log.write(bytes);
        lines.push(bytes);
      });
    }
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const exited = new Promise<Exit>((resolve) => {
      const end = async (code: number | null, signal: NodeJS.Signals | null): Promise<void> => {
        const exit: Exit = { code, signal, wanted: run.wanted };
        this.#run = undefined;
        this.#exits.push(exit);
        if (this.#exits.length > MAX_EXITS) this.#exits.shift();
        await within(DRAIN_MILLISECONDS, closed);
        resolve(exit);
      };
      child.once('exit', end);
      child.once('error', (failure) => {
        this.#log.write(Buffer.from(`${failure.message}\n`));
        if (child.pid === undefined) void end(null, null);
      });
    });
    const run: Run = { child, exited, wanted: false };
    this.#run = run;
    return run;
  }

  #withTail(text: string): string {
    return `${text}; log ${this.logFile} ends with:\n${this.tail}`;
  }
}

const how = (exit: Exit): string => (exit.signal === null ? `status ${exit.code}` : exit.signal);

/** `{"event":"ready", ...}`: what every Outboard program prints when it is ready. */
function saysReady(line: string): boolean {
  if (!line.startsWith('{')) return false;
  try {
    return (JSON.parse(line) as { event?: unknown }).event === 'ready';
  } catch {
    return false;
  }
}

/** Throws the file system's ENOENT if there is no such process. */
export function processUsage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in parentheses and may contain anything; field 3 follows it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid,
    residentBytes: Number(resident ?? 0) * 1024,
    cpuMilliseconds: ((field(14) + field(15)) * 1000) / TICKS_PER_SECOND,
    threads: field(20),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** Turns chunks into lines; a line that is too long is cut. */
class LineSplitter {
  #rest = '';

  constructor(readonly onLine: (line: string) => void) {}

  push(bytes: Buffer): void {
    const parts = (this.#rest + bytes.toString('utf8')).split('\n');
    this.#rest = (parts.pop() ?? '').slice(0, MAX_LINE);
    for (const line of parts) this.onLine(line);
  }
}
