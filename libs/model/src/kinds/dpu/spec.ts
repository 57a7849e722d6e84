import type { IpAddress } from '../../ip.js';
import type { Resource, Status } from '../../resource.js';
import type { HostName, SerialNumber } from '../../values.js';
import type { AdminState } from '../port/spec.js';
import type { Accelerator } from './accelerator.js';
import type { LifecycleSpec, LifecycleStatus } from './lifecycle.js';

export interface DpuSpec {
  /** Undefined: the first worker to register gives it. */
  readonly serialNumber: SerialNumber | undefined;
  readonly host: HostName | undefined;
  /** Undefined: as it was decided before; of a new one as admin is configured. */
  readonly approved: boolean | undefined;
  readonly lifecycle: LifecycleSpec;
}

export interface Capability {
  readonly name: string;
  readonly available: boolean;
  /** Why it is absent; empty when available. */
  readonly reason: string;
}

export interface Underlay {
  readonly device: string;
  readonly address: IpAddress;
  /** Bytes. */
  readonly mtu: number;
}

/** What workloads may have of a DPU together. */
export interface DpuCapacity {
  /** Thousandths of a core. */
  readonly cpuMillicores: number;
  readonly memoryMebibytes: number;
}

/** A workload that a DPU was told to end. */
export interface EndingWorkload {
  readonly tenant: string;
  readonly name: string;
  readonly uid: string;
}

/** A network device that leads out of the DPU. */
export interface DpuUplink {
  readonly device: string;
  readonly macAddress: string;
  /** Bytes. */
  readonly mtu: number;
  readonly adminState: AdminState;
  readonly carrier: boolean;
  /** 10^6 bits a second; 0: not known. */
  readonly speedMbps: number;
  /** Empty: not told. */
  readonly driver: string;
  readonly firmwareVersion: string;
}

export interface DpuStatus extends Status {
  readonly serialNumber: SerialNumber | undefined;
  readonly incarnation: string | undefined;
  readonly workerVersion: string | undefined;
  readonly kernelRelease: string | undefined;
  readonly architecture: string | undefined;
  readonly driver: string | undefined;
  readonly capabilities: readonly Capability[];
  readonly underlay: Underlay | undefined;
  /** Undefined: its worker serves no acceleration. */
  readonly accelerator: Accelerator | undefined;
  /** How many functions were discovered. */
  readonly functions: number;
  /** Undefined: not told. */
  readonly capacity: DpuCapacity | undefined;
  /** Of the workloads that are placed on it, and what is left; undefined: none, and not known. */
  readonly usedCapacity: DpuCapacity | undefined;
  readonly freeCapacity: DpuCapacity | undefined;
  /** Workloads that are placed on it. */
  readonly workloads: number;
  /** Why the network of a configuration that was deleted is still in force; undefined: there is no such network. */
  readonly networkKept: string | undefined;
  /** Taken from it; that their programs have ended is not confirmed yet. */
  readonly endingWorkloads: readonly EndingWorkload[];
  /** Those that ports have bound, and the others. */
  readonly usedFunctions: number;
  readonly freeFunctions: number;
  readonly uplinks: readonly DpuUplink[];
  /** Undefined: written by an admin that knew of none. */
  readonly lifecycle: LifecycleStatus | undefined;
}

/** A data processing unit. Belongs to no tenant. */
export type Dpu = Resource<'Dpu', DpuSpec, DpuStatus>;
