import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import { DEFAULT_ROUTER } from '../network/parse.js';
import type { NetlinkObject, NetlinkObjectSpec } from './spec.js';

export const routerOf = ({ object }: NetlinkObjectSpec): string | undefined =>
  object.kind === 'route' ? object.router : undefined;

export const networkOf = ({ object }: NetlinkObjectSpec): string | undefined =>
  object.kind === 'route' ? undefined : object.network;

/** A port may come and go, as those who make and delete ports know nothing of forwarding entries. */
export function netlinkObjectReferences({ object }: NetlinkObjectSpec): Reference[] {
  if (object.kind !== 'route') return [{ field: 'spec.network', kind: 'Network', name: object.network }];
  // Every tenant has its default router.
  return object.router === DEFAULT_ROUTER
    ? []
    : [{ field: 'spec.router', kind: 'Router', name: object.router }];
}

export const netlinkObjectIndexes = ({ metadata }: NetlinkObject): IndexEntry[] => [
  { index: 'netlinkobject.uid', value: metadata.uid, unique: true },
];

export const NETLINK_OBJECT_SELECTABLE: readonly Accessor<NetlinkObject>[] = [
  { field: 'spec.router', read: ({ spec }) => routerOf(spec) },
  { field: 'spec.network', read: ({ spec }) => networkOf(spec) },
  {
    field: 'spec.port',
    read: ({ spec: { object } }) => (object.kind === 'fdb' ? object.port : undefined),
  },
];
