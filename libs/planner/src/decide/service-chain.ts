import { type AppError, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  type Intent,
  type ServiceChain,
  type ServiceChainSpec,
  updateConditions,
} from '@outboard/model';
import { describe, firstUsers, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { ChainEntry, PortEntry } from '../entries.js';
import { keyOf } from '../records.js';
import { destinationOf, destinationsOverlap, isDestination } from '../service-chains/destination.js';
import type { Labelled } from '../service-chains/service-chains.js';
import { nameKey, type World } from '../world.js';

type ChainIntent = Intent<'ServiceChain', ServiceChainSpec>;

/** What DPUs go through for each packet: subnets of a network, or of a router that has a way out. */
const MAX_PREFIXES = 64;
/** What a tenant may have: each port that comes is compared with those that select it. */
const MAX_CHAINS_OF_TENANT = 256;

export function applyServiceChain(
  draft: Draft,
  intent: ChainIntent,
  existing: ChainEntry | undefined,
): Result<void, AppError> {
  const { world } = draft;
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  checkDestination(world, intent, refusal);
  checkHops(world, intent, existing, refusal);
  checkSteeredPorts(world, intent, existing, refusal);
  if (!existing) checkNumber(world, intent, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());
  const metadata = nextMetadata(intent, before, draft.context);
  const { generation } = metadata;
  const conditions = updateConditions(
    'ServiceChain',
    before?.status.conditions ?? [],
    [{ type: 'Accepted', reason: 'Valid', message: '' }],
    generation,
    draft.context.now,
  );
  const status = { observedGeneration: generation, ports: 0, dpus: 0, propagated: undefined, conditions };
  const resource: ServiceChain = { kind: 'ServiceChain', metadata, spec: intent.spec, status };
  draft.put({ kind: 'ServiceChain', resource });
  return ok(undefined);
}

export function deleteServiceChain(draft: Draft, { record }: ChainEntry): Result<void, AppError> {
  draft.remove(keyOf(record));
  return ok(undefined);
}

function checkNumber(world: World, { metadata }: ChainIntent, refusal: Refusal): void {
  if (world.serviceChains.ofTenant(metadata.tenant).size < MAX_CHAINS_OF_TENANT) return;
  const description = `tenant ${metadata.tenant} has ${MAX_CHAINS_OF_TENANT} service chains, which is the most`;
  refusal.add('spec', description, 'RESOURCE_EXHAUSTED', 'TOO_MANY_CHAINS');
}

function checkDestination(world: World, { metadata, spec }: ChainIntent, refusal: Refusal): void {
  const { destination } = spec;
  if (destination.kind !== 'network' || world.networks.has(nameKey(metadata.tenant, destination.network)))
    return;
  const field = 'spec.destination.network';
  refusal.add(field, `network ${destination.network} does not exist`, 'NOT_FOUND', 'NETWORK_NOT_FOUND');
}

/** Which part a port has in the hops of a chain; undefined: none. */
function partOf({ hops }: ServiceChainSpec, port: string): 'ingress' | 'egress' | 'both' | undefined {
  const hop = hops.find(({ ingressPort, egressPort }) => ingressPort === port || egressPort === port);
  if (!hop) return undefined;
  if (hop.ingressPort === hop.egressPort) return 'both';
  return hop.ingressPort === port ? 'ingress' : 'egress';
}

function checkHops(
  world: World,
  { metadata, spec }: ChainIntent,
  existing: ChainEntry | undefined,
  refusal: Refusal,
): void {
  const { tenant } = metadata;
  const homes = new Map<string, string>();
  for (const [index, { ingressPort, egressPort }] of spec.hops.entries()) {
    const ports: ['ingressPort' | 'egressPort', typeof ingressPort][] = [['ingressPort', ingressPort]];
    if (egressPort !== ingressPort) ports.push(['egressPort', egressPort]);
    for (const [which, name] of ports) {
      const field = `spec.hops[${index}].${which}`;
      const port = world.ports.get(nameKey(tenant, name));
      if (!port) {
        refusal.add(field, `port ${name} does not exist`, 'NOT_FOUND', 'PORT_NOT_FOUND');
        continue;
      }
      const home = port.placement?.dpu.record.name;
      if (home !== undefined) homes.set(home, name);
      const part = partOf(spec, name);
      for (const user of world.serviceChains.usersOf(tenant, name)) {
        const other = user === existing ? undefined : partOf(user.record.resource.spec, name);
        if (other === undefined || (other === part && part !== 'both')) continue;
        const chain = describe(user.record.resource);
        const description = `port ${name} is the ${other === 'both' ? 'only port' : `${other} port`} of a hop of ${chain}, and can be nothing else`;
        refusal.add(field, description, 'FAILED_PRECONDITION', 'HOP_PORT_TAKEN', { chain });
      }
      const naming = [...world.serviceChains.naming(tenant, name)].find((chain) => chain !== existing);
      if (!naming) continue;
      const chain = describe(naming.record.resource);
      refusal.add(field, `port ${name} is steered by ${chain}`, 'FAILED_PRECONDITION', 'HOP_PORT_STEERED', {
        chain,
      });
    }
  }
  if (homes.size < 2) return;
  const dpus = [...homes.keys()].sort().join(', ');
  const description = `must have all their ports on one DPU, not on ${dpus}`;
  refusal.add('spec.hops', description, 'FAILED_PRECONDITION', 'HOPS_ON_DIFFERENT_DPUS', { dpus });
}

function checkSteeredPorts(
  world: World,
  intent: ChainIntent,
  existing: ChainEntry | undefined,
  refusal: Refusal,
): void {
  const { metadata, spec } = intent;
  const { tenant } = metadata;
  for (const [index, name] of spec.ports.entries()) {
    const [user] = [...world.serviceChains.usersOf(tenant, name)].filter((chain) => chain !== existing);
    if (!user) continue;
    const chain = describe(user.record.resource);
    const description = `port ${name} is a hop's in ${chain}, and is steered by no chain`;
    refusal.add(`spec.ports[${index}]`, description, 'FAILED_PRECONDITION', 'HOP_PORT_STEERED', { chain });
  }
  const own = new Set<string>(spec.hops.flatMap(({ ingressPort, egressPort }) => [ingressPort, egressPort]));
  const steered = [...world.serviceChains.candidates({ metadata, spec })].filter(
    ({ record }) => !own.has(record.resource.metadata.name),
  );
  for (const port of steered) {
    const problem = overlapOf(world, intent, existing, port);
    if (!problem) continue;
    refusal.add('spec.destination', problem.description, 'FAILED_PRECONDITION', problem.reason, {
      port: describe(port.record.resource),
    });
    return;
  }
}

/** Why a port cannot go through a chain besides the others that it goes through. */
function overlapOf(
  world: World,
  { metadata, spec }: ChainIntent,
  existing: ChainEntry | undefined,
  port: PortEntry,
): { readonly description: string; readonly reason: string } | undefined {
  const { router } = port.network;
  const networkOf = (name: string) => world.networks.get(nameKey(metadata.tenant, name));
  const destination = destinationOf({ spec }, router, networkOf);
  const most = Math.max(destination.prefixes.length, destination.exceptions.length);
  if (most > MAX_PREFIXES)
    return {
      description: `is ${most} prefixes in router ${router.name}, more than ${MAX_PREFIXES}`,
      reason: 'TOO_MANY_PREFIXES',
    };
  const name = describe(port.record.resource);
  const other = world.serviceChains
    .selecting(port.record.resource)
    .find(
      (chain) =>
        chain !== existing &&
        destinationsOverlap(world.serviceChains.destinationOf(chain, router), destination),
    );
  if (other)
    return {
      description: `overlaps that of ${describe(other.record.resource)}, which ${name} goes through as well`,
      reason: 'CHAIN_OVERLAP',
    };
  if (!isOwnDestination(spec, destination, port.record.resource.status.addresses)) return undefined;
  return {
    description: `has an address of ${name}: then each hop needs an egressPort of its own`,
    reason: 'HOP_NEEDS_TWO_PORTS',
  };
}

/** Whether packets between two steered ports would come out of a hop by the port that tells nobody which way they go. */
const isOwnDestination = (
  { hops }: ServiceChainSpec,
  destination: ReturnType<typeof destinationOf>,
  addresses: PortEntry['record']['resource']['status']['addresses'],
): boolean =>
  hops.some(({ ingressPort, egressPort }) => ingressPort === egressPort) &&
  addresses.some(({ ip }) => isDestination(destination, ip));

/** A port that is new or has other labels, addresses or policies obeys the chains that it goes through then. */
export function checkChainsOfPort(
  world: World,
  port: Labelled,
  network: PortEntry['network'],
  addresses: PortEntry['record']['resource']['status']['addresses'],
  refusal: Refusal,
): void {
  const selecting = world.serviceChains.selecting(port);
  const destinations = selecting.map((chain) => world.serviceChains.destinationOf(chain, network.router));
  const overlapping = selecting.filter((_, index) =>
    destinations.some(
      (each, other) => other !== index && destinationsOverlap(each, destinations[index] ?? each),
    ),
  );
  if (overlapping.length > 0) {
    const chains = firstUsers(overlapping.map(({ record }) => describe(record.resource))).join(', ');
    const description = `make the port go through chains with overlapping destinations: ${chains}`;
    refusal.add('metadata.labels', description, 'FAILED_PRECONDITION', 'CHAIN_OVERLAP', { chains });
  }
  const narrow = selecting.find((chain, index) => {
    const destination = destinations[index];
    return destination && isOwnDestination(chain.record.resource.spec, destination, addresses);
  });
  if (!narrow) return;
  const chain = describe(narrow.record.resource);
  const description = `make the port go through ${chain}, whose destination it is, and which has a hop with one port`;
  refusal.add('metadata.labels', description, 'FAILED_PRECONDITION', 'HOP_NEEDS_TWO_PORTS', { chain });
}
