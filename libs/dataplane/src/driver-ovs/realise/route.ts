import type { DriverObject } from '../../driver.js';
import { formatPrefix, type Prefix } from '../../realise/addresses.js';
import type { Action } from '../openflow/actions.js';
import type { FieldName, Match } from '../openflow/fields.js';
import { flowObject, nextHopOf } from './members.js';
import { groupKey, identity, type OvsSpec, shortIdentity, TABLE } from './ovs-objects.js';
import { IS } from './pipeline.js';

interface Hop {
  readonly gateway: string;
  readonly weight: number;
  readonly networkUid: string;
}

/**
 * A route: the longest prefix is the highest priority. One way is taken at once, of several a group selects one by the
 * hash of addresses and ports; none drops. The way itself, behind the group, belongs to the router.
 */
export function routeObjects(
  router: string,
  prefix: Prefix,
  hops: readonly Hop[],
): readonly DriverObject<OvsSpec>[] {
  const destination = formatPrefix(prefix);
  const field = prefix.bits === 32 ? 'ipv4_dst' : 'ipv6_dst';
  const value = prefix.length === prefix.bits ? prefix.address : destination;
  const match: Match = {
    metadata: router,
    ...(prefix.bits === 32 ? IS.ipv4 : IS.ipv6),
    ...(prefix.length === 0 ? {} : { [field]: value }),
  };
  const route = (actions: readonly Action[], after: readonly string[]): DriverObject<OvsSpec> =>
    flowObject(TABLE.ROUTES, 1 + prefix.length, match, actions, after);
  const ways = hops.map((hop) => hopObject(router, hop));
  const [only] = ways;
  if (only === undefined) return [route([], [])];
  const keys = ways.map(({ object }) => object.key);
  const objects = ways.map(({ object }) => object);
  if (ways.length === 1) return [...objects, route([only.take, { goto: TABLE.HOPS }], keys)];
  const id = shortIdentity('route', router, destination);
  const group: DriverObject<OvsSpec> = {
    key: groupKey(id),
    spec: {
      kind: 'group',
      id,
      type: 'select',
      ways: ways.map(({ take, weight }) => ({ weight, actions: [take, { resubmit: TABLE.HOPS }] })),
    },
    after: [],
  };
  return [...objects, group, route([{ group: id }], [group.key, ...keys])];
}

function hopObject(router: string, { gateway, weight, networkUid }: Hop) {
  const hop = identity('hop', networkUid, gateway);
  return {
    weight,
    take: { set: 'xreg0', to: hop } as const,
    object: flowObject(
      TABLE.HOPS,
      10,
      { metadata: router, xreg0: hop },
      [
        { set: 'metadata', to: identity('network', networkUid) },
        ...Object.entries(nextHopOf(gateway)).map(([name, to]) => ({ set: name as FieldName, to })),
        { goto: TABLE.NEIGHBOURS },
      ],
      [],
    ),
  };
}
