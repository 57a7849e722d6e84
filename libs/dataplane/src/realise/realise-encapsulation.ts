import type { BridgeDomain } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import type { DriverObject, Underlay } from '../driver.js';
import type { LinuxEnvironment } from './environment.js';
import { afterLink, gateKey, linkKey, NULL_MAC, tunnelEntryKey } from './linux-keys.js';
import { GENEVE_PORT, type LinuxSpec, VXLAN_PORT } from './linux-objects.js';
import { fabricName, geneveName, tunnelName, uplinkName, vlanName } from './names.js';
import type { Segment } from './segment.js';

/**
 * Bytes that tunnels add to an IP packet: Ethernet (14), VXLAN (RFC 7348) or GENEVE without options (RFC 8926, both 8),
 * UDP (8) and the outer IP header.
 */
const TUNNEL_OVERHEAD = { 4: 50, 6: 70 } as const;
const MAX_VNI = 0xffffff;
/** IEEE 802.1Q: 12 bits, of which 0 and 4095 are no VLANs. */
export const MAX_VLAN_ID = 4094;
/** What a device may be called on Linux; nothing of ours starts so. */
const DEVICE_NAME = /^[^\s/:]{1,15}$/;

type Encapsulation = Pick<BridgeDomain, 'networkUid' | 'networkType' | 'vni' | 'vlanId' | 'uplink' | 'mtu'>;

export const ipVersion = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4);

/** Whether networks of the type are carried by a fabric as they are. */
export const isOnFabric = (networkType: string): boolean => networkType === 'VLAN' || networkType === 'FLAT';

/** Tells what breaks a rule in how a bridge domain is encapsulated. No type means VXLAN. */
export function checkEncapsulation(
  { networkType, vni, vlanId, uplink }: Encapsulation,
  problems: Problems,
): void {
  if (!['', 'VXLAN', 'GENEVE', 'VLAN', 'FLAT'].includes(networkType)) {
    problems.add('networkType', 'must be VXLAN, GENEVE, VLAN or FLAT');
  } else if (!isOnFabric(networkType)) {
    if (vni < 1 || vni > MAX_VNI) problems.add('vni', `must be 1 to ${MAX_VNI}`);
  } else {
    if (!DEVICE_NAME.test(uplink)) problems.add('uplink', 'must be the name of a device');
    if (networkType === 'VLAN' && (vlanId < 1 || vlanId > MAX_VLAN_ID)) {
      problems.add('vlanId', `must be 1 to ${MAX_VLAN_ID}`);
    }
  }
}

/** Why the bridge domain cannot be had on this DPU; undefined: it can. */
export function obstacleOf(
  { networkType, uplink, mtu }: Encapsulation,
  { underlay, lacks }: Pick<LinuxEnvironment, 'underlay' | 'lacks'>,
): string | undefined {
  const lacking = lacks.get((networkType || 'VXLAN').toLowerCase());
  if (lacking !== undefined) return `this machine has no ${networkType.toLowerCase()}: ${lacking}`;
  if (isOnFabric(networkType)) {
    const takesAll = networkType === 'FLAT' && uplink === underlay?.device;
    return takesAll
      ? `${uplink} carries the tunnels of this DPU, and a FLAT network takes all of it`
      : undefined;
  }
  if (underlay === undefined) return 'there is no underlay for tunnels on this DPU';
  const overhead = TUNNEL_OVERHEAD[ipVersion(underlay.address)];
  if (mtu + overhead <= underlay.mtu) return undefined;
  const needed = `packets of ${mtu} bytes need ${mtu + overhead} when encapsulated`;
  return `${needed}, ${underlay.device} carries ${underlay.mtu}`;
}

/** What joins the bridge to the other DPUs or to a fabric. GENEVE has a device for each peer, and none before. */
export function encapsulationObjects(
  domain: Encapsulation,
  namespace: string,
  bridge: string,
  underlay: Underlay | undefined,
): readonly DriverObject<LinuxSpec>[] {
  switch (domain.networkType) {
    case 'GENEVE':
      return [];
    case 'VLAN':
      return [vlanObject(domain, namespace, bridge)];
    case 'FLAT':
      return flatObjects(domain, namespace, bridge);
    default:
      return [vxlanObject(domain, namespace, bridge, underlay?.address ?? '')];
  }
}

