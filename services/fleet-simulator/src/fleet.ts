import { join } from 'node:path';
import { type Bus, connectNats, inboxPrefixOf, readCredentials, roles } from '@outboard/bus';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine, SimDriver, SimFabric, SimSwitch } from '@outboard/dataplane';
import { createDataplaneWorker, type DataplaneWorker, type Log } from '@outboard/dataplane-worker';

/** As many DPUs as there may be: their numbers are parts of addresses and names. */
export const MAX_DPUS = 10_000;
export const MAX_FUNCTIONS = 128;
/** Workers that start at the same time. */
const STARTING_AT_ONCE = 50;
/** Bytes: room for tunnels around packets of 1500. */
const UNDERLAY_MTU = 1_600;
/** As workers have it by default. */
const RESYNC_MILLISECONDS = 60_000;
const OWNERS = ['network'];

export interface FleetOptions {
  readonly servers: string;
  /** Folder with `worker-<dpu>.seed` of each; absent: the broker asks for none. */
  readonly credentials?: string;
  /** Where workers keep their documents: a folder for each. */
  readonly directory: string;
  /** DPUs `<first>` to `<first + count - 1>`. */
  readonly first: number;
  readonly count: number;
  /** Virtual functions of each, at most 128. */
  readonly functions: number;
  readonly log: Log;
}

interface Member {
  readonly vswitch: SimSwitch;
  boots: number;
  running: { readonly worker: DataplaneWorker; readonly bus: Bus } | undefined;
}

/** The name, and by what it is known, of a DPU of a simulated fleet. */
export const fleetDpu = (number: number) => {
  const octet = (value: number): string => (value & 0xff).toString(16).padStart(2, '0');
  return {
    name: `sim-${number}`,
    serialNumber: `OB-FLEET-${String(number).padStart(5, '0')}`,
    pfMacAddress: `02:0c:00:${octet(number >> 8)}:${octet(number)}:00`,
    underlayAddress: `10.${192 + (number >> 16)}.${(number >> 8) & 0xff}.${number & 0xff}`,
  };
};

/**
 * Many workers in one process, each as it is on a DPU: its own connection, its own documents, its own engine. Only what it
 * drives is simulated. Thousands of them load the real services and a real broker as thousands of DPUs would.
 */
export class Fleet implements AsyncDisposable {
  readonly #fabric = new SimFabric();
  readonly #members = new Map<number, Member>();

  constructor(private readonly options: FleetOptions) {
    const { first, count, functions } = options;
    for (let number = first; number < first + count; number++) {
      const vswitch = new SimSwitch();
      for (let index = 0; index < functions; index++) vswitch.plug(`pf0vf${index}`);
      const { name, underlayAddress } = fleetDpu(number);
      this.#fabric.add({ name, vswitch, underlayAddress });
      this.#members.set(number, { vswitch, boots: 0, running: undefined });
    }
  }

  /** Starts every worker that does not run, so many at once; `onProgress` is told how many run. */
  async start(onProgress: (running: number) => void = () => {}): Promise<void> {
    const waiting = [...this.#members].filter(([, { running }]) => running === undefined);
    const startNext = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [number, member] = next;
        member.running = await this.#startWorker(number, member);
        onProgress(this.running);
      }
    };
    await Promise.all(Array.from({ length: STARTING_AT_ONCE }, startNext));
  }

  get running(): number {
    return [...this.#members.values()].filter(({ running }) => running !== undefined).length;
  }

  /** Objects in all switches. */
  get objects(): number {
    return [...this.#members.values()].reduce((sum, { vswitch }) => sum + vswitch.size, 0);
  }

  /** So many DPUs, the first ones, lose everything at once and start anew. */
  async reboot(count: number): Promise<void> {
    const rebooted = [...this.#members.values()].slice(0, count);
    await Promise.all(rebooted.map((member) => this.#stop(member)));
    for (const { vswitch } of rebooted) vswitch.reboot();
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => this.#stop(member)));
  }

  async #stop(member: Member): Promise<void> {
    const { running } = member;
    member.running = undefined;
    await running?.worker[Symbol.asyncDispose]();
    await running?.bus[Symbol.asyncDispose]();
  }

  async #startWorker(number: number, member: Member): Promise<Member['running']> {
    const { servers, credentials, directory, log } = this.options;
    const { name, serialNumber, pfMacAddress, underlayAddress } = fleetDpu(number);
    const role = roles.worker(name);
    const bus = await connectNats({
      servers,
      name: role.name,
      inboxPrefix: inboxPrefixOf(role),
      ...(credentials !== undefined && (await readCredentials(credentials, role.name))),
    });
    const underlay = { device: 'up0', address: underlayAddress, mtu: UNDERLAY_MTU };
    const driver = new SimDriver({ vswitch: member.vswitch, underlay });
    const environment = { clock: systemClock, random: systemRandom };
    const worker = await createDataplaneWorker({
      ...environment,
      identity: {
        dpu: name,
        serialNumber,
        host: `${name}-host`,
        pfMacAddress,
        incarnation: `boot-${++member.boots}-of-${name}`,
        workerVersion: '0.1.0',
        kernelRelease: 'simulated',
        architecture: process.arch,
      },
      owners: OWNERS,
      dataDirectory: join(directory, name),
      driver,
      engine: createEngine({
        driver,
        owners: OWNERS,
        resyncMilliseconds: RESYNC_MILLISECONDS,
        ...environment,
      }),
      bus: Promise.resolve(bus),
      log,
    });
    await worker.ready;
    return { worker, bus };
  }
}
