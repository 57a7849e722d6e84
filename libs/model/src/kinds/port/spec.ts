import type { IpAddress, IpPrefix } from '../../ip.js';
import type { Propagation } from '../../propagation.js';
import type { Resource, Status } from '../../resource.js';
import type { MacAddress, Mtu, Name, PortName, SerialNumber } from '../../values.js';
import type { Segment } from '../network/spec.js';

export const ADMIN_STATES = ['UP', 'DOWN'] as const;
export type AdminState = (typeof ADMIN_STATES)[number];

export const OFFLOADS = ['PREFERRED', 'REQUIRED', 'NEVER'] as const;
export type Offload = (typeof OFFLOADS)[number];

export const OFFLOAD_STATES = ['HARDWARE', 'SOFTWARE'] as const;
export type OffloadState = (typeof OFFLOAD_STATES)[number];

/** A function as its host knows it. */
export interface FunctionIdentity {
  readonly serialNumber: SerialNumber;
  readonly pfMacAddress: MacAddress;
  /** 0 to 4095; undefined: the physical function itself. */
  readonly vfNumber: number | undefined;
  /** Of a sub-function, 0 to 65535; absent: it is none. */
  readonly sfNumber?: number | undefined;
}

export interface PortAddress {
  readonly subnet: Name;
  /** Undefined: allocated. */
  readonly ip: IpAddress | undefined;
}

export interface AddressPair {
  /** A single address is a prefix of full length. */
  readonly ip: IpPrefix;
  /** Undefined: the port's own. */
  readonly macAddress: MacAddress | undefined;
}

/** A TCP or UDP port of the holder. */
export interface NamedPort {
  readonly name: PortName;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

/** At the least rate a frame takes a fifth of a second; nobody has faster ports than the largest. */
export const MIN_KBPS = 64;
export const MAX_KBPS = 400_000_000;

/** 1000 bits a second. Undefined: not limited. */
export interface Bandwidth {
  /** To the port. */
  readonly ingressKbps: number | undefined;
  /** From the port. */
  readonly egressKbps: number | undefined;
}

/** The port is a VLAN of another port: its parent's function is connected to its network by frames with this tag. */
export interface Trunk {
  /** A Port of the same tenant. */
  readonly parent: Name;
  /** 1 to 4094. */
  readonly vlanId: number;
}

export interface PortSpec {
  readonly network: Name;
  /** Undefined: reserved, connected to nothing; or a VLAN of another port (`trunk`). */
  readonly function: FunctionIdentity | undefined;
  /** Empty: one address of every subnet of the network. */
  readonly addresses: readonly PortAddress[];
  /** Undefined: allocated. */
  readonly macAddress: MacAddress | undefined;
  /** Policies that apply besides those that select the port. */
  readonly securityPolicies: readonly Name[];
  readonly allowedAddressPairs: readonly AddressPair[];
  readonly adminState: AdminState;
  readonly offload: Offload;
  readonly namedPorts: readonly NamedPort[];
  readonly bandwidth: Bandwidth | undefined;
  /** Absent: it is connected by its own function. */
  readonly trunk?: Trunk | undefined;
}

export interface PortAddressStatus {
  readonly subnet: Name;
  readonly ip: IpAddress;
  readonly prefixLength: number;
  readonly gateway: IpAddress | undefined;
}

export interface PortStatus extends Status {
  readonly dpu: Name | undefined;
  /** Netdev name of the function's representor. */
  readonly representor: string | undefined;
  readonly mtu: Mtu | undefined;
  readonly macAddress: MacAddress | undefined;
  readonly addresses: readonly PortAddressStatus[];
  readonly segment: Segment | undefined;
  readonly offload: { readonly state: OffloadState; readonly reason: string } | undefined;
  readonly propagated: Propagation | undefined;
}

/** The connection of one function to one network. */
export type Port = Resource<'Port', PortSpec, PortStatus>;
