import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, Problems } from '@outboard/core';
import { Forwarder } from './forwarder.js';
import { natsServerProgram } from './nats-server.js';
import { DPU_MARK, groupOf, MARK } from './ownership.js';
import { Dpu, type Endpoint } from './places.js';
import type { Program, Usage } from './program.js';
import type { Testbed } from './testbed.js';

export const NATS = 'nats';
const WORKER = 'dataplane-worker';
const AGENT = 'host-agent';
const NATS_PORT = 4222;
/**
 * Of services, as in docker-compose.yml. What a group of intents allocates is garbage when the next one comes: with a
 * young generation that holds several groups little of it is ever copied (a tenth of the processor time).
 */
export const SERVICE_FLAGS = ['--max-semi-space-size=64'];

/** A program of the stack as somebody who connects to the bus. */
export interface StackClient {
  /** A key of `services`, `dataplane-worker`, or `host-agent`. */
  readonly service: string;
  /** Of a worker. */
  readonly dpu?: string;
  /** Of an agent. */
  readonly host?: string;
}

export interface StackOptions {
  readonly nats: {
    /** Text of nats-server's configuration; must listen there and log to standard error. */
    readonly configuration: (place: NatsPlace) => string;
    /** The nkey seed by which a program logs in; undefined: it has none. */
    readonly seed: (client: StackClient) => string | undefined;
  };
  /** The main.js of each service, by its name (`admin`, `network-intent`, ...). */
  readonly services: Readonly<Record<string, string>>;
  /** The main.js of the dataplane worker, of which every DPU runs one; absent: none does. */
  readonly worker?: string;
  /** The main.js of the host agent, of which every host runs one; absent: none does. */
  readonly agent?: string;
  /** `nats` and services that run on a host or a DPU: program name to place name. The others run in `control`. */
  readonly placement?: Readonly<Record<string, string>>;
  /** Default NORMAL. */
  readonly storeDurability?: 'NORMAL' | 'FULL';
  /** Default info. */
  readonly logLevel?: string;
  /** How long a worker counts as alive after its last sign of life; absent: the services' default. */
  readonly leaseMilliseconds?: number;
  /** How often a worker compares everything; 0: never; absent: the worker's default. */
  readonly resyncSeconds?: number;
  /** The dataplane driver of workers by DPU name; absent: the worker's default. */
  readonly drivers?: Readonly<Record<string, string>>;
  /** Workers serve acceleration, with sockets below `accelerationDirectory` of their DPU. Default false. */
  readonly acceleration?: boolean;
  /** Directories that workloads without an image see, besides programs. Default none. */
  readonly workloadDirectories?: readonly string[];
  /** More environment variables for services and workers. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Port on 127.0.0.1 at which clients outside reach the bus; absent: any free one. */
  readonly clientPort?: number;
}

export interface NatsPlace {
  readonly host: string;
  readonly port: number;
  readonly storeDirectory: string;
}

/**
 * Outboard in a testbed: nats-server, the services, and a worker on every DPU, each a process. Names are `nats`, the
 * names of the services, `dataplane-worker/<dpu>` and `host-agent/<host>`.
 */
export class Stack {
  readonly #programs = new Map<string, Program>();
  #forwarder: Forwarder | undefined;

  private constructor(
    readonly testbed: Testbed,
    readonly options: StackOptions,
  ) {}

