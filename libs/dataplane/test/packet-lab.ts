import { expect } from '@jest/globals';
import { FUNCTION_GROUP } from '@outboard/contracts';
import { applyAll, link, withSocket } from '@outboard/netlink';
import {
  configureDevice,
  type Endpoint,
  type Pod,
  type PortStatus,
  stopChecksumOffload,
  Testbed,
} from '@outboard/testbed';
import type { ObjectProblem } from '../src/document.js';
import type { RuleCounter, Spec, Underlay } from '../src/driver.js';
import { type Fault, faultyDriver } from '../src/driver-memory/faulty-driver.js';
import { HopHealthBoard } from '../src/hop-health.js';
import { namespaceName } from '../src/realise/names.js';
import * as d from '../src/testing/documents.js';
import { EngineProbe } from '../src/testing/engine-probe.js';
import { linuxPackets } from './packet-worlds.js';
import type { PacketWorld } from './packets-suite.js';

/**
 * A VF by its number; the host's PF, which stays in the host's namespace; or a function that was made on the DPU for a
 * workload there.
 */
type LabFunction = number | 'PF' | 'DPU';

/** A port of a network with its pod; the last bytes of its addresses are its number. */
export interface LabPort {
  readonly name: string;
  readonly network: LabNetwork;
  readonly dpu: string;
  readonly vf: LabFunction;
  readonly number: number;
  /** What it may send as besides. */
  readonly allowed?: readonly string[];
  /** Its pod sets no address: it is to find out by itself. */
  readonly bare?: boolean;
  /** A pod that others have, too, and what the port is called there; absent: one of its own, and `eth0`. */
  readonly within?: { readonly pod: string; readonly device: string };
}

export interface LabNetwork {
  readonly uid: string;
  /** Key of the Router. */
  readonly router: string;
  readonly vni: number;
  /** The first three bytes of its IPv4 addresses, `10.0.1`, and the prefix of its IPv6 addresses, `fd00:1`. */
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The network with that identifier, of the router with that key. */
export const labNetwork = (vni: number, router: string, ipv4: string, ipv6: string): LabNetwork => ({
  uid: `0192f3c1-0000-7000-8000-0000000000${vni}`,
  router,
  vni,
  ipv4,
  ipv6,
});
export const labPort = (
  name: string,
  network: LabNetwork,
  dpu: string,
  vf: LabFunction,
  number: number,
): LabPort => ({ name, network, dpu, vf, number });

export const MTU = 1450;
export const macOf = ({ network, number }: LabPort): string =>
  `02:00:5e:00:${(network.vni & 0xff).toString(16).padStart(2, '0')}:${number.toString(16).padStart(2, '0')}`;
export const addressesOf = ({ network, number }: LabPort): [ipv4: string, ipv6: string] => [
  `${network.ipv4}.${number}`,
  `${network.ipv6}::${number}`,
];
export const gatewaysOf = ({ ipv4, ipv6 }: LabNetwork): [ipv4: string, ipv6: string] => [
  `${ipv4}.1`,
  `${ipv6}::1`,
];

export const representorOf = ({ vf }: LabPort): string =>
  vf === 'PF' ? 'pf0hpf' : vf === 'DPU' ? 'pf0sf1' : `pf0vf${vf}`;

/** Two DPUs with drivers of their own, and pods: what stands between documents and packets. */
export class PacketLab implements AsyncDisposable {
  readonly #drivers = new Map<string, ReturnType<typeof faultyDriver<Spec>>>();
  readonly #probes = new Map<string, EngineProbe<Spec>>();
  readonly #places = new Map<string, Endpoint>();
  /** Of all DPUs. */
  readonly hops = new HopHealthBoard();
  #sequence = 0;

  private constructor(
    readonly testbed: Testbed,
    readonly name: string,
    readonly ports: readonly LabPort[],
    private readonly world: PacketWorld,
  ) {}

