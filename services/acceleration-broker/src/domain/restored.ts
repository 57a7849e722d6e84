import type { DomainContext } from '@outboard/resource-service';
import { sessionObjectKey } from './objects.js';
import { type KeyRecord, nameKey } from './records.js';
import type { World } from './world.js';

/** More than can have been given away between a backup and the loss of what came after it. */
const SKIPPED_EPOCHS = 1_000;
const SKIPPED_PREFIXES = 2 ** 24;
const UINT32 = 2 ** 32;

/**
 * A store that was restored from a backup has forgotten what it gave away since: epochs of sessions, and prefixes of
 * nonces, of which none may be given twice. Nor does it know who has a session: it is served again when nobody can have
 * it. What a DPU has made it has the nonces of, wherever the store was.
 *
 * @param epoch of the store as it is now.
 */
export function adopt(world: World, epoch: string, { revision }: DomainContext): void {
  const [known] = world.all('Store');
  if (known?.epoch === epoch) return;
  world.put({ kind: 'Store', epoch });
  if (known === undefined) return;
  for (const session of [...world.all('AccelerationSession')]) {
    const { metadata, status } = session.resource;
    world.dirtySessions.add(nameKey(metadata.tenant, metadata.name));
    if (status.epoch === 0) continue;
    const moved = { ...status, epoch: status.epoch + SKIPPED_EPOCHS };
    if (status.dpu) world.setObject(status.dpu, sessionObjectKey(metadata.uid), undefined, revision);
    const leaving = { dpu: undefined, sequence: revision };
    world.put({ ...session, leaving, resource: { ...session.resource, status: moved } });
  }
  for (const key of [...world.all('AccelerationKey')]) {
    const { metadata } = key.resource;
    world.dirtyKeys.add(nameKey(metadata.tenant, metadata.name));
    const nextNoncePrefix = (key.nextNoncePrefix + SKIPPED_PREFIXES) % UINT32;
    world.put({ ...key, places: generatedPlaces(key), nextNoncePrefix });
  }
}

const generatedPlaces = ({ resource, places }: KeyRecord): KeyRecord['places'] =>
  places.filter(({ version }) =>
    resource.spec.versions.some((each) => each.version === version && each.generatedOn !== undefined),
  );
