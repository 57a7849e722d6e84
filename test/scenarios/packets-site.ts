import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StreamBus } from '@outboard/bus';
import type { TenantClient } from '@outboard/client';
import {
  LocalStack,
  type LocalStackOptions,
  podName,
  vlanDeviceName,
  type Workspace,
} from '@outboard/local-stack';
import type { Port } from '@outboard/model';
import {
  arpFrame,
  type Direction,
  type Dpu,
  EchoServer,
  type Endpoint,
  encapsulated,
  FrameCapture,
  FrameSender,
  isArp,
  type Pod,
  ping,
  taggedFrame,
  tcpEcho,
  udpFrame,
  waitUntil,
} from '@outboard/testbed';
import { CnfInPod } from '../admin/cnf-in-pod.js';
import type { DpuName } from './manifests.js';
import {
  type Attempt,
  type ChainSite,
  type FabricSite,
  type Hop,
  IPV6_UNDERLAY,
  type Machine,
  type Sender,
  type SitePod,
  type Tunnel,
  type WayOutSite,
} from './site.js';

/** On which pods listen. */
const SERVED = [22, 80, 5432, 5433, 7000, 8080, 10250];
type DriverName = 'linux' | 'ovs';
const PATIENCE = { timeoutMilliseconds: 200 };
/** The ends in the fabric of the wires to dpu-a. */
const WIRES = { underlay: 'up-1', provider: 'pv-1' } as const;
/** In an IPv4 packet without options, as the tunnels' are. */
const UDP_DESTINATION = 36;
const TUNNELS: Readonly<Record<number, Tunnel>> = { 4789: 'VXLAN', 6081: 'GENEVE' };
const MAC_BYTES = 6;
const MACHINE_PORT = 7001;

const macText = (mac: Buffer): string => (mac.toString('hex').match(/../g) ?? []).join(':');

/** Everything runs for real: nats-server, the services and a worker on each of two DPUs, as processes. */
export class PacketsSite implements FabricSite, ChainSite, WayOutSite {
  readonly name = 'packets';
  /** The second one of the testbed's DPUs; it is there where `providerNetwork` is asked for. */
  readonly uplink = 'up1';
  readonly #workspaces = new Map<TenantClient, Workspace>();
  readonly #pods = new Map<SitePod, Pod>();
  /** Hosts with a port on the PF of this DPU. */
  readonly #hosts = new Map<SitePod, Dpu>();
  /** Of pods on VLANs; others have eth0. */
  readonly #devices = new Map<SitePod, string>();
  readonly #open: Disposable[] = [];
  /** For the machines beyond the uplinks. */
  #answers = false;

  private constructor(readonly stack: LocalStack) {}

  static async open(
    name: string,
    driver: DriverName | Readonly<Record<DpuName, DriverName>> = 'linux',
    options: Pick<LocalStackOptions, 'providerNetwork'> = {},
  ): Promise<PacketsSite> {
    const drivers = typeof driver === 'string' ? { 'dpu-a': driver, 'dpu-b': driver } : driver;
    return new PacketsSite(await LocalStack.start({ name, drivers, ...options }));
  }

  async tenant(name: string): Promise<Workspace> {
    const workspace = await this.stack.workspace(name);
    this.#workspaces.set(workspace, workspace);
    return workspace;
  }

  async connect(
    tenant: TenantClient,
    port: string,
    { name = `${tenant.tenant}-${port}`, generation = 1 } = {},
  ): Promise<SitePod> {
    const ready = await tenant.ready(port, generation);
    if (ready.spec.trunk) return this.#connectVlan(tenant, ready);
    if (ready.spec.function?.vfNumber === undefined) return this.#connectHost(tenant, ready);
    const { host } = this.stack.testbed.dpu(ready.status.dpu ?? '');
    const pod = await this.stack.testbed.createPod({ name, host: host.name });
    this.#pods.set(pod, pod);
    await this.attach(pod, ready);
    for (const served of SERVED) this.#open.push(await EchoServer.listen(pod, served));
    return pod;
  }

