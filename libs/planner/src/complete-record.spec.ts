import { expect, it } from '@jest/globals';
import { identityOf, Lab } from '../test/lab.js';
import { completeRecord, type StoredRecord } from './index.js';

/** The fields that they had when there was nothing else. */
const FIRST = {
  Subnet: ['network', 'cidr', 'gateway', 'allocationRanges'],
  Router: ['routes', 'externalGateway'],
  externalGateway: ['sourceNat'],
} as const;

const only = <Value extends object>(value: Value, fields: readonly string[]): Value =>
  Object.fromEntries(Object.entries(value).filter(([field]) => fields.includes(field))) as Value;

/** A row as the first version would have stored it. */
function asFirstStored(record: StoredRecord): StoredRecord {
  if (record.kind === 'NetlinkObject') {
    const { spec } = record.resource;
    const object = only(spec.object, ['kind', 'router', 'dst', 'nextHops']);
    return { ...record, resource: { ...record.resource, spec: { ...spec, object } } };
  }
  if (record.kind !== 'Subnet' && record.kind !== 'Router') return record;
  const { resource } = record;
  const { externalGateway, ...spec } = only(
    { externalGateway: undefined, ...resource.spec },
    FIRST[record.kind],
  );
  const gateway = externalGateway && { externalGateway: only(externalGateway, FIRST.externalGateway) };
  return { ...record, resource: { ...resource, spec: { ...spec, ...gateway } } } as unknown as StoredRecord;
}

it('what an earlier version has stored is what it would be now, with nothing asked for that it did not know', () => {
  const lab = new Lab();
  lab.fleet(['dpu-1'], 1);
  lab.apply('Router', 'default', { externalGateway: { sourceNat: 'DPU_ADDRESS' } });
  lab.apply('Network', 'blue', {});
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/24' });
  lab.apply('NetlinkObject', 'nowhere', { route: { dst: '172.20.0.0/16', rtmType: 'unreachable' } });
  lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
  const rows = [...lab.rows.values()];
  const stored = rows.map(asFirstStored);
  expect(stored).not.toEqual(rows);
  expect(stored.map(completeRecord)).toEqual(rows);
});
