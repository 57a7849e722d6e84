import { AppError } from '@outboard/core';
import type { DriverObject } from '../../driver.js';
import { formatPrefix, type Prefix, parsePrefix } from '../../realise/addresses.js';
import type { HopDirection } from '../../realise/hop-counters.js';
import type { ParsedEndpoint } from '../../realise/realise-endpoint.js';
import { type Leg, legsOf, type Steering } from '../../realise/service-chain.js';
import type { Action } from '../openflow/actions.js';
import type { Match } from '../openflow/fields.js';
import { flowObject } from './members.js';
import { identity, type OvsSpec, PIPELINE_KEY, portKey, STEERING_PRIORITY, TABLE } from './ovs-objects.js';
import { IS } from './pipeline.js';
import { counterObject } from './policy.js';

type Object = DriverObject<OvsSpec>;

/** A place in the pipeline where a port's packets are, and what becomes of them there without a chain. */
interface Station {
  readonly table: number;
  readonly priorities: { readonly steering: number; readonly closure: number; readonly exception: number };
  readonly match: Match;
  /** Before they are steered. */
  readonly first: readonly Action[];
  readonly plain: readonly Action[];
}

/** Where a port's packets enter its chains and leave them. */
export interface SteeredPort {
  readonly endpoint: ParsedEndpoint;
  /** What the gate does with what comes in. */
  readonly admit: readonly Action[];
  /** The flow behind which the port gets what is for it, without the actions; and these. */
  readonly delivery: { readonly table: number; readonly match: Match; readonly actions: readonly Action[] };
  /** Of `delivery`: what is done with a packet that leaves the chain for the port. */
  readonly handOver: readonly Action[];
  /** What these actions need. */
  readonly after: readonly string[];
}

const UNTAGGED_UNICAST: Match = {
  vlan_vid: 0,
  eth_dst: '00:00:00:00:00:00/01:00:00:00:00:00',
};
/** Of one chain of a port. */
const MAX_FLOWS = 4096;
/** Neighbour discovery (RFC 4861) that is sent to one neighbour. */
const DISCOVERY = [133, 134, 135, 136, 137] as const;

/**
 * The flows by which a port's packets go through its chains: before its gate, behind its delivery, and from hop to hop.
 * `closures` drop what should have gone into a chain and did not.
 */
export function steeringObjects(port: SteeredPort): {
  readonly objects: readonly Object[];
  readonly closures: readonly string[];
} {
  const { endpoint, admit, delivery } = port;
  if (endpoint.steerings.length === 0) return { objects: [], closures: [] };
  const stations: Readonly<Record<HopDirection, Station>> = {
    forward: {
      table: TABLE.INGRESS,
      priorities: STEERING_PRIORITY.entry,
      match: { in_port: endpoint.representor },
      first: [],
      plain: admit,
    },
    reverse: {
      table: delivery.table,
      priorities: STEERING_PRIORITY.delivery,
      match: delivery.match,
      first: [{ resubmit: TABLE.COMMIT }],
      plain: delivery.actions,
    },
  };
  const chains = endpoint.steerings.map((steering) => chainObjects(port, steering, stations));
  const closures = chains.flatMap((chain) => chain.closures);
  const all = [...chains.flatMap(({ legs }) => legs), ...closures];
  return {
    objects: [...new Map(all.map((object) => [object.key, object])).values()],
    closures: closures.map(({ key }) => key),
  };
}

