import { type AppError, err, invariant, ok, type Result } from '@outboard/core';
import type { DocumentChange, DocumentDifference } from '@outboard/document-owner/documents';
import type { Intent, NetlinkObjectSpec } from '@outboard/model';
import { changesNothing, checkPreconditions, notFound, targetOf } from '@outboard/model/decide';
import type { Command, CommandDecision, Context, PlannedKind, PlannedResource } from '../api.js';
import { ConfirmationSnapshot } from '../confirmation-snapshot.js';
import { Draft } from '../draft.js';
import type { RouterEntry } from '../entries.js';
import { present } from '../present.js';
import { type ClosureChange, closuresOf } from '../reachability/closures.js';
import { type RouterTables, tablesOf } from '../reachability/routing-tables.js';
import { settleTouched } from '../settle-touched.js';
import { nameKey, type World } from '../world.js';
import { applyAddressSet, deleteAddressSet } from './address-set.js';
import { applyEncapsulationPolicy, deleteEncapsulationPolicy } from './encapsulation-policy.js';
import { applyNetlinkObject, deleteNetlinkObject } from './netlink-object.js';
import { applyNetwork, deleteNetwork } from './network.js';
import { applyPhysicalNetwork, deletePhysicalNetwork } from './physical-network.js';
import { applyPort, deletePort } from './port.js';
import { applyRouter, deleteRouter } from './router.js';
import { applySecurityPolicy, deleteSecurityPolicy } from './security-policy.js';
import { applyServiceChain, deleteServiceChain } from './service-chain.js';
import { applySubnet, deleteSubnet } from './subnet.js';

/**
 * Decides on a command. When it is accepted the world has changed already, so that the next command of a group is
 * decided upon it; a refusal has changed nothing. If what was decided cannot be stored, the world must be loaded anew.
 */
export function decide(world: World, command: Command, context: Context): Result<CommandDecision, AppError> {
  const draft = new Draft(world, context);
  const resource = execute(draft, command);
  return resource.ok ? ok({ ...draft.decision(), resource: resource.value }) : resource;
}

/** Kinds by which routers may send elsewhere. */
const REROUTING: ReadonlySet<PlannedKind> = new Set(['Router', 'Network', 'Subnet', 'NetlinkObject']);

/** A decision that was not taken, with what it would have changed in the DPUs' documents. */
export interface DryRun {
  readonly decision: CommandDecision;
  readonly documents: readonly DocumentChange[];
  readonly differences: readonly DocumentDifference[];
  /** Where the routers send that it concerns; none for commands that change no routes. */
  readonly tables: { readonly before: readonly RouterTables[]; readonly after: readonly RouterTables[] };
  /** What service chains close. */
  readonly closures: ClosureChange;
}

/** What `decide` would do. The world is as before. */
export function dryRun(world: World, command: Command, context: Context): Result<DryRun, AppError> {
  const concerned = [...routersOf(world, command)];
  const snapshot = new ConfirmationSnapshot(world, concerned);
  const routing = REROUTING.has(targetOf(command).kind) ? concerned : [];
  const before = tablesOf(routing, command);
  const { tenant } = targetOf(command).metadata;
  const closedBefore = closuresOf(world, tenant);
  // Nothing of it is stored: it says all that would become another.
  const draft = new Draft(world, context, Infinity);
  return world.documents.attempt(() => {
    const resource = execute(draft, command);
    if (!resource.ok) return resource;
    const decision = { ...draft.decision(), resource: resource.value };
    const documents = world.documents.preview(context.revision);
    const differences = world.documents.differences();
    const tables = { before, after: tablesOf(routing, command, before) };
    const closures = { before: closedBefore, after: closuresOf(world, tenant) };
    draft.undo();
    snapshot.restore();
    return ok({ decision, documents, differences, tables, closures });
  });
}

/** The resource after the command; as it was, when deleted. */
function execute(draft: Draft, command: Command): Result<PlannedResource, AppError> {
  const { world } = draft;
  const target = targetOf(command);
  const key = nameKey(target.metadata.tenant, target.metadata.name);
  const existing = findResource(world, target.kind, key);
  const existence = command.operation === 'apply' ? command.existence : 'update';
  const refusal = checkPreconditions(target, existing, existence);
  if (refusal) return err(refusal);
  if (command.operation === 'delete') {
    if (!existing) return err(notFound(target));
    // As it was, with what is counted: the world will not have it any more.
    const resource = present(world, existing);
    const deleted = remove(draft, target.kind, key);
    settleTouched(draft);
    return deleted.ok ? ok(resource) : deleted;
  }
  if (existing && changesNothing(command.intent, existing)) return ok(present(world, existing));
  const applied = apply(draft, command, key);
  if (!applied.ok) return applied;
  settleTouched(draft);
  const resource = findResource(world, target.kind, key);
  return resource ? ok(present(world, resource)) : err(notFound(target));
}

