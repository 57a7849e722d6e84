import { type AppError, equal, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  eui64Address,
  functionIdentityKey,
  type Intent,
  type IpAddress,
  type MacAddress,
  type PortAddressStatus,
  type PortSpec,
  type Uid,
} from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import { gatewayMacAddressOf } from '../allocate/gateway-mac-address.js';
import { macAddressOf } from '../allocate/mac-address.js';
import { isTaken } from '../allocate/subnet-pool.js';
import type { Draft } from '../draft.js';
import type { NetworkEntry, PortEntry } from '../entries.js';
import { connectionOf, obstacleOf } from '../plan.js';
import { keyOf } from '../records.js';
import { MAX_RELEASES_PER_NETWORK, releaseOf } from '../release.js';
import { endRetention, retainAddresses } from '../retention.js';
import { allocationOf, replanVlans, writePort } from '../settle.js';
import { nameKey, type World } from '../world.js';
import { allocateAddresses } from './addresses.js';
import { MAX_POLICIES_OF_PORT } from './security-policy.js';
import { checkChainsOfPort } from './service-chain.js';

type PortIntent = Intent<'Port', PortSpec>;

export function applyPort(
  draft: Draft,
  intent: PortIntent,
  existing: PortEntry | undefined,
): Result<void, AppError> {
  const { world, context } = draft;
  const { metadata: asked, spec } = intent;
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  checkFunction(world, intent, existing, refusal);
  checkTrunk(world, intent, existing, refusal);
  const network = existing?.network ?? world.networks.get(nameKey(asked.tenant, spec.network));
  if (!network) {
    refusal.add('spec.network', `network ${spec.network} does not exist`, 'NOT_FOUND', 'NETWORK_NOT_FOUND');
    return err(refusal.toError());
  }
  checkPolicies(world, intent, refusal);
  checkDpu(world, network, spec, refusal);
  if (!existing) checkQuarantine(network, refusal);
  const uid = before?.metadata.uid ?? context.newUid();
  const macAddress = spec.macAddress ?? before?.status.macAddress ?? newMacAddress(network, uid);
  const addresses = allocateAddresses({ draft, network, intent, macAddress, existing, refusal });
  checkMacAddress(network, spec, existing, refusal);
  checkChainsOfPort(world, intent, network, addresses, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());

  const metadata = nextMetadata(intent, before, { ...context, newUid: () => uid });
  // The same array where nothing changes, so that nothing is indexed again.
  const current = before?.status.addresses;
  const allocation = { macAddress, addresses: current && equal(current, addresses) ? current : addresses };
  const released = existing && releaseOf(draft, existing, givenUp(existing, macAddress, addresses));
  endRetention(draft, network, metadata.name, addresses);
  writePort(draft, network, existing, { metadata, spec, allocation }, { released });
  if (existing) replanVlans(draft, existing);
  return ok(undefined);
}

/** Refused while a hop of a chain has it, or others are VLANs of it. What the port had may be had by others as soon as every DPU that knew it has let go of it. */
export function deletePort(draft: Draft, port: PortEntry): Result<void, AppError> {
  const { tenant, name } = port.record.resource.metadata;
  const { world } = draft;
  const users = [...world.serviceChains.usersOf(tenant, name), ...world.vlansOf(port)];
  if (users.length > 0) {
    const names = users.map(({ record }) => describe(record.resource));
    return err(inUse(describe(port.record.resource), firstUsers(names), users.length));
  }
  const { macAddress, addresses } = allocationOf(port.record.resource);
  const release = releaseOf(draft, port, { macAddress, addresses: addresses.map(({ ip }) => ip) });
  draft.remove(keyOf(port.record));
  if (release) draft.put(release);
  retainAddresses(draft, port);
  return ok(undefined);
}

function givenUp(
  { record: { resource } }: PortEntry,
  macAddress: MacAddress,
  addresses: readonly PortAddressStatus[],
): { macAddress: MacAddress | undefined; addresses: IpAddress[] } {
  const before = allocationOf(resource);
  return {
    macAddress: before.macAddress === macAddress ? undefined : before.macAddress,
    addresses: before.addresses.map(({ ip }) => ip).filter((ip) => !addresses.some((kept) => kept.ip === ip)),
  };
}

function checkFunction(
  world: World,
  { metadata: { tenant }, spec: { function: identity } }: PortIntent,
  existing: PortEntry | undefined,
  refusal: Refusal,
): void {
  const holder = identity && world.bindings.get(functionIdentityKey(identity));
  if (!holder || holder === existing) return;
  const { resource } = holder.record;
  // Functions are everybody's; who else is here and what they call their ports is not this tenant's business.
  const what = resource.metadata.tenant === tenant ? describe(resource) : 'a port of another tenant';
  refusal.add('spec.function', `is bound by ${what}`, 'ALREADY_EXISTS', 'FUNCTION_BOUND', { holder: what });
}

