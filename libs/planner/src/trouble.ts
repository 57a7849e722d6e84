import { objectKeys } from '@outboard/contracts';
import type { ReportedProblem } from '@outboard/document-owner/documents';
import { updateConditions } from '@outboard/model';

import type { DpuEntry, NetworkEntry, PortEntry, Trouble } from './entries.js';
import { routerKeyOf } from './objects.js';
import type { NetworkRecord } from './records.js';

/** The worst first. */
const SEVERITY: readonly ReportedProblem['state'][] = ['FAILED', 'FOREIGN', 'UNSUPPORTED', 'PENDING'];

/** Of several problems the one that is told; the order in which they are listed does not matter. */
function worst(
  one: ReportedProblem | undefined,
  other: ReportedProblem | undefined,
): ReportedProblem | undefined {
  if (!one || !other) return one ?? other;
  const difference = SEVERITY.indexOf(one.state) - SEVERITY.indexOf(other.state);
  return difference < 0 || (difference === 0 && one.key <= other.key) ? one : other;
}

/** What the DPU has reported of the networks that it takes part in; a network without problems is not among them. */
export function troublesOn(
  dpu: DpuEntry,
  portsByUid: ReadonlyMap<string, PortEntry>,
): Map<NetworkEntry, Trouble> {
  const troubles = new Map<NetworkEntry, Trouble>();
  for (const problem of dpu.problems.values()) {
    // Work under way is no trouble, and would only make conditions flap.
    if (problem.isUnderWay) continue;
    for (const network of networksOf(dpu, problem.key, portsByUid)) {
      const before = troubles.get(network);
      const isBase = /^(router|bridgedomain)\//.test(problem.key);
      troubles.set(network, {
        any: worst(before?.any, problem) ?? problem,
        base: isBase ? worst(before?.base, problem) : before?.base,
      });
    }
  }
  return troubles;
}

/** The networks of the DPU that an object, by its key, is a part of; ports of the DPU tell of themselves. */
function networksOf(
  { memberships }: DpuEntry,
  key: string,
  portsByUid: ReadonlyMap<string, PortEntry>,
): NetworkEntry[] {
  const [kind, uid = ''] = key.split('/');
  switch (kind) {
    case 'router':
      return [...memberships.values()]
        .map(({ network }) => network)
        .filter(({ record }) => routerKeyOf(record.resource) === key);
    case 'bridgedomain':
    case 'routerinterface':
    case 'hostconfiguration':
    case 'tunnelpeer': {
      const member = memberships.get(uid);
      return member ? [member.network] : [];
    }
    case 'remoteendpoint': {
      const network = portsByUid.get(uid)?.network;
      return network && memberships.has(network.record.resource.metadata.uid) ? [network] : [];
    }
    default:
      return [];
  }
}

/**
 * What keeps a port from being applied on its own DPU: its own problem, or that of the network and router that it stands
 * on there, for which it waits.
 */
export function problemOf(port: PortEntry): ReportedProblem | undefined {
  const { record, placement, network } = port;
  if (!placement) return undefined;
  const { dpu } = placement;
  const told = dpu.problems.get(objectKeys.endpoint(record.resource.metadata.uid));
  const own = told?.isUnderWay ? undefined : told;
  const base = network.members.get(dpu.record.name)?.trouble?.base;
  const waits = own ? own.state === 'PENDING' : dpu.unconfirmed.has(port);
  if (!base || !waits) return own;
  const what = base.key.startsWith('router/') ? base.key : `network/${network.record.resource.metadata.name}`;
  return { ...base, message: `${what}: ${base.message}` };
}

/** DPUs that are named in a condition; the total is always told. */
const MAX_NAMED = 10;

/** The worst that DPUs tell of a network, and which DPUs have a problem; undefined: none tells any. */
function networkProblem({ members }: NetworkEntry): ReportedProblem | undefined {
  const names: string[] = [];
  let told: ReportedProblem | undefined;
  for (const name of [...members.keys()].sort()) {
    const trouble = members.get(name)?.trouble;
    if (!trouble) continue;
    names.push(name);
    // Of equals that of the first DPU by name stays.
    if (!told || SEVERITY.indexOf(trouble.any.state) < SEVERITY.indexOf(told.state)) told = trouble.any;
  }
  if (!told) return undefined;
  const more =
    names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more of ${names.length} DPUs` : '';
  return { ...told, message: `${names.slice(0, MAX_NAMED).join(', ')}${more}: ${told.message}` };
}

const PROBLEM_REASONS = {
  PENDING: 'Blocked',
  FAILED: 'Failed',
  FOREIGN: 'ForeignObject',
  UNSUPPORTED: 'Unsupported',
} as const satisfies Record<ReportedProblem['state'], string>;

/** Of a network of which no DPU has told a problem. */
export const NO_PROBLEM = { type: 'Applied', reason: 'NoProblem', message: '' } as const;

/** How the condition Applied tells a problem. */
export const problemCondition = ({ state, message }: ReportedProblem) =>
  ({ type: 'Applied', reason: PROBLEM_REASONS[state], message }) as const;

/**
 * The network with what DPUs have reported of it; undefined: that is no news. What was told before a restart of this
 * service stays until every DPU has reported since: until then nobody knows that it is over.
 */
export function healthOf(network: NetworkEntry, now: number): NetworkRecord | undefined {
  const { resource } = network.record;
  const { metadata, status } = resource;
  const problem = networkProblem(network);
  const isKnown = [...network.members.values()].every(({ dpu }) => dpu.applied !== undefined);
  if (!problem && !isKnown) return undefined;
  const update = problem ? problemCondition(problem) : NO_PROBLEM;
  const conditions = updateConditions('Network', status.conditions, [update], metadata.generation, now);
  if (conditions === status.conditions) return undefined;
  return { kind: 'Network', resource: { ...resource, status: { ...status, conditions } } };
}
