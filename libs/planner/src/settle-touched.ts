import { equal } from '@outboard/core';
import {
  type ConditionUpdateOf,
  type DpuProblem,
  type Metadata,
  type Router,
  type RouterSpec,
  type RouterStatus,
  updateConditions,
} from '@outboard/model';
import { appliedCondition, problemsOn, someOf } from './applied.js';
import type { Draft } from './draft.js';
import type { AwaitedEntry, DpuEntry, RouterEntry } from './entries.js';
import { departure } from './release.js';
import { settleMtu, writeRetold } from './settle.js';
import { settleNetlinkObjects } from './settle-netlink-objects.js';
import { settlePolicies } from './settle-policies.js';
import { settleServiceChains } from './settle-service-chains.js';
import { nameKey, type World } from './world.js';

type RouterCondition = ConditionUpdateOf<'Router'>;

/** Far more than are needed, unless ports keep each other out in turns: the next decision goes on. */
const MAX_ROUNDS = 8;

/**
 * Writes what follows for others from what was decided: ports have other policies or chains, DPUs that left a network are
 * waited for, the network has the MTU of those that it has now, routers say where they stand.
 */
export function settleTouched(draft: Draft): void {
  writeRetold(draft);
  // Another MTU may let ports in that are VLANs of others, or keep them out: they touch networks again.
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { networks, routers } = draft.world.takeTouched();
    if (networks.size + routers.size === 0) break;
    for (const [network, left] of networks) {
      const { uid } = network.record.resource.metadata;
      if (draft.world.networksByUid.get(uid) !== network) continue;
      if (left.size > 0 && !draft.releases(uid)) draft.put(departure(draft, network, left));
      settleMtu(draft, network);
    }
    for (const router of routers) rewriteRouter(draft, router);
  }
  settleNetlinkObjects(draft);
  settlePolicies(draft);
  settleServiceChains(draft);
}

/** Writes a router anew, if it is one of a resource. */
export function rewriteRouter(draft: Draft, { record }: RouterEntry): void {
  const { metadata } = record?.resource ?? {};
  const known = metadata && draft.world.routers.get(nameKey(metadata.tenant, metadata.name))?.record;
  if (known) writeRouter(draft, known.resource.metadata, known.resource.spec, known.resource.status);
}

/** Writes a router, its status following from the world as it is with that spec. */
export function writeRouter(
  draft: Draft,
  metadata: Metadata,
  spec: RouterSpec,
  former: RouterStatus | undefined,
): void {
  const { world, context } = draft;
  const { generation: observedGeneration } = metadata;
  const find = () => world.routers.get(nameKey(metadata.tenant, metadata.name));
  const write = (problems: readonly DpuProblem[], updates: readonly RouterCondition[]) => {
    const before = former?.conditions ?? [];
    const conditions = updateConditions('Router', before, updates, observedGeneration, context.now);
    const status = { observedGeneration, networks: 0, dpus: 0, problems, conditions };
    const resource: Router = { kind: 'Router', metadata, spec, status };
    const known = find()?.record?.resource;
    if (known?.metadata === metadata && known.spec === spec && equal(known.status, status)) return;
    draft.put({ kind: 'Router', resource });
  };
  // What follows from a new spec is known once the world has it.
  if (find()?.record?.resource.spec !== spec) write(former?.problems ?? [], []);
  const entry = find();
  if (!entry) return;
  const problems = problemsOf(world, entry);
  write(problems, conditionsOf(entry, problems));
}

function conditionsOf(router: RouterEntry, problems: readonly DpuProblem[]): RouterCondition[] {
  const { unknownNextHops } = router;
  return [
    { type: 'Accepted', reason: 'Valid', message: '' },
    unknownNextHops.length > 0
      ? { type: 'Planned', reason: 'NextHopUnknown', message: someOf(unknownNextHops) }
      : { type: 'Planned', reason: 'Planned', message: '' },
    appliedCondition(router.hosts.size, router.unconfirmed.size, problems),
  ];
}

/** What the DPUs that route for it could not apply. */
const problemsOf = (world: World, router: RouterEntry): DpuProblem[] =>
  problemsOn(
    [...router.hosts.values()].map(({ dpu }) => dpu),
    (dpu) => [...dpu.problems.values()].filter(({ key }) => routerOfObject(world, key) === router),
  );

/** The router that an object of a document is part of; undefined: it belongs to a port, or is placed by a caller. */
function routerOfObject(world: World, key: string): RouterEntry | undefined {
  const [kind, first = '', second = '', third = ''] = key.split('/');
  switch (kind) {
    case 'router':
    case 'egressgateway':
      return world.routers.get(nameKey(first, second));
    case 'route':
      return world.routers.get(nameKey(second, third));
    case 'bridgedomain':
    case 'routerinterface':
      return world.networksByUid.get(first)?.router;
    default:
      return undefined;
  }
}

/** Routers of which the DPU tells other problems than before, policies, and what callers have placed. */
export function withNews(world: World, dpu: DpuEntry, before: DpuEntry['problems']) {
  const routers = new Set<RouterEntry>();
  const awaited = new Set<AwaitedEntry>();
  for (const key of new Set([...before.keys(), ...dpu.problems.keys()])) {
    if (equal(before.get(key), dpu.problems.get(key))) continue;
    const placed = dpu.netlinkObjects.get(key);
    if (placed) awaited.add(placed);
    const policy = world.policies.ownerOf(key) ?? world.serviceChains.ownerOf(key);
    if (policy) awaited.add(policy);
    const router = routerOfObject(world, key);
    if (router) routers.add(router);
  }
  return { routers, awaited };
}
