import { execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { Program, waitUntil } from '@outboard/testbed';

const execute = promisify(execFile);
const PREFIX = 'outboard-compose-';
const CGROUPS = '/sys/fs/cgroup';
const START_MILLISECONDS = 60_000;
const STOP_MILLISECONDS = 60_000;
const MAX_OUTPUT = 16 << 20;

/**
 * In network, mount and process namespaces of its own: what the engine makes (bridges, filters, mounts, containers)
 * is not seen outside, and the kernel removes all of it with the first process in there, however that ends. It has a
 * /run of its own, because containerd's shims have fixed paths there.
 */
const SCRIPT = `
mount -t proc proc /proc && mount -t tmpfs -o mode=755 run /run && ip link set lo up || exit 1
exec docker-init -- dockerd --host "unix://$1/docker.sock" --data-root "$1/data" --exec-root "$1/exec" \\
  --pidfile "$1/dockerd.pid" --cgroup-parent "/$2" --exec-opt native.cgroupdriver=cgroupfs`;
const NAMESPACES = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--propagation', 'private'];

/** A Docker engine of our own, beside whatever the machine has. Disposing leaves nothing of it. */
export class DockerEngine {
  private constructor(
    readonly directory: string,
    private readonly cgroup: string,
    private readonly daemon: Program,
  ) {}

  /** What an engine left whose owner was killed is removed first. */
  static async start(): Promise<DockerEngine> {
    removeLeftovers();
    const cgroup = `${PREFIX}${process.pid}`;
    const directory = mkdtempSync(join(tmpdir(), `${cgroup}-`));
    mkdirSync(join(directory, 'client'));
    const daemon = new Program({
      name: 'dockerd',
      command: ['unshare', ...NAMESPACES, '--', 'sh', '-c', SCRIPT, 'sh', directory, cgroup],
      logFile: join(directory, 'dockerd.log'),
      isReady: (line) => line.includes('API listen on'),
      readyMilliseconds: START_MILLISECONDS,
    });
    const engine = new DockerEngine(directory, cgroup, daemon);
    try {
      await daemon.start();
      return engine;
    } catch (failure) {
      await engine.dispose();
      throw failure;
    }
  }

  /** The first process inside: published ports are ports of its network. */
  get pid(): number {
    const outside = this.daemon.pid;
    return Number(readFileSync(`/proc/${outside}/task/${outside}/children`, 'utf8').trim());
  }

  /** What makes clients talk to this engine, and to none that the user has configured. */
  get environment(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      HOME: join(this.directory, 'client'),
      DOCKER_CONFIG: join(this.directory, 'client'),
      DOCKER_HOST: `unix://${this.directory}/docker.sock`,
      // Debian's docker-compose lets the engine build; by default it would look for a builder plugin of the client.
      DOCKER_BUILDKIT: '0',
      COMPOSE_DOCKER_CLI_BUILD: '0',
    };
  }

  /** Standard output of docker(1). Throws with what it wrote to standard error. */
  async docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await execute('docker', args, { env: this.environment, maxBuffer: MAX_OUTPUT });
    return stdout;
  }

  /** Makes an image of one layer from a folder, without a registry. */
  async importImage(folder: string, name: string): Promise<void> {
    const archive = spawn('tar', ['--create', '--directory', folder, '.'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const client = execute('docker', ['import', '-', name], { env: this.environment });
    const { stdin } = client.child;
    if (stdin === null) throw new Error('docker has no standard input');
    await Promise.all([pipeline(archive.stdout, stdin), client]);
  }

  async dispose(): Promise<void> {
    try {
      if (this.daemon.isRunning) process.kill(this.pid, 'SIGTERM');
      await waitUntil(
        'dockerd ends',
        () => (this.daemon.isRunning ? `it runs; its log ends with ${this.daemon.tail}` : undefined),
        STOP_MILLISECONDS,
      );
    } finally {
      await this.daemon.dispose();
      removeCgroups(this.cgroup);
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

function removeLeftovers(): void {
  for (const entry of readdirSync(tmpdir()).filter((each) => each.startsWith(PREFIX))) {
    const owner = entry.slice(PREFIX.length).split('-', 1)[0] ?? '';
    if (existsSync(`/proc/${owner}`)) continue;
    removeCgroups(`${PREFIX}${owner}`);
    rmSync(join(tmpdir(), entry), { recursive: true, force: true });
  }
}

/** The engine removes those of containers, not the one that it was told to put them into; a killed one removes none. */
function removeCgroups(name: string): void {
  // Version 1 has a hierarchy per controller, version 2 is one.
  for (const hierarchy of ['.', ...readdirSync(CGROUPS)]) {
    const path = join(CGROUPS, hierarchy, name);
    if (existsSync(path)) removeCgroup(path);
  }
}

function removeCgroup(path: string): void {
  for (const entry of readdirSync(path)) {
    const inner = join(path, entry);
    if (statSync(inner).isDirectory()) removeCgroup(inner);
  }
  rmdirSync(path);
}
