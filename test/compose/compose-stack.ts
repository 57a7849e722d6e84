import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { systemClock } from '@outboard/core';
import { waitUntil } from '@outboard/testbed';
import { parse } from 'yaml';
import type { DockerEngine } from './docker-engine.js';
import { buildRoot, NATS_PROGRAMS, NODE_PROGRAMS } from './stand-in-images.js';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const COMPOSE_FILE = join(ROOT, 'docker-compose.yml');
const PROJECT = 'outboard-test';
const MAX_OUTPUT = 16 << 20;
const HEALTHY_MILLISECONDS = 120_000;
/** Containers start slowly where processors are few and busy. */
const EVENTUALLY_MILLISECONDS = 60_000;
/** Asking the engine costs processor time that what is awaited needs. */
const PAUSE_MILLISECONDS = 300;

/** What `docker inspect` tells, as far as it is of interest. */
export interface Container {
  readonly Id: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly Health?: { readonly Status: string };
  };
  readonly HostConfig: { readonly Privileged: boolean; readonly ReadonlyRootfs: boolean };
  readonly Config: { readonly Labels: Readonly<Record<string, string>> };
}

/** Asks until nothing is missing any more; the condition tells what is. */
export function eventually(
  what: string,
  missing: () => Promise<string | undefined>,
  milliseconds = EVENTUALLY_MILLISECONDS,
): Promise<void> {
  const ask = async (): Promise<string | undefined> => {
    const answer = await missing();
    if (answer !== undefined) await systemClock.delay(PAUSE_MILLISECONDS);
    return answer;
  };
  return waitUntil(what, ask, milliseconds);
}

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
}

interface ComposeService {
  readonly image: string;
  readonly build?: { readonly args: Readonly<Record<string, string>> };
  readonly profiles?: readonly string[];
}

/** The project of docker-compose.yml, unchanged, in an engine. */
export class ComposeStack {
  /** The names of the services that `up` starts. */
  readonly services: readonly string[];
  readonly #ids = new Map<string, string>();

  constructor(readonly engine: DockerEngine) {
    const { services } = parse(readFileSync(COMPOSE_FILE, 'utf8'), { merge: true }) as ComposeFile;
    this.services = Object.keys(services).filter((name) => services[name]?.profiles === undefined);
  }

  /** Runs docker-compose; returns its standard output. Throws with its standard error. */
  compose(...args: readonly string[]): Promise<string> {
    return this.#compose(args);
  }

  /** Makes stand-ins for the base images, under the names that the files give them, and builds. */
  async build(): Promise<void> {
    await execute(process.execPath, [join(ROOT, 'tools/image.mjs')]);
    const { services } = parse(await this.compose('config')) as ComposeFile;
    const images = [
      { programs: NODE_PROGRAMS, name: services.credentials?.build?.args.NODE_IMAGE },
      { programs: NATS_PROGRAMS, name: services.nats?.image },
    ];
    for (const [index, { programs, name }] of images.entries()) {
      if (name === undefined) throw new Error(`${COMPOSE_FILE} names no base image where one is expected`);
      const folder = join(this.engine.directory, `root-${index}`);
      buildRoot(folder, programs);
      await this.engine.importImage(folder, name);
    }
    await this.compose('build');
  }

  /** The containers of the project by service, without those of `run`. */
  async containers(): Promise<ReadonlyMap<string, Container>> {
    const filter = `label=com.docker.compose.project=${PROJECT}`;
    const ids = (await this.engine.docker('ps', '--all', '--quiet', '--filter', filter)).trim().split(/\s+/);
    const containers = JSON.parse(await this.engine.docker('inspect', ...ids)) as Container[];
    return new Map(
      containers
        .filter(({ Config }) => Config.Labels['com.docker.compose.oneoff'] === 'False')
        .map((container) => [container.Config.Labels['com.docker.compose.service'] ?? '', container]),
    );
  }

  /** Runs a command in a service's container; returns its standard output. Throws if it fails. */
  async exec(service: string, ...command: readonly string[]): Promise<string> {
    // A container that is restarted stays the same one.
    for (const [name, { Id }] of this.#ids.size === 0 ? await this.containers() : []) this.#ids.set(name, Id);
    const id = this.#ids.get(service);
    if (id === undefined) throw new Error(`there is no container of ${service}`);
    return this.engine.docker('exec', id, ...command);
  }

  /** Runs a command in a pod of a DPU's server. */
  inPod(dpu: string, pod: string, ...command: readonly string[]): Promise<string> {
    return this.exec(dpu, 'ip', 'netns', 'exec', pod, ...command);
  }

  /** Whether every one of three pings is answered. */
  async pings(dpu: string, pod: string, address: string): Promise<boolean> {
    try {
      await this.inPod(dpu, pod, 'ping', '-c', '3', '-i', '0.2', '-w', '3', address);
      return true;
    } catch {
      return false;
    }
  }

  /** The `outboard` command in a container of its own, with a text on its standard input. */
  outboard(args: readonly string[], input = ''): Promise<string> {
    return this.#compose(['run', '--rm', '--no-deps', '-T', 'outboard', ...args], input);
  }

  /** Waits until every service is up and healthy, and what runs once is done. */
  async healthy(): Promise<void> {
    try {
      await eventually('every service is healthy', () => this.#unhealthy(), HEALTHY_MILLISECONDS);
    } catch (failure) {
      throw new Error(await this.logs(), { cause: failure });
    }
  }

  /** The last lines of every container. */
  logs(): Promise<string> {
    return this.compose('logs', '--no-color', '--tail', '10');
  }

  async #unhealthy(): Promise<string | undefined> {
    const containers = await this.containers();
    const missing = this.services.flatMap((name) => unhealthy(name, containers.get(name)));
    return missing.length === 0 ? undefined : missing.join(', ');
  }

  async #compose(args: readonly string[], input = ''): Promise<string> {
    const command = ['--file', COMPOSE_FILE, '--project-name', PROJECT, ...args];
    const options = { cwd: ROOT, env: this.engine.environment, maxBuffer: MAX_OUTPUT };
    const run = execute('docker-compose', command, options);
    run.child.stdin?.end(input);
    return (await run).stdout;
  }
}

function unhealthy(name: string, container: Container | undefined): string[] {
  if (container === undefined) return [`${name}: no container`];
  const { Status, ExitCode, Health } = container.State;
  const isDone = Health === undefined && Status === 'exited' && ExitCode === 0;
  const isHealthy = Status === 'running' && Health?.Status === 'healthy';
  return isDone || isHealthy ? [] : [`${name}: ${Status} ${Health?.Status ?? ExitCode}`];
}
