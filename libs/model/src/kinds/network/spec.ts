import type { Resource, Status } from '../../resource.js';
import type { Mtu, Name, SegmentationId } from '../../values.js';

/** Encapsulations that networks may have. */
export const NETWORK_TYPES = ['VXLAN', 'GENEVE', 'VLAN', 'FLAT'] as const;

export type NetworkType = (typeof NETWORK_TYPES)[number];

export interface NetworkSpec {
  readonly router: Name;
  /** Asked encapsulation; what is undefined is chosen by the system. */
  readonly segment: AskedSegment;
  readonly mtu: Mtu | undefined;
}

export interface AskedSegment {
  readonly networkType: NetworkType | undefined;
  readonly segmentationId: SegmentationId | undefined;
  /** With VLAN and FLAT only. */
  readonly physicalNetwork: Name | undefined;
}

/** The encapsulation that a network has. */
export interface Segment {
  readonly networkType: NetworkType;
  /** Undefined of FLAT. */
  readonly segmentationId: SegmentationId | undefined;
  /** Of VLAN and FLAT. */
  readonly physicalNetwork: Name | undefined;
}

export interface NetworkStatus extends Status {
  /** Undefined until allocated. */
  readonly segment: Segment | undefined;
  /** Undefined until an underlay is known. */
  readonly mtu: Mtu | undefined;
  readonly ports: number;
}

/** A layer 2 segment of a tenant. */
export type Network = Resource<'Network', NetworkSpec, NetworkStatus>;
