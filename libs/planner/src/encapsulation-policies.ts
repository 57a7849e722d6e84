import {
  type EncapsulationPolicySpec,
  MAX_VNI,
  type SegmentationId,
  type SegmentRange,
} from '@outboard/model';
import type { EncapsulationPolicyRecord } from './records.js';

/** Inclusive. */
export interface VniRange {
  readonly first: number;
  readonly last: number;
}

/** The rules in force for a tenant. */
export interface PolicyInForce extends Pick<EncapsulationPolicySpec, 'defaultSegment' | 'allowed'> {
  /** Undefined: there is no policy, and these are the built-in rules. */
  readonly name: string | undefined;
}

/** Stands for all tenants without a policy of their own: no tenant is called so. */
const EVERYBODY = '_';

/** The encapsulation policies, and which of them is in force for whom. */
export class EncapsulationPolicies {
  readonly #byName = new Map<string, EncapsulationPolicyRecord>();
  readonly #byTenant = new Map<string, EncapsulationPolicyRecord>();
  readonly #builtIn: PolicyInForce;

  constructor({ first, last }: VniRange) {
    const tunnels = (networkType: 'VXLAN' | 'GENEVE', from: number, to: number): SegmentRange => ({
      networkType,
      physicalNetwork: undefined,
      minimum: from as SegmentationId,
      maximum: to as SegmentationId,
    });
    this.#builtIn = {
      name: undefined,
      defaultSegment: tunnels('VXLAN', first, last),
      allowed: [tunnels('VXLAN', 1, MAX_VNI), tunnels('GENEVE', 1, MAX_VNI)],
    };
  }

  get(name: string): EncapsulationPolicyRecord | undefined {
    return this.#byName.get(name);
  }

  values(): IterableIterator<EncapsulationPolicyRecord> {
    return this.#byName.values();
  }

  /** The policy of that very tenant, or of everybody. */
  of(tenant: string | undefined): EncapsulationPolicyRecord | undefined {
    return this.#byTenant.get(tenant ?? EVERYBODY);
  }

  put(record: EncapsulationPolicyRecord): void {
    const { metadata, spec } = record.resource;
    this.#byName.set(metadata.name, record);
    this.#byTenant.set(spec.tenant ?? EVERYBODY, record);
  }

  remove(name: string): void {
    const record = this.#byName.get(name);
    if (!record) return;
    this.#byName.delete(name);
    this.#byTenant.delete(record.resource.spec.tenant ?? EVERYBODY);
  }

  /** The tenant's own policy, else the one of everybody, else the built-in rules. */
  inForceFor(tenant: string): PolicyInForce {
    const policy = this.of(tenant);
    return policy ? rulesOf(policy) : this.#inForceForEverybody();
  }

  /** What would be in force if there were no policy of that tenant, or of everybody. */
  inForceWithout(tenant: string | undefined): PolicyInForce {
    return tenant === undefined ? this.#builtIn : this.#inForceForEverybody();
  }

  #inForceForEverybody(): PolicyInForce {
    const policy = this.of(undefined);
    return policy ? rulesOf(policy) : this.#builtIn;
  }
}

function rulesOf({ resource: { metadata, spec } }: EncapsulationPolicyRecord): PolicyInForce {
  return { name: metadata.name, defaultSegment: spec.defaultSegment, allowed: spec.allowed };
}
