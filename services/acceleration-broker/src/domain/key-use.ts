import type { JobProgram, JobStep, KeyVersion, Name, TenantName } from '@outboard/model';
import type { DpuRecord, KeyRecord } from './records.js';
import type { World } from './world.js';

/** The keys that a session's programs name, as far as they are there and may be used. */
export interface KeysOfSession {
  /** By name. */
  readonly found: ReadonlyMap<Name, KeyRecord>;
  /** Why others are not, one sentence each. */
  readonly problems: readonly string[];
}

export function keysOf(
  world: World,
  session: { readonly tenant: TenantName; readonly name: Name },
  programs: readonly JobProgram[],
): KeysOfSession {
  const found = new Map<Name, KeyRecord>();
  const problems = new Map<Name, string>();
  for (const step of programs.flatMap(({ steps }) => steps)) {
    if (step.key === undefined || problems.has(step.key)) continue;
    const record = world.get('AccelerationKey', session.tenant, step.key);
    const problem = record ? unfit(record, step, session.name) : `there is no key ${step.key}`;
    if (problem !== undefined) problems.set(step.key, problem);
    else if (record) found.set(step.key, record);
  }
  for (const name of problems.keys()) found.delete(name);
  return { found, problems: [...problems.values()] };
}

function unfit(
  { resource: { spec } }: KeyRecord,
  { key, algorithm }: JobStep,
  session: Name,
): string | undefined {
  if (spec.algorithm !== algorithm) return `key ${key} is for ${spec.algorithm}, not ${algorithm}`;
  if (spec.session !== undefined && spec.session !== session)
    return `key ${key} is session ${spec.session}'s`;
  return spec.versions.length === 0 ? `key ${key} has no version yet` : undefined;
}

/** Whether the DPU made the version, and has lost it with its disk since. */
export const isLost = (
  { places }: KeyRecord,
  { version, generatedOn }: KeyVersion,
  dpu: DpuRecord,
): boolean =>
  generatedOn === dpu.name &&
  places.some(
    (place) =>
      place.version === version &&
      place.dpu === dpu.name &&
      place.sealingPublicKey !== dpu.accelerator?.sealingPublicKey,
  );

/** Whether the DPU can have the version. */
export function canOpen(key: KeyRecord, version: KeyVersion, dpu: DpuRecord): boolean {
  if (dpu.accelerator === undefined) return false;
  if (version.generatedOn !== undefined)
    return version.generatedOn === dpu.name && !isLost(key, version, dpu);
  const { sealingPublicKey } = dpu.accelerator;
  return version.sealed.some((each) => each.sealingPublicKey === sealingPublicKey);
}

/** Whether a session that names the key can be on the DPU: the version that is ACTIVE, or any where none is. */
export function isUsableOn(key: KeyRecord, dpu: DpuRecord): boolean {
  const { versions } = key.resource.spec;
  const active = versions.filter(({ state }) => state === 'ACTIVE');
  return (active.length > 0 ? active : versions).some((version) => canOpen(key, version, dpu));
}
