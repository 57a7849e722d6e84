import type { TenantClient } from '@outboard/client';
import { LocalStack, vlanDeviceName, type Workspace } from '@outboard/local-stack';
import type { Port } from '@outboard/model';
import {
  type Direction,
  EchoServer,
  FrameCapture,
  FrameSender,
  type Pod,
  ping,
  tcpEcho,
  udpFrame,
  waitUntil,
} from '@outboard/testbed';
import type { Attempt, Sender, Site, SitePod } from './site.js';

/** On which pods listen. */
const SERVED = [80, 5432, 5433, 7000, 8080];
const PATIENCE = { timeoutMilliseconds: 200 };

/** Everything runs for real: nats-server, the services and a worker on each of two DPUs, as processes. */
export class PacketsSite implements Site {
  readonly name = 'packets';
  readonly #workspaces = new Map<TenantClient, Workspace>();
  readonly #pods = new Map<SitePod, Pod>();
  /** Of pods on VLANs; others have eth0. */
  readonly #devices = new Map<SitePod, string>();
  readonly #open: Disposable[] = [];

  private constructor(readonly stack: LocalStack) {}

  static async open(name: string, driver: 'linux' | 'ovs' = 'linux'): Promise<PacketsSite> {
    const drivers = { 'dpu-a': driver, 'dpu-b': driver };
    return new PacketsSite(await LocalStack.start({ name, drivers }));
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
    const { host } = this.stack.testbed.dpu(ready.status.dpu ?? '');
    const pod = await this.stack.testbed.createPod({ name, host: host.name });
    this.#pods.set(pod, pod);
    await this.attach(pod, ready);
    for (const served of SERVED) this.#open.push(await EchoServer.listen(pod, served));
    return pod;
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
    await this.podOf(pod).detach();
  }

  async addAddress(pod: SitePod, ip: string): Promise<void> {
    await this.podOf(pod).addAddress(ip);
  }

  /** Who answers a ping is known to nobody: any name stands for them. */
  async answered(from: SitePod, ip: string, { protocol, port = 0 }: Attempt): Promise<string | undefined> {
    if (protocol === 'ICMP')
      return (await ping(this.podOf(from), ip, PATIENCE)).received > 0 ? 'somebody' : undefined;
    const outcome = await tcpEcho(this.podOf(from), { ip, port }, PATIENCE);
    return outcome.kind === 'echoed' ? outcome.server : undefined;
  }

  async arriving(from: SitePod, to: SitePod, senders: readonly Sender[]): Promise<number> {
    const [workspace] = this.#workspaces.values();
    const destinationMac = [...(workspace?.state.values() ?? [])].flatMap((resource) =>
      resource.kind === 'Port' && `${resource.metadata.tenant}-${resource.metadata.name}` === to.name
        ? [resource.status.macAddress ?? '']
        : [],
    );
    const frames = senders.map(({ macAddress, ip }, index) =>
      udpFrame({
        sourceMac: macAddress,
        destinationMac: destinationMac[0] ?? '',
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
