import { type ChildProcess, spawn } from 'node:child_process';
import type { Pod } from '@outboard/testbed';

export type Json = Readonly<Record<string, unknown>>;

export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac: string;
    readonly sandbox: string;
    readonly mtu?: number;
  }[];
  readonly ips: readonly {
    readonly address: string;
    readonly gateway?: string;
    readonly interface: number;
    readonly version?: string;
  }[];
  readonly routes: readonly { readonly dst: string; readonly gw: string }[];
  readonly dns: Json;
}

/** What a runtime starts. */
export interface Program {
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly stdin: string;
}

export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  /** From just before it was started until it was seen to have ended. */
  readonly milliseconds: number;
}

/** How a call of a plugin ended. */
export interface Outcome extends Ended {
  /** Of standard output, if it is a JSON object. */
  readonly json: Json;
}

export interface RuntimeOptions {
  /** Path of the plugin. */
  readonly plugin: string;
  /** Of the agent. */
  readonly socket: string;
  /** The network configuration; `cniVersion` and `name` may be among it. */
  readonly configuration: Json;
  /** Runs the plugin; absent: as a child of this process. */
  readonly start?: (program: Program) => Promise<Ended>;
}

export interface CallOptions {
  readonly ifname?: string;
  readonly args?: Readonly<Record<string, string>>;
  /** What the runtime adds to the configuration. */
  readonly runtimeConfig?: Json;
  readonly configuration?: Json;
  /** Absent: the pod's; empty: it is lost. */
  readonly netns?: string;
  readonly containerId?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const IFNAME = 'eth0';

/**
 * A container runtime as the CNI specification has it, for one host: calls the plugin with environment and standard
 * input, and keeps the results that CHECK and DEL come with.
 */
export class CniRuntime {
  readonly #results = new Map<string, CniResult>();
  readonly #running = new Set<ChildProcess>();

  constructor(readonly options: RuntimeOptions) {}

  /** ADD; throws what the plugin says when it fails. */
  async add(pod: Pod, options: CallOptions = {}): Promise<CniResult> {
    const outcome = await this.succeed('ADD', pod, options);
    const result = outcome.json as unknown as CniResult;
    this.#results.set(keyOf(pod, options), result);
    return result;
  }

  /** DEL; throws when it fails. */
  async delete(pod: Pod, options: CallOptions = {}): Promise<void> {
    await this.succeed('DEL', pod, options);
    this.#results.delete(keyOf(pod, options));
  }

  /** Any verb that is about a pod; throws what the plugin says when it fails. */
  async succeed(command: string, pod: Pod, options: CallOptions = {}): Promise<Outcome> {
    const outcome = await this.call(command, pod, options);
    if (outcome.exitCode !== 0) throw new Error(`${command} of ${pod.name} failed: ${outcome.stdout}`);
    return outcome;
  }

  /** Any verb that is about a pod, with what the runtime remembers of it. */
  call(command: string, pod: Pod, options: CallOptions = {}): Promise<Outcome> {
    const prevResult = command === 'ADD' ? undefined : this.#results.get(keyOf(pod, options));
    return this.run(
      command,
      {
        CNI_CONTAINERID: options.containerId ?? containerIdOf(pod),
        CNI_IFNAME: options.ifname ?? IFNAME,
        CNI_NETNS: options.netns ?? `/run/netns/${pod.namespace.name}`,
        CNI_ARGS: Object.entries({ K8S_POD_NAME: pod.name, ...options.args })
          .map(([name, value]) => `${name}=${value}`)
          .join(';'),
        ...options.environment,
      },
      {
        ...(prevResult !== undefined && { prevResult }),
        ...options.configuration,
        ...(options.runtimeConfig !== undefined && { runtimeConfig: options.runtimeConfig }),
      },
    );
  }

  /** GC with what the runtime knows of, or what the caller says that it knows of. */
  collectGarbage(pods: readonly Pod[]): Promise<Outcome> {
    const valid = pods.map((pod) => ({ containerID: containerIdOf(pod), ifname: IFNAME }));
    return this.run('GC', {}, { cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid });
  }

  status(configuration: Json = {}): Promise<Outcome> {
    return this.run('STATUS', {}, { cniVersion: '1.1.0', ...configuration });
  }

  /** The plugin as a process. */
  async run(
    command: string,
    environment: Readonly<Record<string, string>>,
    configuration: Json,
  ): Promise<Outcome> {
    const { plugin, socket, start = this.#spawn } = this.options;
    const ended = await start({
      path: plugin,
      environment: {
        PATH: process.env.PATH ?? '',
        CNI_COMMAND: command,
        CNI_PATH: '/opt/cni/bin',
        OUTBOARD_CNI_SOCKET: socket,
        ...environment,
      },
      stdin: JSON.stringify({
        cniVersion: '1.0.0',
        name: 'pods',
        type: 'outboard',
        ...this.options.configuration,
        ...configuration,
      }),
    });
    return { ...ended, json: parse(ended.stdout) };
  }

  readonly #spawn = ({ path, environment, stdin }: Program): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const start = performance.now();
      const child = spawn(path, [], { env: environment, stdio: ['pipe', 'pipe', 'inherit'] });
      this.#running.add(child);
      const chunks: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      // A plugin that cannot reach its agent does not read what it is given.
      child.stdin.on('error', () => {});
      child.once('error', reject);
      child.once('close', (code) => {
        this.#running.delete(child);
        const stdout = Buffer.concat(chunks).toString();
        resolve({ exitCode: code ?? -1, stdout, milliseconds: performance.now() - start });
      });
      child.stdin.end(stdin);
    });

  /** Kills the plugins that run, as a runtime does whose own deadline has passed. */
  killCalls(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }
}

/** The same for the same pod, and a runtime's sort of name. */
export const containerIdOf = (pod: Pod): string => `c0ffee${Buffer.from(pod.name).toString('hex')}`;

const keyOf = (pod: Pod, { ifname = IFNAME, containerId = containerIdOf(pod) }: CallOptions): string =>
  `${containerId}/${ifname}`;

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
}