function vxlanObject(
  { networkUid, vni, mtu }: Encapsulation,
  namespace: string,
  bridge: string,
  local: string,
): DriverObject<LinuxSpec> {
  const name = tunnelName(networkUid, vni);
  const port = { learning: false, flood: false, neighbourSuppression: true };
  return {
    key: linkKey(name),
    spec: {
      kind: 'tunnel',
      namespace,
      name,
      bridge,
      vni,
      local,
      destinationPort: VXLAN_PORT,
      mtu,
      up: true,
      ...port,
    },
    after: [linkKey(bridge)],
  };
}

function vlanObject(
  { networkUid, uplink, vlanId, mtu }: Encapsulation,
  namespace: string,
  bridge: string,
): DriverObject<LinuxSpec> {
  const name = vlanName(networkUid, uplink, vlanId);
  const port = { bridge, learning: true, flood: true };
  return {
    key: linkKey(name),
    spec: { kind: 'vlan', namespace, name, uplink, vlanId, mtu, up: true, ...port },
    after: [linkKey(bridge)],
    requires: [linkKey(uplink)],
  };
}

/** A veth from the DPU's namespace to the bridge, and a redirect each way between it and the uplink, as ports have. */
function flatObjects(
  { networkUid, uplink, mtu }: Encapsulation,
  namespace: string,
  bridge: string,
): readonly DriverObject<LinuxSpec>[] {
  const [veth, port] = [uplinkName(networkUid, uplink), fabricName(networkUid, uplink)];
  const ends = [linkKey(veth), linkKey(port)];
  const requires = [linkKey(uplink)];
  return [
    {
      key: linkKey(veth),
      spec: { kind: 'veth', name: veth, namespace, peer: port, mtu, up: true },
      after: [linkKey(bridge)],
    },
    {
      key: linkKey(port),
      spec: { kind: 'port', namespace, name: port, bridge, mtu, up: true, learning: true, flood: true },
      after: ends.slice(0, 1).concat(linkKey(bridge)),
      within: linkKey(veth),
    },
    {
      key: gateKey(uplink),
      spec: { kind: 'gate', device: uplink, target: veth, passTagged: true, promiscuous: true },
      after: ends,
      requires,
    },
    {
      key: gateKey(veth),
      spec: { kind: 'gate', device: veth, target: uplink },
      after: ends,
      requires,
      within: linkKey(veth),
    },
  ];
}

/** The bridge's port behind which the peer is. */
export const deviceTowards = ({ networkUid, networkType, vni }: Segment, remote: string): string =>
  networkType === 'GENEVE' ? geneveName(networkUid, vni, remote) : tunnelName(networkUid, vni);

/** What lets the bridge reach a peer with what goes to all. */
export function peerObjects(segment: Segment, remote: string): readonly DriverObject<LinuxSpec>[] {
  const { namespace, bridge, networkType, vni, mtu } = segment;
  const name = deviceTowards(segment, remote);
  if (networkType !== 'GENEVE') return [tunnelEntry(namespace, name, NULL_MAC, remote)];
  const port = { bridge, learning: false, flood: false, neighbourSuppression: true, isolated: true };
  const tunnel = { vni, remote, destinationPort: GENEVE_PORT };
  return [
    {
      key: linkKey(name),
      spec: { kind: 'geneve', namespace, name, ...tunnel, mtu, up: true, ...port },
      after: [linkKey(bridge)],
    },
  ];
}

/** Where a VXLAN device sends what is for a remote address, also for those that the port may use besides its own. */
export function remoteEntries(
  segment: Segment,
  remote: string,
  mac: string,
  others: Iterable<string>,
): readonly DriverObject<LinuxSpec>[] {
  // A GENEVE device leads to one peer.
  if (segment.networkType === 'GENEVE') return [];
  const tunnel = deviceTowards(segment, remote);
  const guessed = [...others].map(
    (other): DriverObject<LinuxSpec> => ({
      ...tunnelEntry(segment.namespace, tunnel, other, remote),
      guess: true,
    }),
  );
  return [tunnelEntry(segment.namespace, tunnel, mac, remote), ...guessed];
}

function tunnelEntry(
  namespace: string,
  tunnel: string,
  mac: string,
  destination: string,
): DriverObject<LinuxSpec> {
  return {
    key: tunnelEntryKey(tunnel, mac, destination),
    spec: { kind: 'tunnelentry', namespace, tunnel, mac, destination },
    after: afterLink(tunnel),
    within: linkKey(tunnel),
  };
}
