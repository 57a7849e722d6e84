import type { StreamBus } from '@outboard/bus';
import type { TenantClient } from '@outboard/client';
import type { Port } from '@outboard/model';

/** What is tried between pods: answered or not. */
export interface Attempt {
  readonly protocol: 'ICMP' | 'TCP';
  /** Of TCP. */
  readonly port?: number;
}

/** A pod on a port, whatever it is made of. */
export interface SitePod {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** As whom a frame says that it is sent. */
export interface Sender {
  readonly macAddress: string;
  readonly ip: string;
}

/**
 * Where a scenario takes place: the same services and workers, with pods whose packets are real (`packets`) or simulated
 * (`frames`). It has two DPUs, dpu-a and dpu-b.
 */
export interface Site extends AsyncDisposable {
  readonly name: 'packets' | 'frames';
  tenant(name: string): Promise<TenantClient>;
  /** The pod of a port, as soon as that is ready (at the wanted generation), called `<tenant>-<port>` if not otherwise. */
  connect(tenant: TenantClient, port: string, as?: { name?: string; generation?: number }): Promise<SitePod>;
  /** A pod that is there already is on this port from now on. */
  attach(pod: SitePod, port: Port): Promise<void>;
  /** It has lost its port. */
  detach(pod: SitePod): Promise<void>;
  /** A pod has one address more, of which no port tells. */
  addAddress(pod: SitePod, ip: string): Promise<void>;
  /**
   * The name of the pod that has answered, any name where no pod has (a gateway, say), or for pings; undefined: nobody has. A
   * pod answers to whatever is asked.
   */
  answered(from: SitePod, ip: string, attempt: Attempt): Promise<string | undefined>;
  /** How many of some datagrams arrive, sent by a pod in this order, each as somebody. The last one does. */
  arriving(from: SitePod, to: SitePod, senders: readonly Sender[]): Promise<number>;
}

/** A site whose DPUs are on a fabric that carries VLANs, with machines that know nothing of Outboard. */
export interface FabricSite extends Site {
  /** The device by which every DPU is on that fabric. */
  readonly uplink: string;
  /** As a network admin. */
  operator(): Promise<StreamBus>;
  /** In which tunnels frames leave dpu-a when a pod there reaches one on dpu-b. */
  tunnels(from: SitePod, to: SitePod): Promise<readonly Tunnel[]>;
  /** The MAC addresses that claim an address when a machine of the fabric asks for it with the tag of a VLAN. */
  claiming(ip: string, vlanId: number, machine: Sender): Promise<readonly string[]>;
}

/** Of the DPUs' uplinks and of machines beyond them: 64 bits, after which DPUs have their number. */
export const IPV6_UNDERLAY = 'fd00:fab';

/** A site whose routers have a way out, to machines on the network of the DPUs' underlay addresses (10.254.0.0/24, `IPV6_UNDERLAY`). */
export interface WayOutSite extends Site {
  /** A machine there that answers pods; it stays as long as the site. */
  machine(ip: string): Promise<Machine>;
}

export interface Machine {
  /** The address that it sees a pod by; undefined: that one does not reach it. */
  seen(from: SitePod): Promise<string | undefined>;
}

/** A site whose pods may be hops of service chains. */
export interface ChainSite extends Site {
  /** A firewall between two ports of a tenant, as soon as they are ready. It lets nothing through yet. */
  hop(tenant: TenantClient, ingressPort: string, egressPort: string): Promise<Hop>;
}

export interface Hop {
  /** From now on that and nothing else, both ways. */
  letThrough(...protocols: readonly HopProtocol[]): Promise<void>;
}

export type HopProtocol = 'ICMP' | 'TCP' | 'UDP';

export type Tunnel = 'VXLAN' | 'GENEVE';

export const PING: Attempt = { protocol: 'ICMP' };
export const TCP = (port: number): Attempt => ({ protocol: 'TCP', port });
