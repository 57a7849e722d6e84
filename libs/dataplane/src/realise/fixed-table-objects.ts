import type { DriverObject } from '../driver.js';
import { FIXED_TABLES, type FixedTableName } from './fixed-tables.js';
import { guardKey, namespaceKey } from './linux-keys.js';
import type { GuardSpec } from './linux-objects.js';

/** A fixed table of a router. */
export function fixedTable(namespace: string, table: FixedTableName): DriverObject<GuardSpec> {
  const { revision, rules } = FIXED_TABLES[table];
  const home = namespaceKey(namespace);
  const spec = { kind: 'guard', namespace, table, revision, rules } as const;
  return { key: guardKey(namespace, table), spec, after: [home], within: home };
}

/** The DPU's, for what leaves by that device with that address. */
export function uplinkTable(device: string, address: string): DriverObject<GuardSpec> {
  const { revision, rules } = FIXED_TABLES.uplink;
  const spec = { kind: 'guard', namespace: '', table: 'uplink', revision, rules } as const;
  return { key: guardKey('', 'uplink'), spec: { ...spec, way: `${device} ${address}` }, after: [] };
}