function chainObjects(
  port: SteeredPort,
  steering: Steering,
  stations: Readonly<Record<HopDirection, Station>>,
): { legs: Object[]; closures: Object[] } {
  const { addresses, pairs } = port.endpoint;
  const own = [
    ...addresses.flatMap((address) => parsePrefix(address) ?? []),
    ...pairs.map(({ source }) => source),
  ];
  const pairsOfAddresses = own.flatMap((near) =>
    steering.destinations.flatMap((far) => (near.bits === far.bits ? [{ near, far }] : [])),
  );
  const legsOfChain = legsOf(steering);
  if (legsOfChain.length * pairsOfAddresses.length > MAX_FLOWS) {
    const description = `must be at most ${MAX_FLOWS} flows, not ${legsOfChain.length * pairsOfAddresses.length}`;
    throw AppError.invalid([{ field: 'serviceChains', description }]);
  }
  const next = new Map<HopDirection, readonly string[]>();
  const legs = legsOfChain.flatMap((leg) => {
    const { objects, flows } = legObjects(
      port,
      leg,
      stations[leg.direction],
      pairsOfAddresses,
      next.get(leg.direction),
    );
    next.set(leg.direction, flows);
    return objects;
  });
  const closures: Object[] = [];
  for (const direction of ['forward', 'reverse'] as const) {
    const { table, priorities, match, plain } = stations[direction];
    if (steering.closed)
      for (const far of steering.destinations)
        closures.push(
          flowObject(
            table,
            priorities.closure,
            { ...match, ...UNTAGGED_UNICAST, ...towards(direction, far) },
            [],
            [PIPELINE_KEY, ...port.after],
          ),
        );
    const spared: readonly Match[] = [
      ...steering.exceptions.map((far) => ({ ...UNTAGGED_UNICAST, ...towards(direction, far) })),
      ...(steering.destinations.some(({ bits }) => bits === 128) ? DISCOVERY : []).map((type) => ({
        ...UNTAGGED_UNICAST,
        ...IS.icmpv6(type),
      })),
    ];
    for (const what of spared)
      legs.push(flowObject(table, priorities.exception, { ...match, ...what }, plain, port.after));
  }
  return { legs, closures };
}

function legObjects(
  port: SteeredPort,
  { direction, from, to, counter }: Leg,
  station: Station,
  addresses: readonly { readonly near: Prefix; readonly far: Prefix }[],
  next: readonly string[] = [],
): { objects: Object[]; flows: string[] } {
  const number = identity('hop', counter);
  const count: readonly Action[] = [{ set: 'xreg1', to: number }, { resubmit: TABLE.VERDICTS }];
  const { table, priority, match } =
    from === undefined
      ? { table: station.table, priority: station.priorities.steering, match: station.match }
      : { table: TABLE.INGRESS, priority: STEERING_PRIORITY.hop, match: { in_port: from } };
  const first = from === undefined ? station.first : [];
  const after = [
    PIPELINE_KEY,
    ...(from === undefined ? port.after : [portKey(from), ...port.after]),
    ...(to === undefined ? [] : [portKey(to)]),
    ...next,
  ];
  const flows = addresses.map(({ near, far }) =>
    flowObject(
      table,
      priority,
      { ...match, ...UNTAGGED_UNICAST, ...between(direction, near, far) },
      [...first, ...count, ...(to === undefined ? leave(port, direction) : [{ output: to }])],
      after,
    ),
  );
  return { objects: [counterObject(number, counter), ...flows], flows: flows.map(({ key }) => key) };
}

/** Out of the chain: into the network as if the port itself had sent it, or to the port. */
function leave({ endpoint, admit, handOver }: SteeredPort, direction: HopDirection): readonly Action[] {
  if (direction === 'reverse') return handOver;
  return [{ set: 'nxm_in_port', to: endpoint.representor }, ...admit];
}

const FIELDS = {
  32: { source: 'ipv4_src', destination: 'ipv4_dst' },
  128: { source: 'ipv6_src', destination: 'ipv6_dst' },
} as const;

const typeOf = ({ bits }: Prefix): Match => (bits === 32 ? IS.ipv4 : IS.ipv6);

function is(field: 'source' | 'destination', prefix: Prefix): Match {
  // A field whose mask is empty is not matched at all.
  if (prefix.length === 0) return {};
  const text = prefix.length === prefix.bits ? prefix.address : formatPrefix(prefix);
  return { [FIELDS[prefix.bits][field]]: text };
}

const towards = (direction: HopDirection, far: Prefix): Match => ({
  ...typeOf(far),
  ...is(direction === 'forward' ? 'destination' : 'source', far),
});

const between = (direction: HopDirection, near: Prefix, far: Prefix): Match => ({
  ...towards(direction, far),
  ...is(direction === 'forward' ? 'source' : 'destination', near),
});
