import { type AppError, equal, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  functionIdentityKey,
  hostRange,
  type Intent,
  type IpAddress,
  type IpRange,
  type MacAddress,
  type Metadata,
  type Name,
  type PortAddress,
  type PortAddressStatus,
  type PortSpec,
  prefixLength,
  rangeContains,
  type Subnet,
  type Uid,
} from '@outboard/model';
import { gatewayMacAddressOf } from '../allocate/gateway-mac-address.js';
import { macAddressOf } from '../allocate/mac-address.js';
import type { Draft } from '../draft.js';
import type { NetworkEntry, PortEntry, SubnetEntry } from '../entries.js';
import { obstacleOf } from '../plan.js';
import { keyOf } from '../records.js';
import { MAX_RELEASES_PER_NETWORK, releaseOf } from '../release.js';
import { allocationOf, writePort } from '../settle.js';
import { nameKey, type World } from '../world.js';
import { nextMetadata } from './preconditions.js';
import { describe, Refusal } from './refusal.js';
import { MAX_POLICIES_OF_PORT } from './security-policy.js';

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
  checkFunction(world, spec, existing, refusal);
  const network = existing?.network ?? world.networks.get(nameKey(asked.tenant, spec.network));
  if (!network) {
    refusal.add('spec.network', `network ${spec.network} does not exist`, 'NOT_FOUND', 'NETWORK_NOT_FOUND');
    return err(refusal.toError());
  }
  checkPolicies(world, intent, refusal);
  checkDpu(world, network, spec, refusal);
  if (!existing) checkQuarantine(network, refusal);
  const addresses = allocateAddresses(world, network, intent, existing, refusal);
  checkMacAddress(network, spec, existing, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());

  const metadata = nextMetadata(intent, before, context);
  const macAddress = spec.macAddress ?? before?.status.macAddress ?? newMacAddress(network, metadata.uid);
  // The same array where nothing changes, so that nothing is indexed again.
  const current = before?.status.addresses;
  const allocation = { macAddress, addresses: current && equal(current, addresses) ? current : addresses };
  const released = existing && releaseOf(draft, existing, givenUp(existing, macAddress, addresses));
  writePort(draft, network, existing, { metadata, spec, allocation }, { released });
  return ok(undefined);
}

