import type { PartialSessionPolicy } from '../../acceleration/policy.js';
import type { JobProgram } from '../../acceleration/program.js';
import type { Resource, Status } from '../../resource.js';

export interface AccelerationProfileSpec {
  readonly programs: readonly JobProgram[];
  readonly policy: PartialSessionPolicy;
}

export interface AccelerationProfileStatus extends Status {
  readonly sessions: number;
}

/** Programs and a policy under a name, for sessions. */
export type AccelerationProfile = Resource<
  'AccelerationProfile',
  AccelerationProfileSpec,
  AccelerationProfileStatus
>;
