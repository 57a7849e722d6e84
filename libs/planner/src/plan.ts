import {
  type ConditionUpdateOf,
  functionIdentityKey,
  type IpAddress,
  ipFamily,
  type MacAddress,
  type Mtu,
  type Name,
  type PortAddressStatus,
  type PortSpec,
  type PortStatus,
  type Uid,
} from '@outboard/model';
import type { NetworkEntry } from './entries.js';
import type { ReleaseEntry } from './quarantine.js';
import type { DpuRecord } from './records.js';
import type { World } from './world.js';

/**
 * What VXLAN (RFC 7348) adds to an IP packet, in bytes: the inner Ethernet header (14), VXLAN (8), UDP (8) and the
 * outer IP header (20 or 40).
 */
const VXLAN_OVERHEAD = { 4: 50, 6: 70 } as const;

/** RFC 8200: every link that carries IPv6 takes this. */
const MIN_MTU = 1280;
const MAX_MTU = 9000;

/** Largest IP packet that a network can carry over the DPU's underlay; undefined: the underlay is not known. */
export function overlayMtu({ tunnelEndpoint, underlayMtu }: DpuRecord): number | undefined {
  if (tunnelEndpoint === undefined || underlayMtu === undefined) return undefined;
  return Math.min(underlayMtu - VXLAN_OVERHEAD[ipFamily(tunnelEndpoint)], MAX_MTU);
}

/** The MTU that the network has: the asked one, or what the smallest underlay of its DPUs carries. */
export function effectiveMtu({ record, members }: NetworkEntry): Mtu | undefined {
  const asked = record.resource.spec.mtu;
  if (asked !== undefined || members.size === 0) return asked;
  let smallest = MAX_MTU;
  for (const { dpu } of members.values()) smallest = Math.min(smallest, overlayMtu(dpu.record) ?? MAX_MTU);
  return smallest as Mtu;
}

type Unplanned = Extract<ConditionUpdateOf<'Port'>, { type: 'Planned' }>;

/** Where a port goes, or why it goes nowhere yet. */
export type Plan =
  | { readonly planned: true; readonly dpu: DpuRecord; readonly representor: string }
  | { readonly planned: false; readonly reason: Unplanned['reason']; readonly message: string };

/** What a port has been given. */
export interface Allocation {
  readonly macAddress: MacAddress;
  readonly addresses: readonly PortAddressStatus[];
}

/** A DPU as it is about to be, while the world still has it otherwise; `record` undefined: it goes. */
export interface DpuOverride {
  readonly name: Name;
  readonly record: DpuRecord | undefined;
}

const wait = (reason: Unplanned['reason'], message = ''): Plan => ({ planned: false, reason, message });

export function planPort(
  world: World,
  network: NetworkEntry,
  uid: Uid,
  spec: PortSpec,
  allocation: Allocation,
  override?: DpuOverride,
): Plan {
  const identity = spec.function;
  if (!identity) return wait('NoFunction');
  const found = world.functions.withIdentity(functionIdentityKey(identity));
  if (!found) return wait('FunctionUnknown', `no DPU has shown ${functionIdentityKey(identity)}`);
  if (found.representor === undefined) return wait('RepresentorUnknown', `${found.dpu}: ${found.name}`);
  const dpu = override?.name === found.dpu ? override.record : world.dpus.get(found.dpu)?.record;
  if (!dpu) return wait('FunctionUnknown', `${found.name} is of ${found.dpu}, which is not known`);
  const obstacle = obstacleOf(network, spec, dpu) ?? quarantineOf(world, network, uid, allocation);
  return obstacle ?? { planned: true, dpu, representor: found.representor };
}

/** What the DPU lacks for the port. */
export function obstacleOf(
  { record: { resource } }: NetworkEntry,
  { offload }: PortSpec,
  dpu: DpuRecord,
): Exclude<Plan, { planned: true }> | undefined {
  const carried = overlayMtu(dpu);
  const refuse = (reason: Unplanned['reason'], message: string) =>
    ({ planned: false, reason, message }) as const;
  if (carried === undefined) return refuse('UnderlayUnknown', dpu.name);
  const needed = resource.spec.mtu ?? MIN_MTU;
  if (carried < needed) {
    return refuse('UnderlayTooSmall', `${dpu.name} carries ${carried} bytes, ${needed} are needed`);
  }
  if (offload === 'REQUIRED' && !dpu.hardwareOffload) {
    return refuse('NoHardware', `${dpu.name} cannot realise ports in hardware`);
  }
  return undefined;
}

/** What the port holds but may not use yet, because some DPU may still have it from a former holder. */
function quarantineOf(
  world: World,
  network: NetworkEntry,
  uid: Uid,
  { macAddress, addresses }: Allocation,
): Plan | undefined {
  const { metadata, status } = network.record.resource;
  const vni = status.segment?.segmentationId;
  const segment = vni !== undefined && world.segments.blocker(vni, metadata.uid);
  if (segment) return wait('SegmentQuarantined', `${vni} may still be used by ${namesOf(segment)}`);
  const blocker = (value: IpAddress | MacAddress, release: ReleaseEntry | undefined): Plan | undefined =>
    release && wait('AddressQuarantined', `${value} may still be used by ${namesOf(release)}`);
  const ofMac = blocker(macAddress, network.quarantinedMacAddresses.blocker(macAddress, uid));
  if (ofMac) return ofMac;
  for (const { ip } of addresses) {
    const ofIp = blocker(ip, network.quarantinedAddresses.blocker(ip, uid));
    if (ofIp) return ofIp;
  }
  return undefined;
}

/** DPUs that are named in a message. */
const MAX_NAMES = 3;

/** The DPUs that a release still waits for, for people. */
export function namesOf({ pending }: ReleaseEntry): string {
  const names = [...pending].sort();
  const more = names.length - MAX_NAMES;
  return more > 0 ? `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more DPUs` : names.join(', ');
}

/** What is known of a planned port's offload before the worker tells more. */
export function offloadOf({ offload }: PortSpec, dpu: DpuRecord): PortStatus['offload'] {
  if (offload === 'NEVER') return { state: 'SOFTWARE', reason: 'NotWanted' };
  return dpu.hardwareOffload ? undefined : { state: 'SOFTWARE', reason: 'NoHardware' };
}
