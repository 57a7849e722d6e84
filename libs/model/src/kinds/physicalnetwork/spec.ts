import type { LabelSelector } from '../../label-selector.js';
import type { Resource, Status } from '../../resource.js';
import type { DeviceName, Mtu, Name } from '../../values.js';

/** Inclusive. */
export interface VlanRange {
  readonly minimum: number;
  readonly maximum: number;
}

/** DPUs whose uplink leads to the physical network: these, or those that are selected. */
export interface Attachment {
  readonly uplink: DeviceName;
  readonly dpus: readonly Name[];
  readonly dpuSelector: LabelSelector | undefined;
}

export interface PhysicalNetworkSpec {
  readonly mtu: Mtu;
  readonly vlanRanges: readonly VlanRange[];
  /** The first that names or selects a DPU counts. */
  readonly attachments: readonly Attachment[];
}

export interface PhysicalNetworkStatus extends Status {
  readonly dpus: number;
  readonly networks: number;
}

/** A fabric that carries VLAN and FLAT networks without tunnels. Belongs to no tenant. */
export type PhysicalNetwork = Resource<'PhysicalNetwork', PhysicalNetworkSpec, PhysicalNetworkStatus>;
