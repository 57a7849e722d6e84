import type { Resource, Status } from '../../resource.js';
import type { Name, SegmentationId, TenantName } from '../../values.js';
import type { NetworkType } from '../network/spec.js';

/** An encapsulation with a range of identifiers, inclusive. */
export interface SegmentRange {
  readonly networkType: NetworkType;
  /** Of VLAN and FLAT. */
  readonly physicalNetwork: Name | undefined;
  /** 0 of FLAT, which has no identifiers. */
  readonly minimum: SegmentationId;
  readonly maximum: SegmentationId;
}

export interface EncapsulationPolicySpec {
  /** Undefined: all tenants that have no policy of their own. */
  readonly tenant: TenantName | undefined;
  readonly defaultSegment: SegmentRange;
  readonly allowed: readonly SegmentRange[];
}

export interface EncapsulationPolicyStatus extends Status {}

/** How networks are encapsulated, and what a workload may ask for instead. Belongs to no tenant. */
export type EncapsulationPolicy = Resource<
  'EncapsulationPolicy',
  EncapsulationPolicySpec,
  EncapsulationPolicyStatus
>;
