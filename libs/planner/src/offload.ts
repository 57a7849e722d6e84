import { objectKeys } from '@outboard/contracts';
import type { ReportedOffload } from '@outboard/document-owner/documents';
import type { PortSpec, PortStatus } from '@outboard/model';

import type { DpuEntry, PortEntry } from './entries.js';
import type { DpuRecord } from './records.js';

/** What is known of a planned port's offload before the worker tells more. */
export function offloadOf({ offload }: PortSpec, dpu: DpuRecord): PortStatus['offload'] {
  if (offload === 'NEVER') return { state: 'SOFTWARE', reason: 'NotWanted' };
  return dpu.hardwareOffload ? undefined : { state: 'SOFTWARE', reason: 'NoHardware' };
}

/** What the worker of its DPU tells of a port; undefined: nothing yet, or it is not applied, or forwards nothing. */
export function toldOffload(port: PortEntry, dpu: DpuEntry): PortStatus['offload'] {
  const { metadata, spec, status } = port.record.resource;
  const { offload, problems, unconfirmed, applied } = dpu;
  // What was told before a restart of this service stays until the worker reports again.
  if (applied === undefined) return status.offload;
  const key = objectKeys.endpoint(metadata.uid);
  if (!offload || unconfirmed.has(port) || problems.has(key) || spec.adminState === 'DOWN') return undefined;
  const { inSoftware, inSoftwareTotal } = offload;
  const reason = inSoftware.get(key);
  if (reason !== undefined) return { state: 'SOFTWARE', reason };
  // A list that was cut does not tell what hardware has.
  return inSoftwareTotal > inSoftware.size
    ? undefined
    : { state: 'HARDWARE', reason: 'OffloadedByDataplane' };
}

export function sameOffload(one: ReportedOffload | undefined, other: ReportedOffload | undefined): boolean {
  if (!one || !other) return one === other;
  if (one.inSoftwareTotal !== other.inSoftwareTotal || one.inSoftware.size !== other.inSoftware.size)
    return false;
  return [...one.inSoftware].every(([key, reason]) => other.inSoftware.get(key) === reason);
}
