import { equal } from '@outboard/core';
import {
  type AcceleratorEngine,
  type Dpu,
  isAdmitted,
  isConnected,
  isSchedulable,
  type Name,
  type Port,
  podOf,
  SYSTEM_TENANT,
  type TenantName,
} from '@outboard/model';
import type { ProjectedChange } from '@outboard/resource-service';
import { type DpuRecord, nameKey, type PortRecord, type StoredRecord } from './records.js';
import type { World } from './world.js';

/** Takes over what admin and network-intent tell. What it means for sessions and keys is settled afterwards. */
export function project(world: World, changes: readonly ProjectedChange[]): void {
  for (const { kind, tenant, name, resource } of changes) {
    if (kind === 'Dpu') projectDpu(world, name as Name, resource?.kind === 'Dpu' ? resource : undefined);
    if (kind === 'Port') {
      projectPort(
        world,
        tenant as TenantName,
        name as Name,
        resource?.kind === 'Port' ? resource : undefined,
      );
    }
  }
}

function projectDpu(world: World, name: Name, dpu: Dpu | undefined): void {
  const before = world.get('Dpu', SYSTEM_TENANT, name);
  const after = dpu && isAdmitted(dpu) ? dpuRecordOf(dpu) : undefined;
  if (!replace(world, before, after)) return;
  const { dirtySessions, indexes } = world;
  if (after === undefined) world.stalled.delete(name);
  for (const session of indexes.sessionsByDpu.of(name)) dirtySessions.add(session);
  for (const session of indexes.unsatisfied) dirtySessions.add(session);
  // To whom it is near is another matter now.
  if (before === undefined || after === undefined || before.host !== after.host) {
    for (const port of world.all('Port')) {
      if (port.dpu !== name) continue;
      for (const session of indexes.sessionsByPort.of(nameKey(port.tenant, port.name)))
        dirtySessions.add(session);
    }
  }
  if (before?.accelerator?.sealingPublicKey !== after?.accelerator?.sealingPublicKey) {
    for (const { resource } of world.all('AccelerationKey')) {
      world.dirtyKeys.add(nameKey(resource.metadata.tenant, resource.metadata.name));
    }
  }
}

function projectPort(world: World, tenant: TenantName, name: Name, port: Port | undefined): void {
  const after: PortRecord | undefined = port && {
    kind: 'Port',
    tenant,
    name,
    uid: port.metadata.uid,
    dpu: port.status.dpu,
    pod: podOf(port.metadata.labels),
  };
  const before = world.get('Port', tenant, name);
  if (!replace(world, before, after)) return;
  const { dirtySessions, indexes } = world;
  for (const session of indexes.sessionsByPort.of(nameKey(tenant, name))) dirtySessions.add(session);
  for (const pod of new Set([before?.pod, after?.pod])) {
    if (pod === undefined) continue;
    for (const session of indexes.sessionsByPod.of(nameKey(tenant, pod))) dirtySessions.add(session);
  }
}

function replace(world: World, before: StoredRecord | undefined, after: StoredRecord | undefined): boolean {
  if (equal(before, after)) return false;
  if (after) world.put(after);
  else if (before) world.remove(before);
  return true;
}

const dpuRecordOf = (dpu: Dpu): DpuRecord => {
  const { metadata, spec, status } = dpu;
  const { accelerator } = status;
  return {
    kind: 'Dpu',
    name: metadata.name,
    host: spec.host,
    isReachable: isConnected(dpu),
    isDrained: !isSchedulable(dpu),
    accelerator: accelerator && {
      sealingPublicKey: accelerator.sealingPublicKey,
      socketDirectory: accelerator.socketDirectory,
      engines: accelerator.engines.map((engine): AcceleratorEngine => ({ ...engine })),
    },
  };
};
