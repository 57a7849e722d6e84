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
import type { ReportedProblem } from './api.js';
import type { Draft } from './draft.js';
import type { DpuEntry, RouterEntry } from './entries.js';
import { departure } from './release.js';
import { settleMtu } from './settle.js';
import { nameKey, type World } from './world.js';

type RouterCondition = ConditionUpdateOf<'Router'>;

/** Problems that a router's status lists. */
const MAX_PROBLEMS = 10;
/** Next hops and DPUs that a message names. */
const MAX_NAMES = 3;

/**
 * Writes what follows for others from what was decided: DPUs that left a network are waited for, the network has the
 * MTU of those that it has now, routers say where they stand.
 */
export function settleTouched(draft: Draft): void {
  const { networks, routers } = draft.world.takeTouched();
  for (const [network, left] of networks) {
    const { uid } = network.record.resource.metadata;
    if (draft.world.networksByUid.get(uid) !== network) continue;
    if (left.size > 0 && !draft.releases(uid)) draft.put(departure(draft, network, left));
    settleMtu(draft, network);
  }
  for (const router of routers) rewriteRouter(draft, router);
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
    appliedOf(router, problems),
  ];
}

function appliedOf({ hosts, unconfirmed }: RouterEntry, problems: readonly DpuProblem[]): RouterCondition {
  if (hosts.size === 0) return { type: 'Applied', reason: 'NeverReported', message: '' };
  if (problems.length > 0) {
    const dpus = new Set(problems.map(({ dpu }) => dpu));
    return { type: 'Applied', reason: 'DpuProblems', message: someOf([...dpus]) };
  }
  return { type: 'Applied', reason: unconfirmed.size > 0 ? 'Applying' : 'AppliedAndReadBack', message: '' };
}

function someOf(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return more > 0 ? `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more` : names.join(', ');
}

/** What the DPUs that route for it could not apply, in the order of their names. */
function problemsOf(world: World, router: RouterEntry): DpuProblem[] {
  const found: DpuProblem[] = [];
  const troubled = [...router.hosts.values()].filter(({ dpu }) => dpu.problems.size > 0);
  troubled.sort((one, other) => (one.dpu.record.name < other.dpu.record.name ? -1 : 1));
  for (const { dpu } of troubled) {
    for (const problem of dpu.problems.values()) {
      const { key, state, message } = problem;
      if (problem.isUnderWay || routerOfObject(world, key) !== router) continue;
      found.push({ dpu: dpu.record.name, object: key, state, message });
      if (found.length === MAX_PROBLEMS) return found;
    }
  }
  return found;
}

/** The router that an object of a document is part of; undefined: it belongs to a port. */
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

/** Routers of which a DPU tells other problems than before. */
export function routersWithNews(
  world: World,
  before: DpuEntry['problems'],
  after: DpuEntry['problems'],
): Set<RouterEntry> {
  const routers = new Set<RouterEntry>();
  const note = ({ key }: ReportedProblem): void => {
    if (equal(before.get(key), after.get(key))) return;
    const router = routerOfObject(world, key);
    if (router) routers.add(router);
  };
  for (const problem of before.values()) note(problem);
  for (const problem of after.values()) note(problem);
  return routers;
}