  /** The host of the DPU, as the holder of the PF. */
  async #connectHost({ tenant }: TenantClient, { metadata, status }: Port): Promise<SitePod> {
    const dpu = this.stack.testbed.dpu(status.dpu ?? '');
    const [workspace] = this.#workspaces.values();
    await workspace?.connectHost(metadata.name);
    for (const served of SERVED) this.#open.push(await EchoServer.listen(dpu.host, served));
    const holder = {
      name: podName(tenant, metadata.name),
      addresses: status.addresses.map(({ ip }) => ip),
    };
    this.#hosts.set(holder, dpu);
    return holder;
  }

  /** The parent's pod, as the holder of the VLAN's addresses. */
  async #connectVlan({ tenant }: TenantClient, port: Port): Promise<SitePod> {
    const { parent, vlanId } = port.spec.trunk ?? { parent: '', vlanId: 0 };
    const pod = this.stack.testbed.pod(`${tenant}-${parent}`);
    const [workspace] = this.#workspaces.values();
    if (workspace) this.#open.push(await workspace.connectVlan(pod, port));
    const holder = { name: pod.name, addresses: port.status.addresses.map(({ ip }) => ip) };
    this.#pods.set(holder, pod);
    this.#devices.set(holder, vlanDeviceName(vlanId));
    return holder;
  }

  async attach(pod: SitePod, port: Port): Promise<void> {
    const [workspace] = this.#workspaces.values();
    await workspace?.attachPod(this.podOf(pod), port);
  }

  async detach(pod: SitePod): Promise<void> {
    const dpu = this.#hosts.get(pod);
    await (dpu === undefined ? this.podOf(pod).detach() : dpu.host.disconnect(dpu));
  }

  async addAddress(pod: SitePod, ip: string): Promise<void> {
    await this.podOf(pod).addAddress(ip);
  }

  /** Who answers a ping is known to nobody: any name stands for them. */
  async answered(from: SitePod, ip: string, { protocol, port = 0 }: Attempt): Promise<string | undefined> {
    if (protocol === 'ICMP')
      return (await ping(this.#endpointOf(from), ip, PATIENCE)).received > 0 ? 'somebody' : undefined;
    const outcome = await tcpEcho(this.#endpointOf(from), { ip, port }, PATIENCE);
    return outcome.kind === 'echoed' ? outcome.server : undefined;
  }

  async arriving(from: SitePod, to: SitePod, senders: readonly Sender[]): Promise<number> {
    const destinationMac = this.#macOf(to);
    const frames = senders.map(({ macAddress, ip }, index) =>
      udpFrame({
        sourceMac: macAddress,
        destinationMac,
        source: { ip, port: 4000 },
        destination: { ip: to.addresses[0] ?? '', port: 4001 },
        payload: Buffer.from(index === senders.length - 1 ? 'outboard-probe-last' : 'outboard-probe'),
      }),
    );
    // The pod's own "port unreachable" carries the payload as well: only what comes in counts.
    const comes =
      (text: string) =>
      (frame: Buffer, direction: Direction): boolean =>
        direction === 'in' && frame.includes(text);
    const all = await FrameCapture.open(this.podOf(to), 'eth0', comes('outboard-probe'));
    const last = await FrameCapture.open(this.podOf(to), 'eth0', comes('outboard-probe-last'));
    const sender = await FrameSender.open(this.podOf(from), this.#devices.get(from) ?? 'eth0');
    try {
      for (const frame of frames) sender.send(frame);
      // Once it has arrived, the others would have, too.
      await waitUntil('the last one arrives', () => (last.report.count > 0 ? undefined : 'it has not'));
      return all.report.count;
    } finally {
      for (const each of [sender, last, all]) each[Symbol.dispose]();
    }
  }

  operator(): Promise<StreamBus> {
    return this.stack.operator();
  }

  async tunnels(from: SitePod, to: SitePod): Promise<readonly Tunnel[]> {
    const [source, destination] = [this.#macOf(from), this.#macOf(to)];
    const seen = new Set<Tunnel>();
    const isTheirs = (frame: Buffer): boolean =>
      macText(frame.subarray(0, MAC_BYTES)) === destination &&
      macText(frame.subarray(MAC_BYTES, 2 * MAC_BYTES)) === source;
    const captures = await Promise.all(
      Object.values(WIRES).map((wire) =>
        FrameCapture.open(this.stack.testbed.fabric, wire, (frame) => {
          const inner = encapsulated(frame);
          if (!isTheirs(inner ?? frame)) return false;
          const tunnel = inner && TUNNELS[frame.readUInt16BE(UDP_DESTINATION)];
          if (tunnel) seen.add(tunnel);
          return true;
        }),
      ),
    );
    try {
      await waitUntil(`${from.name} is seen on its way to ${to.name}`, async () => {
        const { received } = await ping(this.podOf(from), to.addresses[0] ?? '', PATIENCE);
        const counts = captures.map(({ report }) => report.count);
        return received > 0 && counts.some((count) => count > 0) ? undefined : `${received}, ${counts}`;
      });
      if (captures.some(({ report }) => report.drops > 0)) throw new Error('the capture has dropped frames');
      return [...seen];
    } finally {
      for (const capture of captures) capture[Symbol.dispose]();
    }
  }

  async claiming(ip: string, vlanId: number, machine: Sender): Promise<readonly string[]> {
    const { fabric } = this.stack.testbed;
    const claiming = new Set<string>();
    const capture = await FrameCapture.open(fabric, WIRES.provider, (frame, direction) => {
      const isAnswer =
        direction === 'in' && isArp(frame) && macText(frame.subarray(0, MAC_BYTES)) === machine.macAddress;
      if (isAnswer) claiming.add(macText(frame.subarray(MAC_BYTES, 2 * MAC_BYTES)));
      return isAnswer;
    });
    const sender = await FrameSender.open(fabric, WIRES.provider);
    const { macAddress: senderMac, ip: senderIp } = machine;
    const arp = arpFrame({ operation: 'request', senderMac, senderIp, targetIp: ip });
    const question = taggedFrame(arp, vlanId);
    try {
      await waitUntil(`${ip} is claimed`, () => {
        sender.send(question);
        return capture.report.count > 0 ? undefined : 'by nobody';
      });
      return [...claiming];
    } finally {
      sender[Symbol.dispose]();
      capture[Symbol.dispose]();
    }
  }

  async machine(ip: string): Promise<Machine> {
    const { testbed } = this.stack;
    await testbed.addFabricAddress('underlay', ip, ip.includes(':') ? 64 : 24);
    if (ip.includes(':'))
      for (const [index, { name, plan }] of [...testbed.dpus.values()].entries())
        await testbed.addDpuAddress(name, plan.underlay.device, `${IPV6_UNDERLAY}::${index + 1}`, 64);
    // One answers for all addresses.
    if (!this.#answers) this.#open.push(await EchoServer.listen(testbed.fabric, MACHINE_PORT));
    this.#answers = true;
    return {
      seen: async (from) => {
        const outcome = await tcpEcho(this.podOf(from), { ip, port: MACHINE_PORT });
        return outcome.kind === 'echoed' ? outcome.client.ip : undefined;
      },
    };
  }

  /** The firewall of examples/cnfs, in a pod that has both functions. */
  async hop(tenant: TenantClient, ingressPort: string, egressPort: string): Promise<Hop> {
    const { testbed } = this.stack;
    const [ingress, egress] = [await tenant.ready(ingressPort), await tenant.ready(egressPort)];
    const { host } = testbed.dpu(ingress.status.dpu ?? '');
    const pod = await testbed.createPod({ name: 'firewall', host: host.name });
    const [workspace] = this.#workspaces.values();
    await workspace?.attachPod(pod, ingress, 'ingress');
    await workspace?.attachPod(pod, egress, 'egress');
    const directory = join(testbed.directory, 'firewall');
    mkdirSync(directory);
    const firewall = await CnfInPod.start(testbed, pod, 'firewall', directory);
    return {
      async letThrough(...protocols) {
        await firewall.ask('PUT', '/interfaces/firewall/configuration', {
          rules: protocols.map((protocol) => ({
            name: protocol.toLowerCase(),
            direction: 'OUTBOUND',
            protocol,
            action: 'ACCEPT',
          })),
          defaultAction: { outbound: 'DROP', inbound: 'DROP' },
        });
      },
    };
  }

  /** Of the port that a pod is called after. */
  #macOf({ name }: SitePod): string {
    const resources = [...this.#workspaces.values()].flatMap(({ state }) => [...state.values()]);
    for (const resource of resources) {
      if (resource.kind !== 'Port' || `${resource.metadata.tenant}-${resource.metadata.name}` !== name)
        continue;
      return resource.status.macAddress ?? '';
    }
    throw new Error(`${name} is called after no port`);
  }

  #endpointOf(pod: SitePod): Endpoint {
    return this.#hosts.get(pod)?.host ?? this.podOf(pod);
  }

  podOf(pod: SitePod): Pod {
    const found = this.#pods.get(pod);
    if (found === undefined) throw new Error(`${pod.name} is no pod of this site`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#open) each[Symbol.dispose]();
    await this.stack[Symbol.asyncDispose]();
  }
}
