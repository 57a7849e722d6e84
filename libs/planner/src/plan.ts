import {
  type ConditionUpdateOf,
  type FunctionIdentity,
  findCondition,
  functionIdentityKey,
  type IpAddress,
  ipFamily,
  type MacAddress,
  type Mtu,
  type Name,
  type PortAddressStatus,
  type PortSpec,
  type PortStatus,
  segmentText,
  type Uid,
} from '@outboard/model';
import type { NetworkEntry, PortEntry } from './entries.js';
import type { ReleaseEntry } from './quarantine.js';
import type { DpuRecord } from './records.js';
import { nameKey, type World } from './world.js';

/**
 * What tunnels add to an IP packet, in bytes, over IPv4 and IPv6: the inner Ethernet header (14), VXLAN (8, RFC 7348) or
 * GENEVE without options (8, RFC 8926), UDP (8) and the outer IP header (20 or 40).
 */
const TUNNEL_OVERHEAD = {
  VXLAN: { 4: 50, 6: 70 },
  GENEVE: { 4: 50, 6: 70 },
} as const;
type TunnelType = keyof typeof TUNNEL_OVERHEAD;

/** RFC 8200: every link that carries IPv6 takes this. */
const MIN_MTU = 1280;
const MAX_MTU = 9000;

/** Whether tunnels can reach the DPU. */
export const hasUnderlay = ({ tunnelEndpoint, underlayMtu }: DpuRecord): boolean =>
  tunnelEndpoint !== undefined && underlayMtu !== undefined;

/**
 * Largest IP packet that a network can carry on the DPU: of its physical network, or over the underlay. Undefined: the
 * underlay is not known.
 */
export function carriedMtu(
  { physical, record }: NetworkEntry,
  { tunnelEndpoint, underlayMtu }: DpuRecord,
): number | undefined {
  if (physical) return physical.record.resource.spec.mtu;
  if (tunnelEndpoint === undefined || underlayMtu === undefined) return undefined;
  const type = (record.resource.status.segment?.networkType ?? 'VXLAN') as TunnelType;
  return Math.min(underlayMtu - TUNNEL_OVERHEAD[type][ipFamily(tunnelEndpoint)], MAX_MTU);
}

/** The MTU that the network has: the asked one, or what the smallest underlay of its DPUs carries. */
export function effectiveMtu(network: NetworkEntry): Mtu | undefined {
  const { record, members, physical } = network;
  const asked = record.resource.spec.mtu;
  if (physical) return asked ?? physical.record.resource.spec.mtu;
  if (asked !== undefined || members.size === 0) return asked;
  let smallest = MAX_MTU;
  for (const { dpu } of members.values()) {
    smallest = Math.min(smallest, carriedMtu(network, dpu.record) ?? MAX_MTU);
  }
  return smallest as Mtu;
}

/** The MTU that the network has as soon as the DPU takes part in it. */
function mtuOn(network: NetworkEntry, dpu: DpuRecord): number | undefined {
  const carried = carriedMtu(network, dpu);
  const asked = network.record.resource.spec.mtu;
  if (asked !== undefined || network.physical) return asked ?? carried;
  return carried && Math.min(carried, effectiveMtu(network) ?? MAX_MTU);
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
  former: PortStatus | undefined,
  override?: DpuOverride,
): Plan {
  const { parent, identity } = connectionOf(world, network, spec);
  if (spec.trunk && !(parent && isConnected(parent))) {
    return wait('ParentNotConnected', `port ${spec.trunk.parent}`);
  }
  if (!identity) return wait('NoFunction');
  const found = world.functions.withIdentity(functionIdentityKey(identity));
  if (!found) return wait('FunctionUnknown', `no DPU has shown ${functionIdentityKey(identity)}`);
  const dpu = override?.name === found.dpu ? override.record : world.dpus.get(found.dpu)?.record;
  // A VLAN is where its parent is.
  if (dpu?.schedulable === false && !spec.trunk && !isOn(dpu, former)) {
    return wait('DpuUnschedulable', `${dpu.name} takes no new ports: see its lifecycle`);
  }
  if (found.representor === undefined) return wait('RepresentorUnknown', `${found.dpu}: ${found.name}`);
  if (!dpu)
    return wait('FunctionUnknown', `${found.name} is of ${found.dpu}, which is not known or not in use`);
  const obstacle = obstacleOf(world, network, spec, dpu) ?? quarantineOf(world, network, uid, allocation);
  return obstacle ?? { planned: true, dpu, representor: found.representor };
}

