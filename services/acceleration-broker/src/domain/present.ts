import type { AnyResource } from '@outboard/model';
import { nameKey, type StoredRecord } from './records.js';
import type { World } from './world.js';

/** A resource with what is counted when it is read; undefined: the record is none. */
export function present(world: World, record: StoredRecord): AnyResource | undefined {
  switch (record.kind) {
    case 'AccelerationSession':
      return record.resource;
    case 'AccelerationProfile': {
      const { metadata, status } = record.resource;
      const users = world.indexes.sessionsByProfile.of(nameKey(metadata.tenant, metadata.name));
      return { ...record.resource, status: { ...status, sessions: users.size } };
    }
    case 'AccelerationKey': {
      const { metadata, status } = record.resource;
      const users = world.indexes.sessionsByKey.of(nameKey(metadata.tenant, metadata.name));
      return { ...record.resource, status: { ...status, sessions: users.size } };
    }
    case 'AccelerationQuota': {
      const { metadata, status } = record.resource;
      return { ...record.resource, status: { ...status, ...world.indexes.usage(metadata.name) } };
    }
    default:
      return undefined;
  }
}
