import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ResourceClient } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import { LocalStack, type LocalStackOptions, type Manifest, type Workspace } from '@outboard/local-stack';
import { decodeResource, type Port } from '@outboard/model';
import { link, upFlags, withSocket } from '@outboard/netlink';
import { type Pod, waitUntil } from '@outboard/testbed';
import { CniRuntime, type Json } from './cni-runtime.js';
import { buildPlugin } from './plugin.js';

/** Hosts of the DPUs dpu-a and dpu-b. */
export const HOSTS = ['host-dpu-a', 'host-dpu-b'] as const;
export type HostName = (typeof HOSTS)[number];

/** Lets ports of the same tenant reach one another. */
export const OPEN: Manifest = {
  kind: 'SecurityPolicy',
  metadata: { name: 'open' },
  spec: { portSelector: {}, ingress: [{ peers: [{ portSelector: {} }] }] },
};

const PORT = { api: 'network', kind: 'Port' } as const;

export interface WorldOptions extends Pick<LocalStackOptions, 'leaseMilliseconds' | 'environment'> {
  readonly name: string;
  /** VFs of each DPU. */
  readonly functions: number;
  /** What the network configuration says besides. */
  readonly configuration: Json;
}

/** Everything that pods need: two DPUs in two hosts with agents, the services, tenant acme, and a runtime on each host. */
export class CniWorld implements AsyncDisposable {
  readonly #devices: ReadonlyMap<HostName, readonly string[]>;
  #pods = 0;

  private constructor(
    readonly stack: LocalStack,
    readonly acme: Workspace,
    private readonly client: ResourceClient,
    readonly runtimes: Readonly<Record<HostName, CniRuntime>>,
    devices: ReadonlyMap<HostName, readonly string[]>,
  ) {
    this.#devices = devices;
  }

  /** Resolves when pods can be added on both hosts. */
  static async start({ name, functions, configuration, ...passed }: WorldOptions): Promise<CniWorld> {
    const stack = await LocalStack.start({
      ...passed,
      name,
      agents: true,
      dpus: ['a', 'b'].map((letter, index) => ({
        name: `dpu-${letter}`,
        serialNumber: `OB-SIM-000${index + 1}`,
        pfMacAddress: `02:0b:00:00:0${index + 1}:00`,
        functions,
      })),
    });
    try {
      const plugin = buildPlugin(stack.testbed.directory);
      const runtimes = Object.fromEntries(
        HOSTS.map((host) => [
          host,
          new CniRuntime({ plugin, socket: stack.stack.agentSocket(host), configuration }),
        ]),
      ) as Record<HostName, CniRuntime>;
      const client = new ResourceClient(await stack.operator(), systemClock);
      const devices = new Map<HostName, readonly string[]>();
      const world = new CniWorld(stack, await stack.workspace('acme'), client, runtimes, devices);
      for (const host of HOSTS) {
        devices.set(host, await world.devicesOf(host));
        await world.available(host);
      }
      return world;
    } catch (failure) {
      await stack[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** An empty pod under a new name. */
  createPod(host: HostName): Promise<Pod> {
    return this.stack.testbed.createPod({ name: `p${++this.#pods}`, host });
  }

  /** Of the host that a pod is on. */
  runtimeOf(pod: Pod): CniRuntime {
    return this.runtimes[pod.host.name as HostName];
  }

  /** Of the tenant, from the API itself. Throws what it says. */
  async ports(): Promise<readonly Port[]> {
    const listed = unwrap(await this.client.list(PORT, 'acme'));
    return listed.flatMap((json) => {
      const port = unwrap(decodeResource(json));
      return port.kind === 'Port' ? [port] : [];
    });
  }

  /** Names, MAC addresses, MTUs and marks of the functions' devices that are in a host. */
  async devicesOf(host: HostName): Promise<readonly string[]> {
    const links = await this.stack.testbed.host(host).socket.dump(link.dump());
    return links
      .filter(({ ifname }) => ifname?.startsWith('enp'))
      .map(({ ifname, address, mtu, ifalias }) => `${ifname} ${address} ${mtu} ${ifalias ?? ''}`)
      .sort();
  }

  /** STATUS says that pods can be added. */
  available(host: HostName): Promise<void> {
    return until(`pods can be added on ${host}`, async () => {
      const { exitCode, stdout } = await this.runtimes[host].status();
      return exitCode === 0 ? undefined : stdout;
    });
  }

  /** All functions are in their hosts as they were in the beginning, and no port is left. */
  async nothingIsLeft(): Promise<void> {
    for (const host of HOSTS) {
      const before = this.#devices.get(host) ?? [];
      await until(`the functions of ${host} are as they were`, async () => {
        const now = await this.devicesOf(host);
        return before.find((device) => !now.includes(device));
      });
    }
    await until('no port is left', async () => (await this.ports())[0]?.metadata.name);
  }

  /** The disk of a host's agent is new. */
  loseJournal(host: HostName): void {
    rmSync(join(dirname(this.stack.stack.agentSocket(host)), 'data'), { recursive: true });
  }

  /** Takes a pod's function back into the host as an administrator would, and nobody is told. */
  async takeAway(pod: Pod): Promise<void> {
    const port = (await this.ports()).find(
      ({ metadata }) => metadata.labels['outboard.dev/pod'] === pod.name,
    );
    const dpu = this.stack.testbed.dpu(port?.status.dpu ?? '');
    const { hostDevice, macAddress } = dpu.function(port?.spec.function?.vfNumber);
    await withSocket(pod.namespace, async (socket) => {
      const { ifiIndex } = await socket.get(link.get({ ifname: 'eth0' }));
      const netNsFd = pod.host.namespace.descriptor;
      const asBefore = { ifname: hostDevice, address: macAddress, mtu: dpu.mtu, ifalias: '' };
      await socket.send(link.change({ ifiIndex, ...upFlags(false), netNsFd, ...asBefore }));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }
}

const PATIENCE_MILLISECONDS = 60_000;

/** Waits until nothing is missing any more. */
export const until = (what: string, missing: () => Promise<string | undefined>): Promise<void> =>
  waitUntil(what, missing, PATIENCE_MILLISECONDS);
