import { type ConditionUpdateOf, updateConditions } from '@outboard/model';
import { appliedSomewhere, problemsOn, someOf } from './applied.js';
import type { Draft } from './draft.js';
import type { ChainEntry, PortEntry } from './entries.js';
import { nameKey, type World } from './world.js';

type Update = ConditionUpdateOf<'ServiceChain'>;

/** Writes chains anew that are others on some DPU, or for whose hops that holds, by what was decided. */
export function settleServiceChains(draft: Draft): void {
  for (const chain of draft.world.serviceChains.takeMoved()) rewriteServiceChain(draft, chain);
}

/** Writes a chain anew, if where it stands is news. */
export function rewriteServiceChain(draft: Draft, chain: ChainEntry): void {
  const { world, context } = draft;
  const { metadata } = chain.record.resource;
  if (world.serviceChains.chains.get(nameKey(metadata.tenant, metadata.name)) !== chain) return;
  const { resource } = chain.record;
  const { status } = resource;
  const updates = [plannedOf(world, chain), appliedOf(world, chain)];
  const conditions = updateConditions(
    'ServiceChain',
    status.conditions,
    updates,
    metadata.generation,
    context.now,
  );
  if (conditions === status.conditions) return;
  draft.put({ kind: 'ServiceChain', resource: { ...resource, status: { ...status, conditions } } });
}

function plannedOf(world: World, chain: ChainEntry): Update {
  const type = 'Planned';
  const { metadata, spec } = chain.record.resource;
  const nameOf = ({ record }: PortEntry): string => record.resource.metadata.name;
  if (chain.overlapping.size > 0)
    return { type, reason: 'Overlap', message: someOf([...chain.overlapping].map(nameOf).sort()) };
  const names = [...new Set(spec.hops.flatMap(({ ingressPort, egressPort }) => [ingressPort, egressPort]))];
  const hops = names.flatMap((name) => world.ports.get(nameKey(metadata.tenant, name)) ?? []);
  const down = hops.filter(
    ({ placement, record }) => !placement || record.resource.spec.adminState === 'DOWN',
  );
  if (down.length > 0) return { type, reason: 'HopNotConnected', message: someOf(down.map(nameOf)) };
  const homes = new Set(hops.map(({ placement }) => placement?.dpu));
  const elsewhere = [...chain.ports].filter(
    ({ placement }) => placement && (homes.size > 1 || !homes.has(placement.dpu)),
  );
  if (elsewhere.length > 0) {
    const where = ({ placement }: PortEntry): string => `on ${placement?.dpu.record.name}`;
    const placed = spec.hops.flatMap(({ name, ...ports }) =>
      [...new Set([ports.ingressPort, ports.egressPort])].flatMap((port) => {
        const found = world.ports.get(nameKey(metadata.tenant, port));
        return found ? `hop ${name} is ${where(found)}` : [];
      }),
    );
    const steered = elsewhere.map((port) => `port ${nameOf(port)} is ${where(port)}`).sort();
    return {
      type,
      reason: 'HopElsewhere',
      message: `${someOf([...new Set(placed)])}; ${someOf(steered)}`,
    };
  }
  return { type, reason: 'Planned', message: '' };
}

function appliedOf({ serviceChains }: World, chain: ChainEntry): Update {
  const type = 'Applied';
  const dpus = serviceChains.dpusOf(chain);
  if (dpus.size === 0) return { type, reason: 'AppliedAndReadBack', message: 'no DPU is concerned' };
  const problems = problemsOn(dpus, ({ problems: told }) =>
    [...told.values()].filter(({ key }) => serviceChains.ownerOf(key) === chain),
  );
  return appliedSomewhere(chain.lagging, problems);
}
