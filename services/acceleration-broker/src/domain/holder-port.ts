import type { AccelerationSession } from '@outboard/model';
import { type BoundPort, nameKey, type PortRecord, type SessionRecord } from './records.js';
import type { World } from './world.js';

/**
 * For so long after a session was bound another port may turn up that was there before: what was known of the name may
 * have been of one that was gone. States take less.
 */
const PORT_GRACE_MILLISECONDS = 2_000;

/** What has become of the port that a session is for. */
export interface HolderPort {
  /** Undefined: it is for none, or that has not come yet. */
  readonly bound: BoundPort | undefined;
  /** Why it has lost the one that it is bound to; undefined: it has not. */
  readonly lost: string | undefined;
}

/**
 * A session is bound to the first port that it finds: by the name that its holder tells, else one of its holder's pod. When
 * that is deleted the session is nobody's, whoever has the name afterwards: another holder must not inherit keys. A port
 * that was there before the session was bound is the one that was meant, though the broker heard of it later.
 */
export function holderPort(world: World, { resource, bound }: SessionRecord, now: number): HolderPort {
  const candidates = portsOf(world, resource);
  if (bound === undefined) {
    const [{ name, uid } = { name: '', uid: undefined }] = candidates;
    return { bound: uid === undefined ? undefined : { name, uid, at: now }, lost: undefined };
  }
  // One without a uid was stored before uids were: who it is comes with the next listing.
  const isSame = candidates.some(({ uid }) => uid === undefined || uid === bound.uid);
  if (isSame) return { bound, lost: undefined };
  const meant = candidates.find(({ uid = '' }) => createdAt(uid) <= bound.at);
  if (meant) return { bound: { ...bound, name: meant.name, uid: meant.uid ?? '' }, lost: undefined };
  const isWaiting = candidates.length === 0 && now < bound.at + PORT_GRACE_MILLISECONDS;
  if (isWaiting) return { bound, lost: undefined };
  const again = candidates.length === 0 ? '' : ', and made anew since';
  return { bound, lost: `port ${bound.name} was deleted${again}` };
}

/** Milliseconds since the epoch, as a uid tells it (RFC 9562, version 7). */
export const createdAt = (uid: string): number => Number.parseInt(uid.replace('-', '').slice(0, 12), 16);

/** The ports that a session may be for, in a fixed order. */
function portsOf(world: World, { metadata, spec }: AccelerationSession): readonly PortRecord[] {
  const { port, pod } = spec.holder;
  if (port === undefined && pod === undefined) return [];
  const keys =
    port === undefined
      ? [...world.indexes.portsByPod.of(nameKey(metadata.tenant, pod ?? ''))].sort()
      : [nameKey(metadata.tenant, port)];
  return keys.flatMap((key) => world.at('Port', key) ?? []);
}
