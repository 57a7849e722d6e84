import {
  eui64Address,
  excludedRanges,
  hostRange,
  type Intent,
  type IpAddress,
  type MacAddress,
  type Name,
  type PortAddress,
  type PortAddressStatus,
  type PortSpec,
  prefixLength,
  rangeContains,
} from '@outboard/model';
import { describe, type Refusal } from '@outboard/model/decide';
import { anyContains } from '../allocate/address-pool.js';
import { capacityOf } from '../allocate/subnet-pool.js';
import type { Draft } from '../draft.js';
import type { NetworkEntry, PortEntry, SubnetEntry } from '../entries.js';
import { givenUpFirst, retainedFor } from '../retention.js';
import { nameKey } from '../world.js';

/** DPUs that a refusal names. */
const MAX_NAMES = 10;

/** A port that asks for addresses. */
export interface AddressRequest {
  readonly draft: Draft;
  readonly network: NetworkEntry;
  readonly intent: Intent<'Port', PortSpec>;
  readonly macAddress: MacAddress;
  readonly existing: PortEntry | undefined;
  readonly refusal: Refusal;
}

/** What the port shall have, or problems. Nothing is taken yet. */
export function allocateAddresses(request: AddressRequest): PortAddressStatus[] {
  const { network, intent, existing } = request;
  const { addresses: asked } = intent.spec;
  const before = existing?.record.resource;
  if (asked.length > 0) {
    return asked.flatMap((each, index) => allocateAddress(request, each, `spec.addresses[${index}]`) ?? []);
  }
  // One of every subnet there was when the port asked for that: subnets that are added later change no port.
  const names =
    before && before.spec.addresses.length === 0
      ? before.status.addresses.map(({ subnet }) => subnet)
      : [...network.subnets.keys()].sort();
  return names.flatMap(
    (subnet) => allocateAddress(request, { subnet, ip: undefined }, 'spec.addresses') ?? [],
  );
}

function allocateAddress(
  request: AddressRequest,
  { subnet: name, ip: asked }: PortAddress,
  field: string,
): PortAddressStatus | undefined {
  const subnet = request.network.subnets.get(name);
  if (!subnet) {
    refuseSubnet(request, name, field);
    return undefined;
  }
  const { spec, status } = subnet.record.resource;
  const ip = asked ?? ownAddress(request, subnet) ?? freeAddress(request, subnet, field);
  if (ip === undefined) return undefined;
  // Whatever it was chosen for, but the port's own.
  if (asked !== undefined || spec.allocationMode === 'EUI64') {
    checkAddress(request, subnet, ip, asked === undefined ? field : `${field}.ip`);
  }
  return { subnet: name, ip, prefixLength: prefixLength(spec.cidr), gateway: status.gateway };
}

/** The address that is the port's already, or waits for it. */
function ownAddress(
  { draft, intent, macAddress, existing }: AddressRequest,
  subnet: SubnetEntry,
): IpAddress | undefined {
  const { metadata, spec } = subnet.record.resource;
  if (spec.allocationMode === 'EUI64') return eui64Address(spec.cidr, macAddress);
  const kept = existing?.record.resource.status.addresses.find((each) => each.subnet === metadata.name);
  if (kept) return kept.ip;
  const { name } = intent.metadata;
  const reserved = subnet.reservations.for(name);
  // Who had it before the reservation was made has it still.
  if (reserved !== undefined && !subnet.network.addresses.has(reserved)) return reserved;
  return retainedFor(draft, subnet, name);
}

function freeAddress({ refusal }: AddressRequest, subnet: SubnetEntry, field: string): IpAddress | undefined {
  const free = subnet.pool.lowest() ?? givenUpFirst(subnet)?.address;
  if (free === undefined) refuseExhausted(subnet, field, refusal);
  return free;
}

function refuseExhausted(subnet: SubnetEntry, field: string, refusal: Refusal): void {
  const { metadata, spec } = subnet.record.resource;
  const { total, used, reserved, quarantined } = capacityOf(subnet);
  const dpus = [...subnet.network.stragglers.keys()].sort().slice(0, MAX_NAMES).join(', ');
  const parts = [
    `${used} are in use`,
    ...(reserved > 0 ? [`${reserved} reserved`] : []),
    ...(quarantined > 0 ? [`${quarantined} wait for ${dpus}, where they may still be known`] : []),
  ];
  const description = `subnet ${metadata.name} (${spec.cidr}) has no free address: of ${total}, ${parts.join(', ')}`;
  refusal.add(field, description, 'RESOURCE_EXHAUSTED', 'SUBNET_EXHAUSTED', {
    subnet: metadata.name,
    total: `${total}`,
    used: `${used}`,
    reserved: `${reserved}`,
    quarantined: `${quarantined}`,
  });
}

function refuseSubnet({ draft, network, intent, refusal }: AddressRequest, name: Name, field: string): void {
  const other = draft.world.subnets.get(nameKey(intent.metadata.tenant, name));
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
  { intent, existing, refusal }: AddressRequest,
  subnet: SubnetEntry,
  ip: IpAddress,
  field: string,
): void {
  const unusable = unusableAddress(ip, subnet);
  if (unusable !== undefined) {
    refusal.add(field, unusable, 'INVALID_ARGUMENT', 'ADDRESS_NOT_USABLE');
    return;
  }
  const holder = subnet.network.addresses.get(ip);
  if (holder === existing && existing) return;
  if (holder) {
    const what = describe(holder.record.resource);
    refusal.add(field, `${ip} is held by ${what}`, 'ALREADY_EXISTS', 'ADDRESS_TAKEN', { holder: what });
    return;
  }
  const reservation = subnet.reservations.of(ip);
  if (!reservation || reservation.port === intent.metadata.name) return;
  const whom = reservation.port === undefined ? '' : `, for port ${reservation.port}`;
  const description = `${ip} is reserved as ${reservation.name} in ${describe(subnet.record.resource)}${whom}`;
  refusal.add(field, description, 'FAILED_PRECONDITION', 'ADDRESS_RESERVED', {
    reservation: reservation.name,
  });
}

/** Why no port of the subnet may have the address. */
function unusableAddress(ip: IpAddress, { range, record }: SubnetEntry): string | undefined {
  const { spec, status } = record.resource;
  if (!rangeContains(range, ip)) return `must be in ${spec.cidr}`;
  if (ip === status.gateway) return `${ip} is the gateway of ${describe(record.resource)}`;
  if (!rangeContains(hostRange(spec.cidr), ip)) return `must be a host address of ${spec.cidr}`;
  const excluded = anyContains(excludedRanges(spec), ip);
  return excluded ? `${ip} is excluded by ${describe(record.resource)}` : undefined;
}
