import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, STREAMS, type StreamBus } from '@outboard/bus';
import { invariant, unwrap } from '@outboard/core';
import { FleetClient } from '@outboard/fleet-simulator';
import { Program, processUsage, SERVICE_FLAGS } from '@outboard/testbed';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { WorkerProcess } from './worker-process.js';

export const TENANT = 'acme';
/** Of a service with a large store. */
const READY_MILLISECONDS = 300_000;
/** A thousand DPUs are in a few heaps. */
const FLEET_FLAGS = [...SERVICE_FLAGS, '--max-old-space-size=18000'];

export interface FleetSystemOptions {
  readonly dpus: number;
  /** Virtual functions of each. */
  readonly functions: number;
  /** Processes that share the workers, in the order of the DPUs' numbers. */
  readonly workerProcesses: number;
  /** Of the DPUs, the last so many are played on the bus, in a process of their own; absent: none. */
  readonly played?: number;
  /** Where V8's profiles of the processes go; absent: nowhere. */
  readonly profiles?: string;
}

/** Milliseconds of processor time by process. */
export type CpuTimes = Readonly<Record<string, number>>;

const main = (service: string): string =>
  fileURLToPath(new URL(`../../../../services/${service}/dist/main.js`, import.meta.url));

const PLAY = fileURLToPath(new URL('./play.js', import.meta.url));

/** A broker, the services and the workers of a fleet, each a process, and somebody who publishes intents and follows states. */
export class FleetSystem implements AsyncDisposable {
  readonly #workers: readonly WorkerProcess[];
  readonly #players: WorkerProcess | undefined;

  private constructor(
    readonly options: FleetSystemOptions,
    readonly bus: StreamBus,
    readonly client: FleetClient,
    private readonly folder: string,
    private readonly server: NatsServer,
    private readonly services: readonly Program[],
  ) {
    const { dpus, functions, workerProcesses, played = 0 } = options;
    const full = dpus - played;
    const firstOf = (index: number): number => 1 + Math.floor((full * index) / workerProcesses);
    const processOf = (
      name: string,
      program: readonly string[],
      first: number,
      next: number,
    ): WorkerProcess =>
      new WorkerProcess({
        ...{ name, folder, functions, servers: server.url, first, count: next - first },
        command: [process.execPath, ...FLEET_FLAGS, ...profiling(options, name), ...program],
      });
    this.#workers = Array.from({ length: workerProcesses }, (_, index) => {
      const name = workerProcesses === 1 ? 'workers' : `workers-${index + 1}`;
      const program = [main('fleet-simulator'), '--mix', 'none', '--output', 'json'];
      return processOf(name, program, firstOf(index), firstOf(index + 1));
    });
    if (played > 0) this.#players = processOf('players', [PLAY], full + 1, dpus + 1);
  }

  get state(): FleetClient['state'] {
    return this.client.state;
  }

  /** Everything but the workers runs. */
  static async start(options: FleetSystemOptions): Promise<FleetSystem> {
    const folder = mkdtempSync(join(tmpdir(), 'outboard-bench-fleet-'));
    const server = await startNatsServer();
    const bus = await connectNats({ servers: server.url, name: 'bench' });
    unwrap(await bus.streams.provision(STREAMS, 'apply'));
    const services = ['admin', 'network-intent'].map(
      (name) =>
        new Program({
          name,
          command: [process.execPath, ...SERVICE_FLAGS, ...profiling(options, name), main(name)],
          logFile: join(folder, `${name}.log`),
          readyMilliseconds: READY_MILLISECONDS,
          environment: { OUTBOARD_NATS_URL: server.url, OUTBOARD_DATA_DIRECTORY: join(folder, name) },
        }),
    );
    for (const service of services) await service.start();
    const { dpus, functions } = options;
    const client = await FleetClient.open(bus, { tenant: TENANT, first: 1, dpus, functions });
    return new FleetSystem(options, bus, client, folder, server, services);
  }

  /** Resolves when all are connected; they may not be ready yet. */
  startWorkers(): Promise<unknown> {
    return Promise.all(this.#fleet.map(({ program }) => program.start()));
  }

  /** What the DPUs that are played have been told. */
  async played(): Promise<Record<string, unknown>> {
    return (await this.#players?.ask('status')) ?? {};
  }

  /** Seconds from the start of this service's new process until it is ready. */
  async restart(name: string): Promise<number> {
    const service = this.services.find((each) => each.name === name);
    invariant(service, `${name} is one of the services`);
    await service.stop();
    const started = performance.now();
    await service.start();
    return (performance.now() - started) / 1_000;
  }

  /** Objects in all switches. */
  async objects(): Promise<number> {
    const answers = await Promise.all(this.#workers.map((each) => each.ask('status')));
    return answers.reduce((sum, { objects }) => sum + Number(objects), 0);
  }

  /** The first so many DPUs, which must be of the first process. */
  async reboot(count: number): Promise<void> {
    await this.#workers[0]?.ask(`reboot ${count}`);
  }

  /** Of each process and, under `bench`, of this one. */
  cpu(): CpuTimes {
    const { user, system } = process.cpuUsage();
    const running = this.#programs.filter(({ isRunning }) => isRunning);
    return {
      ...Object.fromEntries(running.map((program) => [program.name, program.usage().cpuMilliseconds])),
      ...(this.server.pid !== undefined && { 'nats-server': processUsage(this.server.pid).cpuMilliseconds }),
      bench: (user + system) / 1_000,
    };
  }

  /** Mebibytes that each process has resident. */
  memory(): Readonly<Record<string, number>> {
    return {
      ...Object.fromEntries(this.#programs.map((each) => [each.name, each.usage().residentBytes / 2 ** 20])),
      ...(this.server.pid !== undefined && {
        'nats-server': processUsage(this.server.pid).residentBytes / 2 ** 20,
      }),
    };
  }

  get #programs(): readonly Program[] {
    return [...this.services, ...this.#fleet.map(({ program }) => program)];
  }

  get #fleet(): readonly WorkerProcess[] {
    return this.#players === undefined ? this.#workers : [...this.#workers, this.#players];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#fleet.map(({ program }) => program.dispose()));
    await this.client[Symbol.asyncDispose]();
    for (const service of this.services) await service.dispose();
    await this.bus[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What has been used since, by process. */
export const cpuSince = (before: CpuTimes, after: CpuTimes): CpuTimes =>
  Object.fromEntries(Object.entries(after).map(([name, time]) => [name, time - (before[name] ?? 0)]));

const profiling = ({ profiles }: FleetSystemOptions, name: string): string[] =>
  profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profiles, name)}`];
