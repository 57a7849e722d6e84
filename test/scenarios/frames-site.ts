import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Installation } from '@outboard/all-in-one';
import type { StreamBus } from '@outboard/bus';
import { TenantClient } from '@outboard/client';
import { SimHop, SimHost, sourceOf } from '@outboard/dataplane';
import type { Port } from '@outboard/model';
import {
  type Attempt,
  type ChainSite,
  type FabricSite,
  type Hop,
  type HopProtocol,
  IPV6_UNDERLAY,
  type Machine,
  type Sender,
  type SitePod,
  type Tunnel,
  type WayOutSite,
} from './site.js';

/** As the DPUs of `manifests.ts`. */
const DPUS = ['dpu-a', 'dpu-b'].map((name, index) => ({
  name,
  serialNumber: `OB-SIM-000${index + 1}`,
  pfMacAddress: `02:0b:00:00:0${index + 1}:00`,
  functions: 16,
  underlayAddress: `10.254.0.${index + 1}`,
  ipv6Address: `${IPV6_UNDERLAY}::${index + 1}`,
}));
/** Of datagrams that only arrive: nobody waits for an answer. */
const DISCARD = 9;
const ARP_REPLY = 2n;
/** By the port of a simulated switch at which frames come out of them. */
const TUNNELS: Readonly<Record<string, Tunnel>> = { 'obt-vxlan': 'VXLAN', 'obt-geneve': 'GENEVE' };

const PROTOCOLS: Readonly<Record<HopProtocol, bigint>> = { ICMP: 1n, TCP: 6n, UDP: 17n };

/** A machine of the fabric. */
class FabricMachine extends SimHost {
  /** Who has said to have what was asked for. */
  readonly claiming = new Set<string>();

  override receive(packet: Parameters<SimHost['receive']>[0]): void {
    if (packet.get('arp_op') === ARP_REPLY) this.claiming.add(macText(packet.get('arp_sha')));
    super.receive(packet);
  }
}

const macText = (mac: bigint): string => (mac.toString(16).padStart(12, '0').match(/../g) ?? []).join(':');

/** A machine on the network of the underlay. */
class UnderlayMachine extends SimHost {
  /** By what it has seen who asked it last. */
  asker = '';

  override receive(packet: Parameters<SimHost['receive']>[0]): void {
    this.asker = sourceOf(packet) ?? this.asker;
    super.receive(packet);
  }
}

class FramesPod implements SitePod {
  #port: Port;
  host: SimHost;

  constructor(
    readonly name: string,
    port: Port,
    private readonly installation: Installation,
    readonly more: string[] = [],
  ) {
    this.#port = port;
    this.host = this.attach(port);
  }

  get addresses(): readonly string[] {
    return this.#port.status.addresses.map(({ ip }) => ip);
  }

  attach(port: Port = this.#port, macAddress = port.status.macAddress ?? ''): SimHost {
    const { dpu = '', representor = '', addresses } = port.status;
    const { vlanId } = port.spec.trunk ?? {};
    this.#port = port;
    this.host = new SimHost({ macAddress, addresses, more: this.more });
    this.installation.fabric.attach(dpu, representor, this.host, vlanId);
    return this.host;
  }

  detach(): void {
    const { dpu = '', representor = '' } = this.#port.status;
    this.installation.fabric.detach(dpu, representor, this.#port.spec.trunk?.vlanId);
  }
}

/** Everything in this process, on a bus in memory, with simulated switches and hosts. */
export class FramesSite implements FabricSite, ChainSite, WayOutSite {
  readonly name = 'frames';
  /** That of the tunnels: the fabric of simulated switches carries both. */
  readonly uplink = 'up0';
  readonly #pods = new Map<SitePod, FramesPod>();
  readonly #tenants: TenantClient[] = [];

  private constructor(
    private readonly installation: Installation,
    private readonly directory: string,
  ) {}

  static async open(): Promise<FramesSite> {
    const directory = mkdtempSync(join(tmpdir(), 'outboard-frames-'));
    const installation = await Installation.start({ directory });
    for (const dpu of DPUS) await installation.addDpu(dpu);
    return new FramesSite(installation, directory);
  }