  /**
   * Starts nats-server, then all services and workers, and resolves when every one is ready. It ends with the testbed.
   * Throws AppError INVALID_ARGUMENT or NOT_FOUND (placement of an unknown service, in an unknown place), and what
   * starting a program throws; then nothing runs.
   */
  static async start(testbed: Testbed, options: StackOptions): Promise<Stack> {
    checkPlacement(options);
    const stack = new Stack(testbed, options);
    testbed.beforeDispose(() => stack.stop());
    try {
      stack.#addNats();
      for (const [service, main] of Object.entries(options.services)) {
        stack.#addNode(service, { service }, main, stack.#placeOf(service), {});
      }
      for (const dpu of options.worker === undefined ? [] : testbed.dpus.values()) {
        const client = { service: WORKER, dpu: dpu.name };
        stack.#addNode(
          `${WORKER}/${dpu.name}`,
          client,
          options.worker ?? '',
          dpu,
          stack.#workerVariables(dpu),
        );
      }
      for (const host of options.agent === undefined ? [] : testbed.hosts.values()) {
        const name = `${AGENT}/${host.name}`;
        const variables = {
          OUTBOARD_HOST_NAME: host.name,
          OUTBOARD_CNI_SOCKET: stack.agentSocket(host.name),
        };
        stack.#addNode(name, { service: AGENT, host: host.name }, options.agent ?? '', host, variables);
      }
      stack.#forwarder = await Forwarder.listen({
        namespace: stack.#placeOf(NATS).namespace,
        destination: { ip: stack.#natsAddress, port: NATS_PORT },
        ...(options.clientPort !== undefined && { port: options.clientPort }),
      });
      await stack.program(NATS).start();
      await Promise.all(stack.#clients.map((program) => program.start()));
      return stack;
    } catch (failure) {
      await stack.stop();
      throw failure;
    }
  }

  /** Of all programs, in the order of their start. */
  get names(): readonly string[] {
    return [...this.#programs.keys()];
  }

  /** Where programs inside the testbed reach the bus. */
  get url(): string {
    return `nats://${this.#natsAddress}:${NATS_PORT}`;
  }

  /** Where programs outside, in the caller's namespace, reach it. */
  get clientUrl(): string {
    return `nats://127.0.0.1:${this.#forwarder?.port ?? 0}`;
  }

  /** Where the CNI plugin reaches the agent of a host. */
  agentSocket(host: string): string {
    return join(this.#directory(`${AGENT}/${host}`), 'cni.sock');
  }

  /** Where the acceleration sessions of a DPU have their directories: short, as it is part of sockets' addresses. */
  accelerationDirectory(dpu: string): string {
    return join(this.#accelerationRoot, dpu);
  }

  /** For its log, its exits, and for signals. Throws AppError NOT_FOUND. */
  program(name: string): Program {
    const program = this.#programs.get(name);
    if (program !== undefined) return program;
    throw new AppError('NOT_FOUND', `there is no program ${name}; there are ${this.names.join(', ')}`);
  }

  /** Crashes a program (SIGKILL); it stays down. Throws AppError FAILED_PRECONDITION if it is not running. */
  async kill(name: string): Promise<void> {
    if ((await this.program(name).kill()) !== undefined) return;
    throw new AppError('FAILED_PRECONDITION', `${name} is not running`);
  }

  /** Starts a program on its old data, after stopping it if it runs; resolves when it is ready. */
  async restart(name: string): Promise<void> {
    await this.program(name).restart();
  }

  /** The same for nats-server, whose clients come back by themselves. */
  restartNats(): Promise<void> {
    return this.restart(NATS);
  }

  /** Memory and processor time of what is running, by name. */
  usage(): ReadonlyMap<string, Usage> {
    const running = [...this.#programs].filter(([, program]) => program.isRunning);
    return new Map(running.map(([name, program]) => [name, program.usage()]));
  }

  /** Services and workers first, so that they can finish what they do, then nats-server. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((program) => program.stop()));
    await this.#programs.get(NATS)?.stop();
    await this.#forwarder?.close();
    this.#forwarder = undefined;
    rmSync(this.#accelerationRoot, { recursive: true, force: true });
  }

  get #accelerationRoot(): string {
    return `/run/ob-${this.testbed.name}`;
  }

  get #clients(): Program[] {
    return [...this.#programs].filter(([name]) => name !== NATS).map(([, program]) => program);
  }

  #placeOf(program: string): Endpoint {
    const { testbed } = this;
    const name = this.options.placement?.[program];
    return name === undefined ? testbed.control : (testbed.hosts.get(name) ?? testbed.dpu(name));
  }

  /** On the management network. */
  get #natsAddress(): string {
    const place = this.#placeOf(NATS);
    const addresses =
      place instanceof Dpu ? place.plan.management.addresses.map(({ ip }) => ip) : place.addresses;
    const [address] = addresses;
    if (address === undefined)
      throw new AppError('FAILED_PRECONDITION', `${place.name} is on no management network`);
    return address;
  }

  #addNats(): void {
    const directory = this.#directory(NATS);
    const configurationFile = join(directory, 'nats-server.conf');
    const place = {
      host: this.#natsAddress,
      port: NATS_PORT,
      storeDirectory: join(directory, 'store'),
    };
    writeFileSync(configurationFile, this.options.nats.configuration(place), { mode: 0o600 });
    this.#add(this.#placeOf(NATS), { name: NATS, ...natsServerProgram(configurationFile) });
  }

  #addNode(
    name: string,
    client: StackClient,
    main: string,
    place: Endpoint,
    variables: Readonly<Record<string, string>>,
  ): void {
    const { options } = this;
    const directory = this.#directory(name);
    const seed = options.nats.seed(client);
    const seedFile = join(directory, 'nats.seed');
    if (seed !== undefined) writeFileSync(seedFile, seed, { mode: 0o600 });
    const { leaseMilliseconds } = options;
    this.#add(place, {
      name,
      command: [
        process.execPath,
        '--enable-source-maps',
        ...(options.services[client.service] === undefined ? [] : SERVICE_FLAGS),
        main,
      ],
      environment: {
        OUTBOARD_NATS_URL: this.url,
        ...(seed !== undefined && { OUTBOARD_NATS_SEED_FILE: seedFile }),
        OUTBOARD_DATA_DIRECTORY: join(directory, 'data'),
        OUTBOARD_STORE_DURABILITY: options.storeDurability ?? 'NORMAL',
        OUTBOARD_LOG_LEVEL: options.logLevel ?? 'info',
        ...(leaseMilliseconds !== undefined && {
          OUTBOARD_LEASE_MILLISECONDS: String(leaseMilliseconds),
          OUTBOARD_SESSION_LEASE_MILLISECONDS: String(leaseMilliseconds),
        }),
        ...variables,
        ...options.environment,
      },
    });
  }

  #workerVariables({ plan }: Dpu): Record<string, string> {
    const { resyncSeconds, drivers, acceleration = false, workloadDirectories = [] } = this.options;
    const { name: testbed } = this.testbed;
    const driver = drivers?.[plan.name];
    return {
      OUTBOARD_DPU_NAME: plan.name,
      OUTBOARD_DPU_SERIAL_NUMBER: plan.serialNumber,
      OUTBOARD_DPU_HOST: plan.host,
      OUTBOARD_DPU_PF_MAC_ADDRESS: plan.pfMacAddress,
      OUTBOARD_UNDERLAY_DEVICE: plan.underlay.device,
      OUTBOARD_CGROUP_PARENT: `${groupOf(testbed)}/${plan.name}`,
      OUTBOARD_WORKLOAD_ENVIRONMENT: `${MARK}=${testbed},${DPU_MARK}=${testbed}/${plan.name}`,
      ...(workloadDirectories.length > 0 && { OUTBOARD_WORKLOAD_DIRECTORIES: workloadDirectories.join(':') }),
      ...(driver !== undefined && { OUTBOARD_DRIVER: driver }),
      ...(acceleration && { OUTBOARD_ACCELERATION_DIRECTORY: this.accelerationDirectory(plan.name) }),
      ...(resyncSeconds !== undefined && { OUTBOARD_RESYNC_SECONDS: String(resyncSeconds) }),
    };
  }

  #add(place: Endpoint, specification: Parameters<Testbed['program']>[1]): void {
    this.#programs.set(specification.name, this.testbed.program(place, specification));
  }

  /** `<testbed>/<program>`, with the program's data below. */
  #directory(name: string): string {
    const directory = join(this.testbed.directory, name.replaceAll('/', '-'));
    mkdirSync(join(directory, 'data'), { recursive: true, mode: 0o700 });
    return directory;
  }
}

function checkPlacement({ services, placement = {} }: StackOptions): void {
  const problems = new Problems();
  for (const service of Object.keys(placement)) {
    if (service !== NATS && services[service] === undefined)
      problems.add(`placement.${service}`, 'must be one of the services');
  }
  if (problems.total > 0) throw problems.toError();
}
