import type { Chain, ChainHop, Endpoint } from '@outboard/contracts';
import { objectKeys } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { HopIsUp, Resolve } from '../driver.js';
import { hopKey } from '../hop-health.js';
import { type Prefix, parsePrefix } from './addresses.js';
import { type HopDirection, hopCounterName } from './hop-counters.js';
import { deviceOf } from './names.js';

/** What a port's traffic is steered by has to be looked through for each packet: this many prefixes of each sort at most. */
const MAX_CHAIN_PREFIXES = 64;
const MAX_CHAIN_HOPS = 8;

/** A hop that works, by the devices of its ports. */
export interface WorkingHop {
  readonly name: string;
  readonly ingress: string;
  readonly egress: string;
}

/** How a port's traffic goes through a chain, as its hops are now. */
export interface Steering {
  readonly chainUid: string;
  readonly destinations: readonly Prefix[];
  readonly exceptions: readonly Prefix[];
  /** In the order in which the port's own packets meet them; none: they meet nobody. */
  readonly hops: readonly WorkingHop[];
  /** What does not go through all hops of the chain goes nowhere. */
  readonly closed: boolean;
}

/** The chains of an endpoint, or the first of them that is in no document. `references`: what they depend on. */
export type Steerings = { readonly references: readonly string[] } & (
  | { readonly kind: 'known'; readonly steerings: readonly Steering[] }
  | { readonly kind: 'missing'; readonly key: string }
);

const ALL_UP: HopIsUp = () => true;

/** Throws AppError INVALID_ARGUMENT for a chain that breaks a rule. */
export function steeringsOf(endpoint: Endpoint, resolve: Resolve, isUp: HopIsUp = ALL_UP): Steerings {
  const { serviceChains } = endpoint;
  const steerings: Steering[] = [];
  const references: string[] = [...serviceChains];
  for (const key of serviceChains) {
    const object = resolve(key)?.object;
    if (object?.case !== 'serviceChain') return { kind: 'missing', key, references };
    const chain = object.value;
    for (const uid of chain.hops.flatMap(portsOf)) references.push(objectKeys.endpoint(uid), hopKey(uid));
    steerings.push(steeringOf(chain, key, resolve, isUp));
  }
  return { kind: 'known', steerings, references };
}

const portsOf = ({ ingressPortUid, egressPortUid }: ChainHop): string[] =>
  ingressPortUid === egressPortUid ? [ingressPortUid] : [ingressPortUid, egressPortUid];

function steeringOf(chain: Chain, key: string, resolve: Resolve, isUp: HopIsUp): Steering {
  const { chainUid, failOpen } = chain;
  const problems = new Problems();
  const destinations = prefixes(`${key}: destinations`, chain.destinations, problems);
  const exceptions = prefixes(`${key}: exceptions`, chain.exceptions, problems);
  if (chain.hops.length < 1 || chain.hops.length > MAX_CHAIN_HOPS)
    problems.add(`${key}: hops`, `must be 1-${MAX_CHAIN_HOPS}`);
  if (problems.total > 0) throw problems.toError();
  const hops = chain.hops.flatMap((hop) => workingHop(hop, resolve, isUp) ?? []);
  const isWhole = hops.length === chain.hops.length;
  return {
    chainUid,
    destinations,
    exceptions,
    hops: isWhole || failOpen ? hops : [],
    closed: !failOpen,
  };
}

function workingHop(hop: ChainHop, resolve: Resolve, isUp: HopIsUp): WorkingHop | undefined {
  const portOf = (uid: string): string | undefined => {
    const object = resolve(objectKeys.endpoint(uid))?.object;
    return object?.case === 'endpoint' && object.value.adminUp && isUp(uid)
      ? deviceOf(object.value)
      : undefined;
  };
  const ingress = portOf(hop.ingressPortUid);
  const egress = portOf(hop.egressPortUid);
  return ingress === undefined || egress === undefined ? undefined : { name: hop.name, ingress, egress };
}

function prefixes(field: string, texts: readonly string[], problems: Problems): Prefix[] {
  if (texts.length > MAX_CHAIN_PREFIXES) problems.add(field, `must be at most ${MAX_CHAIN_PREFIXES}`);
  return texts.flatMap((text, index) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) problems.add(`${field}[${index}]`, 'must be an IP prefix');
    return prefix ?? [];
  });
}

/** Where packets of one direction go from a device: to the next hop, or out of the chain. */
export interface Leg {
  readonly direction: HopDirection;
  /** The representor by which they come in; undefined: they come from the port, or for it from the network. */
  readonly from: string | undefined;
  /** The representor of the hop that they go to; undefined: they leave the chain. */
  readonly to: string | undefined;
  /** Under which name they count. */
  readonly counter: string;
}

/** Both ways through a chain; of each the last leg first, so that who makes them in this order makes none that leads nowhere. */
export function legsOf({ chainUid, hops }: Steering): readonly Leg[] {
  const way = (
    direction: HopDirection,
    met: readonly (readonly [name: string, into: string, out: string])[],
  ) =>
    [...met, undefined]
      .map((hop, index): Leg => {
        const [name = '', to] = hop ?? [];
        const [previous = '', , from] = met[index - 1] ?? [];
        return { direction, from, to, counter: hopCounterName(chainUid, direction, previous, name) };
      })
      .reverse();
  if (hops.length === 0) return [];
  return [
    ...way(
      'forward',
      hops.map(({ name, ingress, egress }) => [name, ingress, egress]),
    ),
    ...way(
      'reverse',
      [...hops].reverse().map(({ name, ingress, egress }) => [name, egress, ingress]),
    ),
  ];
}

/** The capability that an endpoint with chains needs. */
export const STEERING = 'service-chains';

/** Why a port's traffic cannot go through its chains; undefined: it can, or it has none. */
export function steeringObstacle(
  { serviceChains }: Pick<Endpoint, 'serviceChains'>,
  lacks: ReadonlyMap<string, string>,
): string | undefined {
  const lacking = serviceChains.length > 0 ? lacks.get(STEERING) : undefined;
  return lacking === undefined
    ? undefined
    : `traffic cannot be steered through service chains here: ${lacking}`;
}
