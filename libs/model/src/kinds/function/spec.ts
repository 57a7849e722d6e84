import type { Resource, Status } from '../../resource.js';
import type { MacAddress, Name, SerialNumber, TenantName } from '../../values.js';

/** devlink's port flavours. */
export const FLAVOURS = ['PCI_PF', 'PCI_VF', 'PCI_SF', 'VIRTUAL'] as const;
export type Flavour = (typeof FLAVOURS)[number];

export const FUNCTION_STATES = ['ACTIVE', 'INACTIVE'] as const;
export const FUNCTION_OPERATIONAL_STATES = ['ATTACHED', 'DETACHED'] as const;
export const ATTACHMENTS = ['HOST', 'DPU'] as const;

export interface FunctionSpec {
  readonly pool: Name;
}

export interface Representor {
  readonly netdev: string;
  readonly physPortName: string;
  readonly switchId: string;
}

/** The resource that has bound the function. */
export interface Claim {
  readonly tenant: TenantName;
  readonly kind: string;
  readonly name: Name;
}

/** What was discovered; undefined where the worker has not told it. */
export interface FunctionStatus extends Status {
  readonly dpu: Name | undefined;
  readonly serialNumber: SerialNumber | undefined;
  readonly pfMacAddress: MacAddress | undefined;
  readonly flavour: Flavour | undefined;
  readonly controller: number;
  readonly pfNumber: number;
  readonly vfNumber: number | undefined;
  readonly sfNumber: number | undefined;
  readonly external: boolean;
  readonly hwAddress: MacAddress | undefined;
  readonly state: (typeof FUNCTION_STATES)[number] | undefined;
  readonly opState: (typeof FUNCTION_OPERATIONAL_STATES)[number] | undefined;
  readonly representor: Representor | undefined;
  readonly attachment: (typeof ATTACHMENTS)[number] | undefined;
  readonly claim: Claim | undefined;
}

/** A PF, VF, SF or virtual function of a DPU. Belongs to no tenant. (`Function` is taken in JavaScript.) */
export type DpuFunction = Resource<'Function', FunctionSpec, FunctionStatus>;
