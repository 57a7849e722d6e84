import type { JsonObject } from '@bufbuild/protobuf';
import type { Resource, Status } from '../../resource.js';
import type { Name } from '../../values.js';

export interface WorkloadConfigurationSpec {
  readonly workload: Name;
  /** That the workload publishes. */
  readonly interface: Name;
  readonly configuration: JsonObject;
}

export interface WorkloadConfigurationStatus extends Status {
  readonly dpu: Name | undefined;
  /** Of the interface that has taken it; empty: none has. */
  readonly interfaceVersion: string;
  /** The generation that the CNF has taken; 0: none. */
  readonly appliedGeneration: number;
}

/** What an interface that a CNF publishes should be configured as. */
export type WorkloadConfiguration = Resource<
  'WorkloadConfiguration',
  WorkloadConfigurationSpec,
  WorkloadConfigurationStatus
>;