  /** Pods for all ports, and drivers that have nothing to do yet. */
  static async open(
    name: string,
    ports: readonly LabPort[],
    underlayMtu = 1500,
    world: PacketWorld = linuxPackets(name),
  ): Promise<PacketLab> {
    const testbed = await Testbed.create({
      name,
      underlayMtu,
      dpus: ['dpu-1', 'dpu-2'].map((dpu, index) => ({
        name: dpu,
        serialNumber: `S${index}`,
        pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
        functions: 8,
        checksumOffload: world.checksumOffload(dpu),
      })),
    });
    const lab = new PacketLab(testbed, name, ports, world);
    for (const dpu of testbed.dpus.keys()) await lab.startWorker(dpu);
    for (const port of ports) {
      const gateways = gatewaysOf(port.network);
      const status = {
        mtu: MTU,
        macAddress: macOf(port),
        addresses: (port.bare ? [] : addressesOf(port)).map((ip, index) => ({
          ip,
          prefixLength: index === 0 ? 24 : 64,
          gateway: gateways[index] ?? '',
        })),
      };
      await lab.#connect(port, status);
    }
    return lab;
  }

  async #connect(port: LabPort, status: PortStatus): Promise<void> {
    const dpu = this.testbed.dpu(port.dpu);
    const { host } = dpu;
    if (port.vf === 'PF') {
      this.#places.set(port.name, host);
      await host.connect(dpu, status);
      return;
    }
    const { pod: name, device } = port.within ?? { pod: port.name, device: 'eth0' };
    const pod = this.testbed.pods.get(name) ?? (await this.testbed.createPod({ name, host: host.name }));
    this.#places.set(port.name, pod);
    if (port.vf !== 'DPU') return pod.attach(dpu, port.vf, status, device);
    // As a worker makes one, with its other end in the namespace of the workload at once.
    const peer = { ifname: device, address: macOf(port), mtu: status.mtu, netNsFd: pod.namespace.descriptor };
    const linkinfo = { kind: 'veth' as const, data: { peer } };
    const made = link.create({ ifname: representorOf(port), group: FUNCTION_GROUP, linkinfo });
    await applyAll(dpu.socket, `function of ${port.name}`, [made]);
    if (!dpu.plan.checksumOffload) stopChecksumOffload(pod.namespace, device);
    await withSocket(pod.namespace, (socket) =>
      configureDevice({ socket, namespace: pod.namespace }, port.name, device, status),
    );
  }