/** Whether ports that are VLANs of it can be. */
const isConnected = ({ placement, record }: PortEntry): boolean =>
  placement !== undefined && record.resource.spec.adminState === 'UP';

/** By whose function a port is connected. `parent`: of which it is a VLAN. */
export function connectionOf(
  world: World,
  network: NetworkEntry,
  { function: own, trunk }: PortSpec,
): { readonly parent: PortEntry | undefined; readonly identity: FunctionIdentity | undefined } {
  if (!trunk) return { parent: undefined, identity: own };
  const parent = world.ports.get(nameKey(network.record.resource.metadata.tenant, trunk.parent));
  return { parent, identity: parent?.record.resource.spec.function };
}

/**
 * Whether a port that was planned before is on the DPU, also while it waits there for something: a DPU that takes no new
 * ports keeps those that it has.
 */
function isOn({ name }: DpuRecord, former: PortStatus | undefined): boolean {
  if (former?.dpu !== undefined) return former.dpu === name;
  const reason = former && findCondition(former.conditions, 'Planned')?.reason;
  return reason === 'RepresentorUnknown' || reason === 'UnderlayUnknown' || reason === 'UnderlayTooSmall';
}

/** What the DPU lacks for the port. */
export function obstacleOf(
  world: World,
  network: NetworkEntry,
  portSpec: PortSpec,
  dpu: DpuRecord,
): Exclude<Plan, { planned: true }> | undefined {
  const { physical, record } = network;
  const { spec, status } = record.resource;
  const refuse = (reason: Unplanned['reason'], message: string) =>
    ({ planned: false, reason, message }) as const;
  const networkType = status.segment?.networkType ?? 'VXLAN';
  if (!dpu.encapsulations.includes(networkType)) {
    return refuse('EncapsulationUnsupported', `${dpu.name} cannot realise ${networkType}`);
  }
  if (physical && !world.physicalNetworks.uplink(physical, dpu)) {
    return refuse('NotAttached', `${dpu.name} has no uplink to ${physical.record.resource.metadata.name}`);
  }
  const carried = carriedMtu(network, dpu);
  if (carried === undefined) return refuse('UnderlayUnknown', dpu.name);
  const needed = spec.mtu ?? MIN_MTU;
  if (carried < needed) {
    return refuse('UnderlayTooSmall', `${dpu.name} carries ${carried} bytes, ${needed} are needed`);
  }
  if (portSpec.offload === 'REQUIRED' && !dpu.hardwareOffload) {
    return refuse('NoHardware', `${dpu.name} cannot realise ports in hardware`);
  }
  if (!portSpec.trunk) return undefined;
  if (!dpu.trunks) return refuse('TrunkUnsupported', `${dpu.name} cannot connect ports as VLANs of others`);
  const { parent } = connectionOf(world, network, portSpec);
  const [own, most] = [mtuOn(network, dpu), parent && mtuOn(parent.network, dpu)];
  if (own !== undefined && most !== undefined && own > most) {
    const message = `port ${portSpec.trunk.parent} has ${most} bytes, the network ${own}`;
    return refuse('ParentMtuTooSmall', message);
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
  const { segment } = status;
  const release = segment && world.segments.blocker(segment, metadata.uid);
  if (release) {
    return wait('SegmentQuarantined', `${segmentText(segment)} may still be used by ${namesOf(release)}`);
  }
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