function apply(
  draft: Draft,
  { intent }: Extract<Command, { operation: 'apply' }>,
  key: string,
): Result<void, AppError> {
  const { world } = draft;
  const { name } = intent.metadata;
  switch (intent.kind) {
    case 'PhysicalNetwork':
      return applyPhysicalNetwork(draft, intent, world.physicalNetworks.get(name));
    case 'EncapsulationPolicy':
      return applyEncapsulationPolicy(draft, intent, world.encapsulationPolicies.get(name));
    case 'Router':
      return applyRouter(draft, intent, world.routers.get(key));
    case 'Network':
      return applyNetwork(draft, intent, world.networks.get(key));
    case 'Subnet':
      return applySubnet(draft, intent, world.subnets.get(key));
    case 'AddressSet':
      return applyAddressSet(draft, intent, world.policies.addressSets.get(key));
    case 'SecurityPolicy':
      return applySecurityPolicy(draft, intent, world.policies.policies.get(key));
    case 'NetlinkObject':
      return applyNetlinkObject(draft, intent, world.netlinkObjects.get(key));
    case 'ServiceChain':
      return applyServiceChain(draft, intent, world.serviceChains.chains.get(key));
    case 'Port':
      return applyPort(draft, intent, world.ports.get(key));
  }
}

function remove(draft: Draft, kind: PlannedKind, key: string): Result<void, AppError> {
  const { physicalNetworks, encapsulationPolicies, routers, networks, subnets, ports, policies } =
    draft.world;
  const { netlinkObjects, serviceChains } = draft.world;
  const name = key.slice(key.indexOf('/') + 1);
  switch (kind) {
    case 'PhysicalNetwork':
      return deletePhysicalNetwork(draft, known(physicalNetworks.get(name)));
    case 'EncapsulationPolicy':
      return deleteEncapsulationPolicy(draft, known(encapsulationPolicies.get(name)));
    case 'Router':
      return deleteRouter(draft, known(routers.get(key)));
    case 'Network':
      return deleteNetwork(draft, known(networks.get(key)));
    case 'Subnet':
      return deleteSubnet(draft, known(subnets.get(key)));
    case 'AddressSet':
      return deleteAddressSet(draft, known(policies.addressSets.get(key)));
    case 'SecurityPolicy':
      return deleteSecurityPolicy(draft, known(policies.policies.get(key)));
    case 'NetlinkObject':
      return deleteNetlinkObject(draft, known(netlinkObjects.get(key)));
    case 'ServiceChain':
      return deleteServiceChain(draft, known(serviceChains.chains.get(key)));
    case 'Port':
      return deletePort(draft, known(ports.get(key)));
  }
}

function known<Entry>(entry: Entry | undefined): Entry {
  invariant(entry, 'what was found a moment ago is there');
  return entry;
}

function findResource(world: World, kind: PlannedKind, key: string): PlannedResource | undefined {
  const [tenant = '', name = ''] = key.split('/');
  const record = world.find({ kind, tenant, name });
  return record && 'resource' in record ? record.resource : undefined;
}

/** The routers in which a command may change anything. */
function routersOf(world: World, command: Command): Iterable<RouterEntry> {
  const { kind, metadata } = targetOf(command);
  const key = nameKey(metadata.tenant, metadata.name);
  const those = (router: RouterEntry | undefined): RouterEntry[] => (router ? [router] : []);
  switch (kind) {
    case 'PhysicalNetwork':
      return [...world.physicalNetworks.values()].flatMap(({ networks }) =>
        [...networks].map(({ router }) => router),
      );
    case 'EncapsulationPolicy':
      return [];
    case 'Router':
      return those(world.routers.get(key));
    case 'Network':
      return those(world.networks.get(key)?.router);
    case 'AddressSet':
      return [];
    case 'SecurityPolicy':
    case 'ServiceChain':
      return [...world.routers.values()].filter(({ tenant }) => tenant === metadata.tenant);
    case 'NetlinkObject': {
      const existing = world.netlinkObjects.get(key);
      if (existing || command.operation === 'delete') return those(existing?.router);
      const { object } = (command.intent as Intent<'NetlinkObject', NetlinkObjectSpec>).spec;
      return object.kind === 'route'
        ? those(world.routers.get(nameKey(metadata.tenant, object.router)))
        : those(world.networks.get(nameKey(metadata.tenant, object.network))?.router);
    }
    default: {
      const existing = kind === 'Subnet' ? world.subnets.get(key) : world.ports.get(key);
      if (existing || command.operation === 'delete') return those(existing?.network.router);
      const { spec } = command.intent;
      const asked = 'network' in spec ? nameKey(metadata.tenant, spec.network) : '';
      return those(world.networks.get(asked)?.router);
    }
  }
}
