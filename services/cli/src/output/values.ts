import { NO_TENANT } from '@outboard/contracts';
import type { ResourceJson } from '@outboard/model';

/** What stands where there is nothing. */
export const ABSENT = '-';

/** A resource among those of several tenants: `acme/port/web-0`, `dpu/dpu-7`. The kind as on subjects. */
export const fullName = ({
  tenant,
  kind,
  name,
}: {
  readonly tenant: string;
  readonly kind: string;
  readonly name: string;
}): string => (tenant === NO_TENANT ? `${kind}/${name}` : `${tenant}/${kind}/${name}`);

/** The value at a path such as `status.addresses[0].ip`; undefined: there is none. */
export function valueAt(value: unknown, path: string): unknown {
  let current = value;
  for (const step of path.match(/[^.[\]]+/g) ?? []) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Readonly<Record<string, unknown>>)[step];
  }
  return current;
}

/** As one word or list of words: `web-0`, `10.0.1.5,fd00::5`. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null || value === '') return ABSENT;
  if (Array.isArray(value)) return value.length === 0 ? ABSENT : value.map(textOf).join(',');
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value).map(([key, entry]) => `${key}=${textOf(entry)}`);
  return entries.length === 0 ? ABSENT : entries.join(',');
}

/** A condition as it travels. */
export interface ConditionJson {
  readonly type?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export function conditionsOf(resource: unknown): readonly ConditionJson[] {
  const conditions = valueAt(resource, 'status.conditions');
  return Array.isArray(conditions) ? (conditions as readonly ConditionJson[]) : [];
}

export const conditionOf = (resource: unknown, type: string): ConditionJson | undefined =>
  conditionsOf(resource).find((condition) => condition.type === type);

/** When the resource was created, milliseconds since the epoch: its uid tells (UUID version 7, RFC 9562). */
export function creationTime(resource: ResourceJson): number | undefined {
  const [, high, low] =
    /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(textOf(valueAt(resource, 'metadata.uid'))) ?? [];
  return high === undefined || low === undefined ? undefined : Number.parseInt(high + low, 16);
}

/** A span of milliseconds in its largest unit: `45s`, `12m`, `5h`, `3d`. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
