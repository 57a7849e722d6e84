import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Bus, connectNats, inboxPrefixOf, readCredentials, roles } from '@outboard/bus';
import { systemClock, systemRandom } from '@outboard/core';
import {
  createEngine,
  driverWithFaults,
  SimDriver,
  SimFabric,
  SimSwitch,
  type SwitchDifficulty,
} from '@outboard/dataplane';
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

export interface FleetOptions extends SwitchDifficulty {
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
  /** Of this fleet alone: another one with the same DPUs has nothing of what these have. */
  readonly #life = randomUUID().slice(0, 8);

  constructor(private readonly options: FleetOptions) {
    const { first, count, functions, hardware, tableEntries } = options;
    for (let number = first; number < first + count; number++) {
      const vswitch = new SimSwitch({ hardware, tableEntries });
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

  /** How often a DPU has booted. */
  bootsOf(number: number): number {
    return this.#member(number).boots;
  }

  /** What a DPU is told by after so many boots. */
  incarnationOf(number: number, boots: number): string {
    return `boot-${boots}-of-${fleetDpu(number).name}-${this.#life}`;
  }

  /** So many DPUs, the first ones, lose everything at once and start anew. */
  reboot(count: number): Promise<void> {
    return this.rebootDpus([...this.#members.keys()].slice(0, count));
  }

  /** These DPUs do. */
  async rebootDpus(numbers: readonly number[]): Promise<void> {
    const rebooted = numbers.map((number) => this.#member(number));
    await Promise.all(rebooted.map((member) => this.#stop(member)));
    for (const { vswitch } of rebooted) vswitch.reboot();
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => this.#stop(member)));
  }

  #member(number: number): Member {
    const member = this.#members.get(number);
    if (member === undefined) throw new Error(`there is no DPU ${number}`);
    return member;
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
    const environment = { clock: systemClock, random: systemRandom };
    const latency = this.options.latency && { shape: this.options.latency, ...environment };
    const simulated = new SimDriver({ vswitch: member.vswitch, underlay, latency });
    const driver = driverWithFaults(simulated, this.options.faults, systemRandom);
    const worker = await createDataplaneWorker({
      ...environment,
      identity: {
        dpu: name,
        serialNumber,
        host: `${name}-host`,
        pfMacAddress,
        incarnation: this.incarnationOf(number, ++member.boots),
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
