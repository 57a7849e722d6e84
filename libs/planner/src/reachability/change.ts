import { equal } from '@outboard/core';
import type { LabelSelector, Port, SecurityPolicy } from '@outboard/model';
import type { CommandDecision, RecordChange } from '../api.js';
import type { NetworkEntry, PortEntry } from '../entries.js';
import { compareInEvaluation } from '../policies/order.js';
import { nameKey, type World } from '../world.js';
import { type ClosureChange, reclosedPorts } from './closures.js';
import type { AddressSets } from './evaluate.js';
import { addressSetsOf } from './explain.js';

/** A port that is another afterwards; undefined: it is not there. */
export interface ChangedPort {
  readonly network: NetworkEntry;
  readonly before: PortEntry | undefined;
  readonly after: Port | undefined;
}

/** What a command changes, as far as reachability goes. */
export interface Change {
  /** Ports whose policies are others afterwards, or mean something else. */
  readonly touched: ReadonlySet<PortEntry>;
  policiesAfter(port: PortEntry): readonly SecurityPolicy[];
  /** Those of them that are alike with others that the command does not touch in the same way. */
  readonly moved: ReadonlySet<PortEntry>;
  /** Peers that no policy has meant so far: what is alike may differ in them. */
  readonly selectors: readonly LabelSelector[];
  readonly sets: { readonly before: AddressSets; readonly after: AddressSets };
  /** Ports that are changed themselves. */
  readonly ports: readonly ChangedPort[];
  readonly networks: ReadonlySet<NetworkEntry>;
  readonly closures: ClosureChange;
  /** Ports for which chains close others than before. */
  readonly reclosed: ReadonlySet<PortEntry>;
}

/** What a command changes, of which `decision` is the outcome; undefined: nothing that flows depend on. */
export function changeOf(
  world: World,
  isDeleted: boolean,
  { resource: planned, changes }: Pick<CommandDecision, 'resource' | 'changes'>,
  closures: ClosureChange,
): Change | undefined {
  const { tenant, name } = planned.metadata;
  const key = nameKey(tenant, name);
  const sets = { before: addressSetsOf(world), after: addressSetsOf(world) };
  const policiesAfter = policiesOf;
  const none = {
    moved: new Set<PortEntry>(),
    selectors: [],
    sets,
    policiesAfter,
    ports: [],
    closures,
    reclosed: new Set<PortEntry>(),
  };
  /** These ports, and those for which chains close other destinations. */
  const withReclosed = (ports: readonly ChangedPort[]): Change => {
    const reclosed = reclosedPorts(world, tenant, closures);
    const networks = new Set([...ports.map(({ network }) => network), ...networksOf(reclosed)]);
    return { ...none, touched: reclosed, moved: reclosed, reclosed, ports, networks };
  };
  switch (planned.kind) {
    case 'SecurityPolicy':
      return changeOfPolicy(world, isDeleted ? undefined : planned, key, planned, none);
    case 'AddressSet': {
      const users = world.policies.addressSets.get(key)?.policies ?? [];
      const touched = new Set([...users].flatMap(({ ports }) => [...ports]));
      const after: AddressSets = (ofTenant, set) =>
        ofTenant === tenant && set === name ? planned.spec.addresses : sets.before(ofTenant, set);
      return { ...none, touched, sets: { ...sets, after }, networks: networksOf(touched) };
    }
    case 'Port': {
      const before = world.ports.get(key);
      const network = before?.network ?? world.networks.get(nameKey(tenant, planned.spec.network));
      const after = isDeleted ? undefined : planned;
      const vlans = connectionsOf(world, changes).filter(({ before: vlan }) => vlan !== before);
      return withReclosed(network ? [{ network, before, after }, ...vlans] : vlans);
    }
    case 'Router':
    case 'Network':
    case 'Subnet':
    case 'NetlinkObject':
    case 'ServiceChain':
      return withReclosed(connectionsOf(world, changes));
    default:
      return undefined;
  }
}

function changeOfPolicy(
  world: World,
  after: SecurityPolicy | undefined,
  key: string,
  { metadata, spec }: SecurityPolicy,
  none: Omit<Change, 'touched' | 'networks'>,
): Change {
  const existing = world.policies.policies.get(key);
  const { ports: former = new Set<PortEntry>() } = existing ?? {};
  // With the same selector it applies to the same ports: nobody need be looked for.
  const isKept =
    after !== undefined && equal(existing?.record.resource.spec.portSelector, after.spec.portSelector);
  const selected = isKept
    ? former
    : new Set(
        after?.spec.portSelector
          ? world.policies.selectedPorts(metadata.tenant, after.spec.portSelector)
          : [],
      );
  const touched = isKept ? former : new Set([...former, ...selected]);
  const applies = (port: PortEntry): boolean =>
    after !== undefined && (selected.has(port) || existing?.namedBy.has(port) === true);
  const peers = after ? [...after.spec.ingress, ...after.spec.egress].flatMap((rule) => rule.peers) : [];
  const memory = new Map<string, readonly SecurityPolicy[]>();
  return {
    ...none,
    touched,
    moved: isKept ? new Set() : new Set([...touched].filter((port) => applies(port) !== former.has(port))),
    networks: networksOf(touched),
    selectors: peers.flatMap((peer) =>
      peer.kind === 'ports' && !world.policies.isMeant(metadata.tenant, peer) ? [peer.selector] : [],
    ),
    policiesAfter(port) {
      const before = policiesOf(port);
      if (!touched.has(port)) return before;
      const others = before.filter((policy) => policy.metadata.name !== metadata.name);
      const isUnder = after && applies(port);
      const text = [isUnder ? spec.tier : '', ...others.map(({ metadata: { uid } }) => uid)].join();
      const known = memory.get(text);
      if (known) return known;
      const policies = isUnder ? [...others, after].sort(compareInEvaluation) : others;
      memory.set(text, policies);
      return policies;
    },
  };
}

export const policiesOf = (port: PortEntry): readonly SecurityPolicy[] =>
  port.policies.map(({ record }) => record.resource);

/** Ports that come to be connected by what is about something else, or are not any more. */
function connectionsOf(world: World, changes: readonly RecordChange[]): ChangedPort[] {
  return changes.flatMap(({ after }): ChangedPort[] => {
    if (after?.kind !== 'Port') return [];
    const { metadata, status } = after.resource;
    const before = world.ports.get(nameKey(metadata.tenant, metadata.name));
    const isKept = (before?.placement !== undefined) === (status.dpu !== undefined);
    return !before || isKept ? [] : [{ network: before.network, before, after: after.resource }];
  });
}

const networksOf = (ports: Iterable<PortEntry>): ReadonlySet<NetworkEntry> =>
  new Set([...ports].map(({ network }) => network));

export const policiesOfChanged = (world: World, { metadata, spec }: Port): readonly SecurityPolicy[] =>
  world.policies
    .applyingTo(metadata.tenant, metadata.labels, spec.securityPolicies)
    .map(({ record }) => record.resource);
