import type { DriverObject } from '../driver.js';
import { contains, formatPrefix, parsePrefix } from './addresses.js';
import { type Bandwidth, bucketOf, bytesPerSecondOf } from './bandwidth.js';
import { gateKey, guardKey, linkKey, rateKey, senderKey } from './linux-keys.js';
import type { LinuxSpec } from './linux-objects.js';
import { portName, vethName } from './names.js';
import type { Offload } from './offload.js';
import { steeringObjects } from './realise-steering.js';
import { type Member, memberEntries, otherMacs, pairEntries, type Segment } from './segment.js';
import type { Steering } from './service-chain.js';

/** An Endpoint whose fields are parsed. */
export interface ParsedEndpoint extends Member {
  readonly portUid: string;
  readonly representor: string;
  readonly adminUp: boolean;
  readonly bandwidth: Bandwidth;
  readonly offload: Offload;
  readonly steerings: readonly Steering[];
}

/**
 * An attached port: a veth into the router's namespace, what the bridge knows about it, what it may send as, who it is
 * to policies and which apply (`policies`), how fast it may be, and last the gates (each side's traffic redirected to the other) and the representor, which comes up when all that is there.
 * Administratively down, the gates are closed and both sides are down.
 */
export function realiseEndpoint(
  endpoint: ParsedEndpoint,
  segment: Segment,
  policies: readonly DriverObject<LinuxSpec>[],
): readonly DriverObject<LinuxSpec>[] {
  const { portUid, representor, adminUp, mac, addresses, pairs, bandwidth } = endpoint;
  const { networkUid, namespace, bridge, mtu } = segment;
  const [veth, port] = [vethName(portUid, networkUid), portName(portUid, networkUid)];
  const senders = senderObjects(endpoint, namespace, port);
  // Another port may answer for an address that several share: then only learning tells where it is now.
  const shared = otherMacs(mac, pairs).size > 0;
  // What the veth sends is what comes from the port, what the representor sends goes to it.
  const rates = [
    ...rateObjects(veth, bandwidth.egressKbps, veth),
    ...rateObjects(representor, bandwidth.ingressKbps),
  ];
  // Guesses that several ports make are nobody's: the gate does not wait for what never comes.
  const certain = [...senders, ...policies, ...rates].filter(({ guess }) => !guess);
  const steering = steeringObjects({ ...endpoint, veth }, endpoint.steerings);
  const guarded = [linkKey(veth), linkKey(port), ...certain.map(({ key }) => key), ...steering.closures];
  const gates = [
    gate(representor, veth, guarded, endpoint),
    { ...gate(veth, representor, guarded, endpoint), within: linkKey(veth) },
  ];
  return [
    {
      key: linkKey(veth),
      spec: { kind: 'veth', name: veth, namespace, peer: port, mtu, up: adminUp },
      after: [linkKey(bridge)],
    },
    {
      key: linkKey(port),
      spec: { kind: 'port', namespace, name: port, bridge, mtu, up: true, learning: shared, flood: shared },
      after: [linkKey(veth), linkKey(bridge)],
      within: linkKey(veth),
    },
    ...memberEntries(namespace, bridge, port, mac, addresses),
    ...pairEntries(namespace, bridge, port, endpoint),
    ...senders,
    ...policies,
    ...rates,
    ...(adminUp ? [...steering.objects, ...gates] : []),
    {
      key: linkKey(representor),
      spec: { kind: 'representor', name: representor, mtu, up: adminUp },
      after: adminUp ? gates.map(({ key }) => key) : [],
    },
  ];
}

function rateObjects(device: string, kbps: number, within?: string): DriverObject<LinuxSpec>[] {
  if (kbps === 0) return [];
  const bytesPerSecond = bytesPerSecondOf(kbps);
  const { limit } = bucketOf(bytesPerSecond);
  return [
    {
      key: rateKey(device),
      spec: { kind: 'rate', device, bytesPerSecond, limit },
      after: [],
      requires: [linkKey(device)],
      ...(within !== undefined && { within: linkKey(within) }),
    },
  ];
}

function gate(
  device: string,
  target: string,
  after: readonly string[],
  { representor, offload }: ParsedEndpoint,
): DriverObject<LinuxSpec> {
  const spec = { kind: 'gate', device, target, offload } as const;
  return { key: gateKey(device), spec, after, requires: [linkKey(representor)] };
}

function senderObjects(
  { mac, addresses, pairs }: ParsedEndpoint,
  namespace: string,
  port: string,
): DriverObject<LinuxSpec>[] {
  const own = addresses.flatMap((address) => parsePrefix(address) ?? []);
  const senders = [...own.map((source) => ({ mac, source })), ...pairs];
  const sender = (mac: string, source: string | undefined): DriverObject<LinuxSpec> => ({
    key: senderKey(namespace, port, mac, source),
    spec: { kind: 'sender', namespace, port, mac, ...(source === undefined ? {} : { source }) },
    after: [guardKey(namespace, 'ports')],
    within: guardKey(namespace, 'ports'),
  });
  const macs = new Set([mac, ...senders.map((each) => each.mac)]);
  const sources = senders
    // nftables refuses overlapping intervals, and the wider one says it all.
    .filter(({ mac, source }) =>
      senders.every(
        (other) =>
          other.mac !== mac || other.source.length === source.length || !contains(other.source, source),
      ),
    )
    .map(({ mac, source }) =>
      sender(mac, source.length === source.bits ? source.address : formatPrefix(source)),
    );
  const unique = new Map(
    [...macs]
      .map((each) => sender(each, undefined))
      .concat(sources)
      .map((object) => [object.key, object]),
  );
  return [...unique.values()];
}
