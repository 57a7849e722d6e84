import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Where Debian puts it; not in every user's PATH. */
const PROGRAM = process.env.NATS_SERVER ?? '/usr/sbin/nats-server';
const HOST = '127.0.0.1';
/** Lines of the server's log that an error quotes. */
const QUOTED_LINES = 10;

export interface NatsServerOptions {
  /** Text of the configuration file; without one: JetStream on, no authorisation. `port` may be 0: any. */
  readonly configure?: (place: { host: string; port: number; storeDirectory: string }) => string;
}

/** A real nats-server of a test: its own port, its own temporary store. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  /** Of the running process. */
  readonly pid: number | undefined;
  /** Its own temporary directory, removed when disposed. */
  readonly directory: string;
  /** Kills without warning (SIGKILL): the store stays. */
  kill(): Promise<void>;
  /** Starts again after `kill`, on the same port and store. */
  start(): Promise<void>;
  /** Throws the store away; only while it does not run. */
  loseStore(): Promise<void>;
}

/** Starts a server and resolves when it answers. Rejects with the end of its log when it does not come up. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const directory = await mkdtemp(join(tmpdir(), 'outboard-nats-'));
  const server = new SpawnedNatsServer(directory, options);
  try {
    await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

class SpawnedNatsServer implements NatsServer {
  #port = 0;
  #process: ChildProcess | undefined;

  constructor(
    readonly directory: string,
    readonly options: NatsServerOptions,
  ) {}

  get url(): string {
    return `nats://${HOST}:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async start(): Promise<void> {
    if (this.#process) throw new Error('the nats-server runs already');
    const storeDirectory = join(this.directory, 'store');
    const place = { host: HOST, port: this.#port, storeDirectory };
    const config = join(this.directory, 'nats-server.conf');
    await writeFile(config, (this.options.configure ?? defaultConfig)(place));
    // -1 lets the kernel choose the port; after the first start it is kept, so that clients find the server again.
    const port = this.#port === 0 ? '-1' : String(this.#port);
    // The kernel kills it when the test dies, however that dies.
    const command = ['--pdeathsig', 'KILL', PROGRAM, '-c', config, '-a', HOST, '-p', port];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    try {
      this.#port = await listening(child);
      await answering(this.#port);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async loseStore(): Promise<void> {
    if (this.#process) throw new Error('a running nats-server cannot lose its store');
    await rm(join(this.directory, 'store'), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

const defaultConfig = ({ storeDirectory }: { storeDirectory: string }): string =>
  `jetstream { store_dir: ${JSON.stringify(storeDirectory)} }\n`;

/** The port that the server reports in its log, once it says that it is ready. */
function listening(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const log: string[] = [];
    let port: number | undefined;
    const failed = (why: string): void => reject(new Error(`nats-server ${why}${['', ...log].join('\n  ')}`));
    child.once('error', (error) => failed(`cannot be started (setpriv ${PROGRAM}): ${error.message}`));
    child.once('exit', (code, signal) => failed(`ended with ${code ?? signal}`));
    if (!child.stderr) return failed('has no log');
    createInterface(child.stderr).on('line', (line) => {
      log.push(line);
      if (log.length > QUOTED_LINES) log.shift();
      port ??= Number(/Listening for client connections on \S+:(\d+)/.exec(line)?.[1]) || undefined;
      if (port !== undefined && line.includes('Server is ready')) resolve(port);
    });
  });
}

/** Resolves when the server greets a client. */
function answering(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, HOST);
    socket.once('error', reject);
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
  });
}
