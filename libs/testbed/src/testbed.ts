import { join } from 'node:path';
import { AppError } from '@outboard/core';
import { setSysctls } from '@outboard/ffi';
import {
  addressMessage,
  applyAll,
  link,
  NetlinkSocket,
  NetworkNamespace,
  type PrefixedAddress,
  setUp,
  withSocket,
} from '@outboard/netlink';
import { controlMessages, fabricMessages, fabricPort, hostMessages, type NetworkName } from './links.js';
import { Machine, machineProgram } from './machine.js';
import { stopChecksumOffload } from './offload.js';
import { DPU_MARK, killMarked, type Leftovers, MARK, Ownership, removeLeftovers } from './ownership.js';
import { Dpu, type Endpoint, Host } from './places.js';
import {
  labelProblem,
  MAX_POD_NAME,
  planTestbed,
  podNamespace,
  type TestbedPlan,
  type TestbedSpecification,
} from './plan.js';
import { Pod } from './pod.js';
import { type Location, Program, type ProgramSpecification } from './program.js';

const MAX_PODS = 2000;

export interface TestbedOptions extends TestbedSpecification {
  /** Where stores and logs go; it stays when the testbed is disposed of. Absent: a temporary directory, which goes. */
  readonly directory?: string;
}

/** What a program inside a testbed is. Its log is `<directory>/logs/<name>.log`. */
export type TestbedProgram = Omit<ProgramSpecification, 'logFile' | 'location'>;

/**
 * A data centre made of network namespaces: a fabric, DPUs, hosts, pods. Nothing is made in the caller's namespace.
 * Disposing removes everything, and so does the end of the owning process, except by SIGKILL: then `removeLeftovers`
 * or the next testbed of that name does.
 */
export class Testbed implements AsyncDisposable {
  readonly hosts = new Map<string, Host>();
  readonly dpus = new Map<string, Dpu>();
  readonly #pods = new Map<string, Pod>();
  readonly #programs = new Set<Program>();
  readonly #places = new WeakMap<Program, Endpoint>();
  readonly #endings: (() => Promise<void>)[] = [];
  readonly #ownership: Ownership;
  readonly #fabric: NetlinkSocket;
  #disposed: Promise<void> | undefined;

  private constructor(
    readonly plan: TestbedPlan,
    ownership: Ownership,
    /** Where the message bus and services run unless they are placed elsewhere. */
    readonly control: Endpoint,
    readonly fabric: Endpoint,
  ) {
    this.#ownership = ownership;
    this.#fabric = NetlinkSocket.open({ namespace: fabric.namespace });
  }

  /**
   * Builds a testbed. What a dead owner left under the same name is removed first.
   * Throws AppError: INVALID_ARGUMENT with all problems of the specification, ALREADY_EXISTS if the name is in use,
   * PERMISSION_DENIED without root's rights.
   */
  static async create(options: TestbedOptions): Promise<Testbed> {
    const plan = planTestbed(options);
    try {
      const ownership = Ownership.acquire(plan.name, options.directory);
      let testbed: Testbed | undefined;
      try {
        const control = NetworkNamespace.create(plan.controlNamespace);
        const fabric = NetworkNamespace.create(plan.fabricNamespace);
        testbed = new Testbed(
          plan,
          ownership,
          { name: 'control', namespace: control, addresses: [plan.control.ip] },
          { name: 'fabric', namespace: fabric, addresses: [] },
        );
        await testbed.#build();
        return testbed;
      } catch (failure) {
        await testbed?.dispose();
        ownership.release();
        throw failure;
      }
    } catch (failure) {
      if (!(failure instanceof Error && 'code' in failure)) throw failure;
      if (failure.code !== 'EPERM' && failure.code !== 'EACCES') throw failure;
      const message = 'a testbed needs the rights of root, to make network namespaces';
      throw new AppError('PERMISSION_DENIED', message, { cause: failure });
    }
  }

  /** Removes testbeds whose owner died, or the one of that name; the living are left alone. */
  static removeLeftovers(name?: string): Leftovers {
    return removeLeftovers(name);
  }

  get name(): string {
    return this.plan.name;
  }

  get directory(): string {
    return this.#ownership.directory;
  }