/** A trunk has one level: the parent of a VLAN is no VLAN, and what has VLANs does not become one. */
function checkTrunk(
  world: World,
  { metadata: { tenant, name }, spec: { trunk } }: PortIntent,
  existing: PortEntry | undefined,
  refusal: Refusal,
): void {
  if (!trunk) return;
  const { parent: parentName, vlanId } = trunk;
  const field = 'spec.trunk.parent';
  const parent = world.ports.get(nameKey(tenant, parentName));
  if (parentName === name) {
    refusal.add(field, 'must be another port', 'INVALID_ARGUMENT', 'TRUNK_OF_ITSELF');
  } else if (!parent) {
    refusal.add(field, `port ${parentName} does not exist`, 'NOT_FOUND', 'PORT_NOT_FOUND');
  } else if (parent.record.resource.spec.trunk) {
    const description = `${describe(parent.record.resource)} is a VLAN of another port itself`;
    refusal.add(field, description, 'FAILED_PRECONDITION', 'TRUNK_OF_TRUNK');
  }
  const vlans = existing ? world.vlansOf(existing) : [];
  if (vlans.length > 0) {
    const users = firstUsers(vlans.map(({ record }) => describe(record.resource))).join(', ');
    const description = `must be absent while others are VLANs of the port: ${users}`;
    refusal.add('spec.trunk', description, 'FAILED_PRECONDITION', 'TRUNK_OF_TRUNK');
  }
  const holder = world.trunks.get(nameKey(tenant, parentName))?.get(vlanId);
  if (!holder || holder === existing) return;
  const description = `${vlanId} is ${describe(holder.record.resource)}`;
  refusal.add('spec.trunk.vlanId', description, 'ALREADY_EXISTS', 'VLAN_TAKEN', {
    holder: describe(holder.record.resource),
  });
}

function checkPolicies(
  { policies }: World,
  { metadata: { tenant, labels }, spec }: PortIntent,
  refusal: Refusal,
): void {
  for (const [index, name] of spec.securityPolicies.entries()) {
    if (policies.policies.has(nameKey(tenant, name))) continue;
    const field = `spec.securityPolicies[${index}]`;
    refusal.add(field, `security policy ${name} does not exist`, 'NOT_FOUND', 'POLICY_NOT_FOUND');
  }
  const total = policies.applyingTo(tenant, labels, spec.securityPolicies).length;
  if (total <= MAX_POLICIES_OF_PORT) return;
  const description = `make ${total} policies apply to the port, more than ${MAX_POLICIES_OF_PORT}`;
  refusal.add('metadata.labels', description, 'RESOURCE_EXHAUSTED', 'TOO_MANY_POLICIES');
}

/** What a DPU that is known can never do is refused; what is not known yet makes the port wait. */
function checkDpu(world: World, network: NetworkEntry, spec: PortSpec, refusal: Refusal): void {
  const { identity } = connectionOf(world, network, spec);
  const found = identity && world.functions.withIdentity(functionIdentityKey(identity));
  const dpu = found && world.dpus.get(found.dpu)?.record;
  const obstacle = dpu && obstacleOf(world, network, spec, dpu);
  if (obstacle?.reason === 'NoHardware') {
    const metadata = { dpu: dpu?.name ?? '' };
    refusal.add('spec.offload', obstacle.message, 'FAILED_PRECONDITION', 'OFFLOAD_UNAVAILABLE', metadata);
  }
  if (obstacle?.reason === 'TrunkUnsupported') {
    const metadata = { dpu: dpu?.name ?? '' };
    refusal.add('spec.trunk', obstacle.message, 'FAILED_PRECONDITION', 'TRUNK_UNSUPPORTED', metadata);
  }
  if (obstacle?.reason === 'ParentMtuTooSmall') {
    refusal.add('spec.trunk.parent', obstacle.message, 'FAILED_PRECONDITION', 'MTU_EXCEEDS_PARENT');
  }
  if (obstacle?.reason === 'EncapsulationUnsupported') {
    const metadata = { dpu: dpu?.name ?? '' };
    const reason = 'ENCAPSULATION_UNSUPPORTED';
    refusal.add('spec.network', obstacle.message, 'FAILED_PRECONDITION', reason, metadata);
  }
  if (obstacle?.reason === 'UnderlayTooSmall') {
    const metadata = { dpu: dpu?.name ?? '' };
    refusal.add('spec.network', obstacle.message, 'FAILED_PRECONDITION', 'MTU_EXCEEDS_UNDERLAY', metadata);
  }
}

/** Bounds what a network remembers of ports that are gone while a DPU is away. */
function checkQuarantine({ releases, stragglers }: NetworkEntry, refusal: Refusal): void {
  if (releases.size < MAX_RELEASES_PER_NETWORK) return;
  const dpus = [...stragglers.keys()].sort().slice(0, 10).join(', ');
  refusal.add(
    'spec.network',
    `${releases.size} released ports wait for DPUs that have not confirmed: ${dpus}`,
    'RESOURCE_EXHAUSTED',
    'QUARANTINE_FULL',
    { dpus },
  );
}

function checkMacAddress(
  network: NetworkEntry,
  { macAddress }: PortSpec,
  existing: PortEntry | undefined,
  refusal: Refusal,
): void {
  if (macAddress === undefined) return;
  if (macAddress === gatewayMacAddressOf(network.router.key)) {
    const description = `${macAddress} is the address of the gateways of ${network.record.resource.spec.router}`;
    refusal.add('spec.macAddress', description, 'ALREADY_EXISTS', 'MAC_ADDRESS_TAKEN');
  }
  const holder = network.macAddresses.get(macAddress);
  if (!holder || holder === existing) return;
  const description = `${macAddress} is held by ${describe(holder.record.resource)}`;
  refusal.add('spec.macAddress', description, 'ALREADY_EXISTS', 'MAC_ADDRESS_TAKEN', {
    holder: describe(holder.record.resource),
  });
}

/** A free one, of which free addresses can be made. */
function newMacAddress(network: NetworkEntry, uid: Uid): MacAddress {
  const { macAddresses, quarantinedMacAddresses, subnets } = network;
  const made = [...subnets.values()].filter(({ record }) => record.resource.spec.allocationMode === 'EUI64');
  return macAddressOf(
    uid,
    (address) =>
      macAddresses.has(address) ||
      quarantinedMacAddresses.has(address) ||
      made.some((subnet) => isTaken(subnet, eui64Address(subnet.record.resource.spec.cidr, address))),
  );
}