/** What the port had may be had by others as soon as every DPU that knew it has let go of it. */
export function deletePort(draft: Draft, port: PortEntry): Result<void, AppError> {
  const { macAddress, addresses } = allocationOf(port.record.resource);
  const release = releaseOf(draft, port, { macAddress, addresses: addresses.map(({ ip }) => ip) });
  draft.remove(keyOf(port.record));
  if (release) draft.put(release);
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
  { function: identity }: PortSpec,
  existing: PortEntry | undefined,
  refusal: Refusal,
): void {
  const holder = identity && world.bindings.get(functionIdentityKey(identity));
  if (!holder || holder === existing) return;
  const description = `is bound by ${describe(holder.record.resource)}`;
  refusal.add('spec.function', description, 'ALREADY_EXISTS', 'FUNCTION_BOUND', {
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
  const found = spec.function && world.functions.withIdentity(functionIdentityKey(spec.function));
  const dpu = found && world.dpus.get(found.dpu)?.record;
  const obstacle = dpu && obstacleOf(world, network, spec, dpu);
  if (obstacle?.reason === 'NoHardware') {
    const metadata = { dpu: dpu?.name ?? '' };
    refusal.add('spec.offload', obstacle.message, 'FAILED_PRECONDITION', 'OFFLOAD_UNAVAILABLE', metadata);
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

/** What the port shall have, or problems. Nothing is taken yet. */
function allocateAddresses(
  world: World,
  network: NetworkEntry,
  { metadata, spec }: PortIntent,
  existing: PortEntry | undefined,
  refusal: Refusal,
): PortAddressStatus[] {
  const before = existing?.record.resource;
  const current = before?.status.addresses ?? [];
  if (spec.addresses.length > 0) {
    const addresses = spec.addresses.map((asked, index) => {
      const field = `spec.addresses[${index}]`;
      return allocateAddress(world, network, metadata, asked, field, existing, refusal);
    });
    return addresses.filter((address) => address !== undefined);
  }
  // One of every subnet there was when the port asked for that: subnets that are added later change no port.
  if (before && before.spec.addresses.length === 0) return [...current];
  const names = [...network.subnets.keys()].sort();
  const addresses = names.map((subnet) =>
    allocateAddress(world, network, metadata, { subnet, ip: undefined }, 'spec.addresses', existing, refusal),
  );
  return addresses.filter((address) => address !== undefined);
}

function allocateAddress(
  world: World,
  network: NetworkEntry,
  { tenant }: Pick<Metadata, 'tenant'>,
  { subnet: name, ip: asked }: PortAddress,
  field: string,
  existing: PortEntry | undefined,
  refusal: Refusal,
): PortAddressStatus | undefined {
  const subnet = network.subnets.get(name);
  if (!subnet) {
    refuseSubnet(world, tenant, network, name, field, refusal);
    return undefined;
  }
  const { spec, status } = subnet.record.resource;
  const kept = existing?.record.resource.status.addresses.find((address) => address.subnet === name);
  if (asked !== undefined) checkAddress(subnet, asked, `${field}.ip`, existing, refusal);
  const ip = asked ?? kept?.ip ?? subnet.pool.lowest();
  if (ip === undefined) {
    const description = `subnet ${name} has no free address: ${subnet.allocated} are in use`;
    refusal.add(field, description, 'RESOURCE_EXHAUSTED', 'SUBNET_EXHAUSTED', { subnet: name });
    return undefined;
  }
  return { subnet: name, ip, prefixLength: prefixLength(spec.cidr), gateway: status.gateway };
}

function refuseSubnet(
  world: World,
  tenant: string,
  network: NetworkEntry,
  name: Name,
  field: string,
  refusal: Refusal,
): void {
  const other = world.subnets.get(nameKey(tenant, name));
  if (other) {
    const description = `subnet ${name} is of ${describe(other.network.record.resource)}, not of ${
      network.record.resource.metadata.name
    }`;
    refusal.add(`${field}.subnet`, description, 'INVALID_ARGUMENT', 'SUBNET_OF_OTHER_NETWORK');
  } else {
    refusal.add(`${field}.subnet`, `subnet ${name} does not exist`, 'NOT_FOUND', 'SUBNET_NOT_FOUND');
  }
}

function checkAddress(
  { network, range, record: { resource } }: SubnetEntry,
  ip: IpAddress,
  field: string,
  existing: PortEntry | undefined,
  refusal: Refusal,
): void {
  const unusable = unusableAddress(ip, range, resource);
  if (unusable !== undefined) {
    refusal.add(field, unusable, 'INVALID_ARGUMENT', 'ADDRESS_NOT_USABLE');
    return;
  }
  const holder = network.addresses.get(ip);
  if (!holder || holder === existing) return;
  const description = `${ip} is held by ${describe(holder.record.resource)}`;
  refusal.add(field, description, 'ALREADY_EXISTS', 'ADDRESS_TAKEN', {
    holder: describe(holder.record.resource),
  });
}

/** Why no port of the subnet may have the address. */
function unusableAddress(ip: IpAddress, range: IpRange, subnet: Subnet): string | undefined {
  const { cidr } = subnet.spec;
  if (!rangeContains(range, ip)) return `must be in ${cidr}`;
  if (ip === subnet.status.gateway) return `${ip} is the gateway of ${describe(subnet)}`;
  return rangeContains(hostRange(cidr), ip) ? undefined : `must be a host address of ${cidr}`;
}

function checkMacAddress(
  network: NetworkEntry,
  { macAddress }: PortSpec,
  existing: PortEntry | undefined,
  refusal: Refusal,
): void {
  if (macAddress === gatewayMacAddressOf(network.router.key)) {
    const description = `${macAddress} is the address of the gateways of ${network.record.resource.spec.router}`;
    refusal.add('spec.macAddress', description, 'ALREADY_EXISTS', 'MAC_ADDRESS_TAKEN');
  }
  const holder = macAddress && network.macAddresses.get(macAddress);
  if (!holder || holder === existing) return;
  const description = `${macAddress} is held by ${describe(holder.record.resource)}`;
  refusal.add('spec.macAddress', description, 'ALREADY_EXISTS', 'MAC_ADDRESS_TAKEN', {
    holder: describe(holder.record.resource),
  });
}

const newMacAddress = (network: NetworkEntry, uid: Uid): MacAddress =>
  macAddressOf(
    uid,
    (address) => network.macAddresses.has(address) || network.quarantinedMacAddresses.has(address),
  );