  /** Those that were made by `program` and not removed, running or not. */
  get programs(): ReadonlySet<Program> {
    return this.#programs;
  }

  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  /** Throws AppError NOT_FOUND. */
  dpu(name: string): Dpu {
    return found(this.dpus, 'DPU', name);
  }

  /** Throws AppError NOT_FOUND. */
  host(name: string): Host {
    return found(this.hosts, 'host', name);
  }

  /** Throws AppError NOT_FOUND. */
  pod(name: string): Pod {
    return found(this.#pods, 'pod', name);
  }

  /** An empty pod. Throws AppError: INVALID_ARGUMENT, NOT_FOUND (host), ALREADY_EXISTS, RESOURCE_EXHAUSTED. */
  async createPod(options: { readonly name: string; readonly host: string }): Promise<Pod> {
    const problem = labelProblem(options.name, MAX_POD_NAME);
    if (problem !== undefined) throw AppError.invalid([{ field: 'name', description: problem }]);
    if (this.#pods.has(options.name)) throw new AppError('ALREADY_EXISTS', `there is a pod ${options.name}`);
    if (this.#pods.size >= MAX_PODS) {
      throw new AppError('RESOURCE_EXHAUSTED', `a testbed has at most ${MAX_PODS} pods`);
    }
    const host = this.host(options.host);
    const pod = await Pod.create(options.name, host, podNamespace(this.name, options.name));
    this.#pods.set(pod.name, pod);
    return pod;
  }

  /** Gives the pod's functions back and removes it. Throws AppError NOT_FOUND. */
  async removePod(name: string): Promise<void> {
    const pod = this.pod(name);
    for (const device of [...pod.attachments.keys()]) await pod.detach(device);
    this.#pods.delete(name);
    pod.close();
    NetworkNamespace.remove(podNamespace(this.name, name));
  }

  /** Pulls or plugs the cable between a DPU and one of the networks. */
  async setCable(dpu: string, network: NetworkName, state: 'plugged' | 'pulled'): Promise<void> {
    const port = fabricPort(network, this.dpu(dpu).plan);
    const { ifiIndex } = await this.#fabric.get(link.get({ ifname: port }));
    await applyAll(this.#fabric, `cable ${port}`, [setUp(ifiIndex, state === 'plugged')]);
  }

  /** Makes the fabric a machine on one of the networks: what is beyond the DPUs' uplinks. */
  async addFabricAddress(network: NetworkName, ip: string, prefixLength: number): Promise<void> {
    await addAddress(this.#fabric, this.fabric.namespace, network, { ip, prefixLength });
  }

  /** Another address of a device of a DPU, its uplink say. Throws AppError NOT_FOUND. */
  async addDpuAddress(name: string, device: string, ip: string, prefixLength: number): Promise<void> {
    const { socket, namespace } = this.dpu(name);
    await addAddress(socket, namespace, device, { ip, prefixLength });
  }

  /**
   * Restarts a DPU as a power cycle does: what runs on it is killed, its kernel forgets everything, its devices and
   * representors come back down and bare; then what ran is started again. Its pods keep their functions, whose links
   * are down meanwhile. Resolves when all is ready. Throws AppError NOT_FOUND.
   */
  async rebootDpu(name: string): Promise<void> {
    const dpu = this.dpu(name);
    const running = [...this.#programs].filter((program) => program.isRunning);
    const own = running.filter((program) => this.#places.get(program) === dpu);
    await Promise.all([...own, dpu.machine.program].map((program) => program.kill()));
    killMarked(`${DPU_MARK}=${this.name}/${name}`);
    NetworkNamespace.remove(dpu.plan.namespace);
    await dpu.reboot(NetworkNamespace.create(dpu.plan.namespace));
    await Promise.all(own.map((program) => program.start()));
  }

  /**
   * A program in the namespace of a place, and on a DPU's machine if the place is one; not started yet. It is stopped
   * when the testbed ends, and so is whatever it started.
   */
  program(place: Endpoint | undefined, specification: TestbedProgram): Program {
    const program = new Program({
      ...specification,
      environment: { ...specification.environment, [MARK]: this.name },
      ...(place !== undefined && { location: () => locate(place) }),
      logFile: join(this.directory, 'logs', `${specification.name.replaceAll('/', '-')}.log`),
    });
    this.#programs.add(program);
    if (place !== undefined) this.#places.set(program, place);
    return program;
  }

  /** Stops a program that is not needed any more. */
  async removeProgram(program: Program): Promise<void> {
    this.#programs.delete(program);
    await program.dispose();
  }

  /** Something to do before the programs are stopped; the last added is done first. */
  beforeDispose(action: () => Promise<void>): void {
    this.#endings.unshift(action);
  }

  /** Stops the programs, each with its grace, then removes everything. Later calls wait for the first. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #dispose(): Promise<void> {
    try {
      for (const ending of this.#endings) await ending();
      await Promise.all([...this.#programs].map((program) => program.dispose()));
    } finally {
      const open = [this.#fabric, this.control.namespace, this.fabric.namespace];
      for (const each of [...open, ...this.dpus.values(), ...this.hosts.values(), ...this.#pods.values()]) {
        each.close();
      }
      this.#ownership.release();
    }
  }

  async #build(): Promise<void> {
    const { plan } = this;
    for (const host of plan.hosts) {
      this.hosts.set(host.name, new Host(host.name, NetworkNamespace.create(host.namespace), host));
    }
    for (const dpu of plan.dpus) {
      const namespace = NetworkNamespace.create(dpu.namespace);
      const machine = new Machine(this.program(undefined, machineProgram(dpu.name)));
      const host = this.host(dpu.host);
      this.dpus.set(dpu.name, new Dpu(dpu, host, namespace, plan.underlayMtu, machine));
    }
    // The switches are no hosts: no addresses, and nobody's filter looks at what they forward.
    setSysctls(this.fabric.namespace, {
      'net/ipv6/conf/all/disable_ipv6': '1',
      'net/ipv6/conf/default/disable_ipv6': '1',
      'net/bridge/bridge-nf-call-iptables': '0',
      'net/bridge/bridge-nf-call-ip6tables': '0',
      'net/bridge/bridge-nf-call-arptables': '0',
    });
    const control = this.control.namespace;
    await applyAll(
      this.#fabric,
      'fabric',
      fabricMessages(plan, {
        control: control.descriptor,
        dpus: descriptorsOf(this.dpus),
        hosts: descriptorsOf(this.hosts),
      }),
    );
    await withSocket(control, (socket) => applyAll(socket, 'control', controlMessages(plan)));
    for (const host of this.hosts.values()) {
      if (host.plan !== undefined) await applyAll(host.socket, `host ${host.name}`, hostMessages(host.plan));
    }
    for (const dpu of this.dpus.values()) await dpu.boot();
    // What leaves a machine by a real cable has its checksums; a veth would carry it without.
    if (plan.dpus.every(({ checksumOffload }) => checksumOffload)) return;
    for (const { namespace, plan: own } of this.dpus.values()) {
      for (const network of ['underlay', 'provider'] as const) {
        const uplink = own[network];
        if (uplink === undefined) continue;
        stopChecksumOffload(namespace, uplink.device);
        stopChecksumOffload(this.fabric.namespace, fabricPort(network, own));
      }
    }
  }
}

function found<Value>(values: ReadonlyMap<string, Value>, kind: string, name: string): Value {
  const value = values.get(name);
  if (value === undefined) throw new AppError('NOT_FOUND', `there is no ${kind} ${name}`);
  return value;
}

const descriptorsOf = (places: ReadonlyMap<string, Endpoint>): ReadonlyMap<string, number> =>
  new Map([...places].map(([name, { namespace }]) => [name, namespace.descriptor]));

/** Programs on a DPU are on its machine; elsewhere only the network is the place's. */
const locate = async (place: Endpoint): Promise<Location> => ({
  namespace: place.namespace,
  ...(place instanceof Dpu && { enter: await place.machine.enter() }),
});

/** Devices of a testbed have no IPv6 until they are to. */
async function addAddress(
  socket: NetlinkSocket,
  namespace: NetworkNamespace,
  device: string,
  address: PrefixedAddress,
): Promise<void> {
  if (address.ip.includes(':')) setSysctls(namespace, { [`net/ipv6/conf/${device}/disable_ipv6`]: '0' });
  const { ifiIndex } = await socket.get(link.get({ ifname: device }));
  await applyAll(socket, `address ${address.ip}`, [addressMessage(ifiIndex, address)]);
}
