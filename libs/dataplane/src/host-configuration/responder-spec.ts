/**
 * What a port is told when it asks how to configure itself, by whoever has its representor: it asks there before its
 * frames go anywhere else, and is answered there. `responder/<device>`, `responder/<device>/<VLAN>`.
 */
export interface ResponderSpec {
  readonly kind: 'responder';
  /** The representor. */
  readonly device: string;
  /** The VLAN of the representor that the port is; 0: it is the representor itself, whose frames have no tag. */
  readonly vlanId: number;
  /** The port's own address: nobody else is answered. */
  readonly mac: string;
  /** Empty: none. */
  readonly hostName: string;
  /** Largest IP packet, bytes. */
  readonly mtu: number;
  /** MAC address of the gateway, which answers are from. */
  readonly server: string;
  /** At least one. */
  readonly subnets: readonly ToldSubnet[];
}

/** A subnet of which the port has an address. */
export interface ToldSubnet {
  readonly family: 4 | 6;
  /** The port's. */
  readonly address: string;
  /** First address of the prefix. */
  readonly prefix: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly dnsServers: readonly string[];
  /** Empty: none. */
  readonly domainName: string;
  /** Null: DHCP is not answered; said in so many words, for what is not mentioned may be anything. */
  readonly dhcp: ToldByDhcp | null;
  /** Null: no router is advertised. */
  readonly advertisement: Advertised | null;
}

export interface ToldByDhcp {
  readonly leaseSeconds: number;
  readonly ntpServers: readonly string[];
  readonly routes: readonly { readonly destination: string; readonly nextHop: string }[];
}

export interface Advertised {
  readonly lifetimeSeconds: number;
  readonly autonomous: boolean;
}

export type DhcpSubnet = ToldSubnet & { readonly dhcp: ToldByDhcp };

/** Those in which DHCP is answered. */
export const dhcpSubnets = ({ subnets }: ResponderSpec, family: 4 | 6): DhcpSubnet[] =>
  subnets.filter((subnet): subnet is DhcpSubnet => subnet.family === family && subnet.dhcp !== null);

export const responderKey = ({ device, vlanId }: Pick<ResponderSpec, 'device' | 'vlanId'>): string =>
  vlanId === 0 ? `responder/${device}` : `responder/${device}/${vlanId}`;

/** The link-local address of every gateway. No port may have it. */
export const GATEWAY_LINK_LOCAL = 'fe80::1';