  async tenant(name: string): Promise<TenantClient> {
    const tenant = new TenantClient(await TenantClient.connect(name, this.installation.connect()));
    this.#tenants.push(tenant);
    return tenant;
  }

  async connect(
    tenant: TenantClient,
    port: string,
    { name = `${tenant.tenant}-${port}`, generation = 1 } = {},
  ): Promise<SitePod> {
    const pod = new FramesPod(name, await tenant.ready(port, generation), this.installation);
    this.#pods.set(pod, pod);
    return pod;
  }

  async attach(pod: SitePod, port: Port): Promise<void> {
    this.#pod(pod).attach(port);
  }

  async detach(pod: SitePod): Promise<void> {
    this.#pod(pod).detach();
  }

  async addAddress(pod: SitePod, ip: string): Promise<void> {
    const own = this.#pod(pod);
    own.more.push(ip);
    own.attach();
  }

  async answered(from: SitePod, ip: string, { protocol, port = 0 }: Attempt): Promise<string | undefined> {
    const { answered, by } = this.installation.fabric.probe(this.#pod(from).host, {
      destination: ip,
      protocol,
      port,
    });
    if (!answered) return undefined;
    return [...this.#pods.values()].find(({ host }) => host === by)?.name ?? 'no pod';
  }

  async arriving(from: SitePod, to: SitePod, senders: readonly Sender[]): Promise<number> {
    const [destination = ''] = to.addresses;
    const pod = this.#pod(from);
    try {
      return senders.filter(({ macAddress, ip: source }) => {
        const probe = { destination, source, protocol: 'UDP', port: DISCARD } as const;
        return this.installation.fabric.probe(pod.attach(undefined, macAddress), probe).arrived;
      }).length;
    } finally {
      pod.attach();
    }
  }

  async operator(): Promise<StreamBus> {
    return this.installation.connect();
  }

  async tunnels(from: SitePod, to: SitePod): Promise<readonly Tunnel[]> {
    const [destination = ''] = to.addresses;
    const probe = { destination, protocol: 'ICMP' } as const;
    const { answered, path } = this.installation.fabric.probe(this.#pod(from).host, probe);
    if (!answered) throw new Error(`${from.name} does not reach ${to.name}`);
    return [...new Set(path.flatMap(({ dpu, inPort }) => (dpu === 'dpu-b' && TUNNELS[inPort]) || []))];
  }

  async claiming(ip: string, vlanId: number, { macAddress, ip: own }: Sender): Promise<readonly string[]> {
    const { fabric } = this.installation;
    const machine = new FabricMachine({ macAddress, addresses: [{ ip: own, prefixLength: 24 }] });
    fabric.attachDevice(vlanId, machine);
    fabric.probe(machine, { destination: ip, protocol: 'ICMP' });
    return [...machine.claiming];
  }

  async machine(ip: string): Promise<Machine> {
    const { fabric } = this.installation;
    const addresses = [{ ip, prefixLength: ip.includes(':') ? 64 : 24 }];
    const machine = new UnderlayMachine({ macAddress: '02:00:5e:00:fe:01', addresses });
    fabric.attachMachine(machine);
    return {
      seen: async (from) => {
        const probe = { destination: ip, protocol: 'TCP', port: DISCARD } as const;
        return fabric.probe(this.#pod(from).host, probe).answered ? machine.asker : undefined;
      },
    };
  }

  async hop(tenant: TenantClient, ingressPort: string, egressPort: string): Promise<Hop> {
    let passing: readonly bigint[] = [];
    const hop = new SimHop((packet) => passing.includes(packet.get('ip_proto')));
    for (const [port, end] of [
      [ingressPort, hop.ingress],
      [egressPort, hop.egress],
    ] as const) {
      const { dpu = '', representor = '' } = (await tenant.ready(port)).status;
      this.installation.fabric.attach(dpu, representor, end);
    }
    return {
      async letThrough(...protocols) {
        passing = protocols.map((protocol) => PROTOCOLS[protocol]);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const tenant of this.#tenants) await tenant[Symbol.asyncDispose]();
    await this.installation[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #pod(pod: SitePod): FramesPod {
    const found = this.#pods.get(pod);
    if (found === undefined) throw new Error(`${pod.name} is no pod of this site`);
    return found;
  }
}