  /** Where the function of a port is: a pod, the workload's namespace, or the host. */
  place(name: string): Endpoint {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`no port ${name}`);
    return place;
  }

  /** What the DPU's driver knows of its underlay now. */
  underlay(dpu: string): Underlay | undefined {
    return this.#drivers.get(dpu)?.underlay();
  }

  pod(name: string): Pod {
    return this.testbed.pod(name);
  }

  /** The name that a DPU's driver goes by: part of the names of its namespaces. */
  driverName(dpu: string): string {
    return `${this.name}${this.testbed.dpu(dpu).plan.number}`;
  }

  namespaceOf(dpu: string, router: string): string {
    return namespaceName(this.driverName(dpu), router);
  }

  /** `fault`: asked for every operation, from the first one on. */
  async startWorker(dpu: string, fault?: Fault<Spec>): Promise<void> {
    const driver = faultyDriver(await this.world.open(this.testbed.dpu(dpu)));
    driver.setFault(fault);
    this.#drivers.set(dpu, driver);
    this.#probes.set(dpu, await EngineProbe.start(driver, undefined, this.hops));
  }

  async stopWorker(dpu: string): Promise<void> {
    await this.#probes.get(dpu)?.[Symbol.asyncDispose]();
    await this.#drivers.get(dpu)?.[Symbol.asyncDispose]();
  }

  setFault(dpu: string, fault: Fault<Spec> | undefined): void {
    this.#drivers.get(dpu)?.setFault(fault);
  }

  /** Waits until the DPU has applied exactly this, without a problem. */
  async apply(dpu: string, entries: readonly d.Entry[]): Promise<void> {
    const report = await this.#probeOf(dpu).apply(d.document(++this.#sequence, entries));
    expect(report.problems).toEqual([]);
  }

  /** The same where something fails first: waits until what it tells of that is over. */
  async applyInTheEnd(dpu: string, entries: readonly d.Entry[]): Promise<void> {
    await this.submit(dpu, entries)((problems) => problems.length === 0);
    await this.#probeOf(dpu).engine.settled();
  }

  /** Has the DPU make it so; what it returns waits until the DPU tells such problems of that. */
  submit(
    dpu: string,
    entries: readonly d.Entry[],
  ): (satisfied: (problems: readonly ObjectProblem[]) => boolean) => Promise<readonly ObjectProblem[]> {
    const probe = this.#probeOf(dpu);
    const from = probe.reports.length;
    const sequence = ++this.#sequence;
    probe.engine.submit(d.document(sequence, entries));
    return async (satisfied) => {
      const { problems } = await probe.until(
        ({ version, problems }) => version.sequence === BigInt(sequence) && satisfied(problems),
        from,
      );
      return problems;
    };
  }

  /** The same for a change of what it has. */
  async change(dpu: string, upserts: readonly d.Entry[], deletes: readonly string[]): Promise<void> {
    const report = await this.#probeOf(dpu).apply(d.delta(++this.#sequence, upserts, deletes));
    expect(report.problems).toEqual([]);
  }

  /** Resolves when something that happens from now on was repaired, and nothing is left to do. */
  async repaired(dpu: string): Promise<void> {
    const probe = this.#probeOf(dpu);
    await probe.until((report) => report.repaired > 0);
    await probe.engine.settled();
  }

  ruleCounters(dpu: string): Promise<readonly RuleCounter[]> {
    return this.#drivers.get(dpu)?.ruleCounters() ?? Promise.resolve([]);
  }

  #probeOf(dpu: string): EngineProbe<Spec> {
    const probe = this.#probes.get(dpu);
    if (probe === undefined) throw new Error(`no worker runs on ${dpu}`);
    return probe;
  }

  /** What a planner would make of the ports for a DPU; `policies`: what it would say of ports because of policies, by their names. */
  entriesFor(dpu: string, policies: Readonly<Record<string, d.EndpointFields>> = {}): d.Entry[] {
    return entriesOfPorts(dpu, this.ports, (other) => this.underlayOf(other), policies);
  }

  /** Where tunnels to the DPU end. */
  underlayOf(dpu: string): string {
    return this.testbed.dpu(dpu).plan.underlay.addresses[0]?.ip ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const dpu of this.testbed.dpus.keys()) await this.stopWorker(dpu);
    await this.world[Symbol.asyncDispose]();
    await this.testbed.dispose();
  }
}

/**
 * What a planner would make of the ports for a DPU: all networks everywhere, each with its gateway.
 *
 * @param underlayOf where tunnels to a DPU end.
 * @param policies what it would say of ports because of policies, by their names.
 */
export function entriesOfPorts(
  dpu: string,
  ports: readonly LabPort[],
  underlayOf: (dpu: string) => string,
  policies: Readonly<Record<string, d.EndpointFields>> = {},
): d.Entry[] {
  const networks = new Set(ports.map(({ network }) => network));
  const routers = new Set([...networks].map(({ router }) => router));
  const homes = (network: LabNetwork): Set<string> =>
    new Set(ports.filter((port) => port.network === network).map((port) => port.dpu));
  return [
    ...[...routers].map((key) => d.router(...(key.split('/').slice(1) as [string, string]))),
    ...[...networks].flatMap((network) => [
      d.bridgeDomain(network.uid, { vni: network.vni, mtu: MTU, router: network.router }),
      d.routerInterface(network.uid, [`${network.ipv4}.1/24`, `${network.ipv6}::1/64`], {
        router: network.router,
      }),
      ...[...homes(network)]
        .filter((other) => other !== dpu)
        .map((other) => d.tunnelPeer(network.uid, underlayOf(other))),
    ]),
    ...ports.map((port) => {
      const allowedAddressPairs = (port.allowed ?? []).map((ip) => ({ ip, macAddress: '' }));
      const common = { macAddress: macOf(port), ipAddresses: addressesOf(port), allowedAddressPairs };
      if (port.dpu !== dpu) {
        const tunnelEndpoint = underlayOf(port.dpu);
        return d.remoteEndpoint(port.name, port.network.uid, { ...common, tunnelEndpoint });
      }
      return d.endpoint(port.name, port.network.uid, {
        ...common,
        representor: representorOf(port),
        ...policies[port.name],
      });
    }),
  ];
}
