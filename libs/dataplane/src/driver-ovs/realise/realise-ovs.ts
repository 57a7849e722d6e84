import type {
  AddressGroup,
  BridgeDomain,
  DataplaneObject,
  Endpoint,
  HostConfiguration,
  InterfaceAddress,
  RemoteEndpoint,
  Route,
  RuleSet,
  TunnelPeer,
} from '@outboard/contracts';
import { AppError, Problems } from '@outboard/core';
import type { DriverObject, HopIsUp, Realisation, Resolve, Underlay } from '../../driver.js';
import {
  hostConfigurationKey,
  hostConfigurationOf,
  realiseHostConfiguration,
  responderObjects,
} from '../../host-configuration/realise-responder.js';
import { canonicalAddress, parsePrefix } from '../../realise/addresses.js';
import { bandwidthObstacle } from '../../realise/bandwidth.js';
import { ruleSetsOf } from '../../realise/judgement.js';
import { linkKey } from '../../realise/linux-keys.js';
import { GENEVE_PORT, VXLAN_PORT } from '../../realise/linux-objects.js';
import { offloadObstacle, offloadOf } from '../../realise/offload.js';
import { checkNamedPorts } from '../../realise/parse-member.js';
import { MIN_MTU } from '../../realise/realise.js';
import { IPV6_EGRESS, realiseEgress, waysOutUnless } from '../../realise/realise-egress.js';
import { checkEncapsulation, isOnFabric, obstacleOf } from '../../realise/realise-encapsulation.js';
import { ROUTER_KEY } from '../../realise/realise-route.js';
import { domainOnly } from '../../realise/segment.js';
import { type Steering, steeringsOf } from '../../realise/service-chain.js';
import { checkVlanId, TRUNK, trunkObstacle } from '../../realise/trunk.js';
import { addressPairs, ipAddresses, macAddress, tunnelDestination } from '../../realise/values.js';
import { ofRepresentor, ofVlan } from './connection.js';
import { connectionObjects } from './connections.js';
import { endpointObjects } from './endpoint.js';
import { gatewayObjects } from './gateway.js';
import {
  flowObject,
  memberFlows,
  pairObjects,
  peerMember,
  peerObjects,
  reachObjects,
  wayTo,
} from './members.js';
import {
  groupKey,
  identity,
  type OvsSpec,
  PIPELINE_KEY,
  portKey,
  TABLE,
  TUNNEL_PORTS,
  UPLINK_PATCH,
  VLAN_PRESENT,
} from './ovs-objects.js';
import { FROM_HERE, FROM_OUTSIDE, PIPELINE, PIPELINE_REVISION } from './pipeline.js';
import { forwardingObjects, interfaceAddressObjects, neighbourObjects } from './placed.js';
import { policyObjects } from './policy.js';
import { chainObjects } from './port-policies.js';
import { routeObjects } from './route.js';
import { floodGroup, type Segment, type Tunnel } from './segment.js';
import { groupObjects, memberObjects, namedPortObjects } from './sets.js';
import { wayOutIpv4, wayOutIpv6 } from './way-out.js';

/** What the realisation depends on besides the objects. */
export interface OvsEnvironment {
  readonly underlay: Underlay | undefined;
  /** Names of capabilities that the switch lacks, each with the reason. */
  readonly lacks: ReadonlyMap<string, string>;
  /** Of the hops of service chains; absent: all are. */
  readonly isUp?: HopIsUp;
}

type Objects = readonly DriverObject<OvsSpec>[];

/** One neutral object on Open vSwitch; a pure function. Throws AppError INVALID_ARGUMENT with every problem of it. */
export function realiseOvs(
  key: string,
  { object, source }: DataplaneObject,
  resolve: Resolve,
  environment: OvsEnvironment,
): Realisation<OvsSpec> {
  switch (object.case) {
    case 'router':
      return realised([pipelineObject]);
    case 'bridgeDomain':
      return bridgeDomain(object.value, environment);
    case 'tunnelPeer':
      return inSegment(object.value.networkUid, resolve, (segment) =>
        tunnelPeer(object.value, segment, environment),
      );
    case 'endpoint': {
      const obstacle =
        bandwidthObstacle(object.value, environment.lacks) ??
        offloadObstacle(object.value, environment.lacks) ??
        trunkObstacle(object.value, environment.lacks.get(TRUNK));
      if (obstacle !== undefined) return unsupported(obstacle);
      return endpoint(object.value, source?.name ?? '', resolve, environment);
    }
    // It becomes what its ports' traffic is steered by.
    case 'serviceChain':
      return realised([]);
    case 'hostConfiguration':
      return realiseHostConfiguration(object.value);
    case 'remoteEndpoint':
      return inSegment(object.value.networkUid, resolve, (segment) =>
        remoteEndpoint(object.value, segment, environment),
      );
    case 'routerInterface':
      return inSegment(object.value.networkUid, resolve, (segment) => gatewayObjects(object.value, segment));
    case 'route':
      return route(object.value);
    case 'egressGateway':
      return realiseEgress(
        object.value,
        environment.underlay,
        waysOutUnless(environment.lacks.get(IPV6_EGRESS), wayOutIpv4, wayOutIpv6),
      );
    case 'neighbour':
      return inSegment(object.value.networkUid, resolve, (segment) =>
        neighbourObjects(object.value, segment),
      );
    case 'forwardingEntry':
      return inSegment(object.value.networkUid, resolve, (segment) =>
        forwardingObjects(object.value, segment, environment.underlay),
      );
    case 'interfaceAddress':
      return interfaceAddress(object.value, resolve);
    case 'ruleSet':
      return policyObjects(object.value, resolve, routerNumber);
    case 'addressGroup':
      return addressGroup(key, object.value);
    case 'addressGroupMember':
      return memberObjects(object.value, resolve, routerNumber);
    default:
      return unsupported('this driver does not know this kind of object');
  }
}

/** Stands for a router, by its key. */
const routerNumber = (key: string): string => identity('router', key);

const realised = (objects: Objects, references: readonly string[] = []): Realisation<OvsSpec> => ({
  kind: 'realised',
  objects,
  references,
});
const unsupported = (why: string): Realisation<OvsSpec> => ({ kind: 'unsupported', why, references: [] });

const pipelineObject: DriverObject<OvsSpec> = {
  key: PIPELINE_KEY,
  spec: { kind: 'pipeline', revision: PIPELINE_REVISION, flows: PIPELINE.length },
  after: [],
};

/** For members of a network: needs the network's bridge domain, and is realised anew when that changes. */
function inSegment(
  networkUid: string,
  resolve: Resolve,
  objects: (segment: Segment) => Objects,
): Realisation<OvsSpec> {
  const references = domainOnly(networkUid);
  const [key] = references;
  const domain = resolve(key)?.object;
  if (domain?.case !== 'bridgeDomain') return { kind: 'missing', dependency: key, references };
  return realised(objects(segmentOf(domain.value)), references);
}

function segmentOf({ networkUid, router, mtu, vni, networkType }: BridgeDomain): Segment {
  const tunnel: Tunnel | undefined = isOnFabric(networkType)
    ? undefined
    : { port: networkType === 'GENEVE' ? TUNNEL_PORTS.geneve : TUNNEL_PORTS.vxlan, vni };
  const metadata = identity('network', networkUid);
  return { networkUid, metadata, router: routerNumber(router), mtu, tunnel };
}

/** Needs the gateway, too: the address is another one of it. */
function interfaceAddress(address: InterfaceAddress, resolve: Resolve): Realisation<OvsSpec> {
  const { networkUid } = address;
  const key = `routerinterface/${networkUid}`;
  const gateway = resolve(key)?.object;
  if (gateway?.case !== 'routerInterface') return { kind: 'missing', dependency: key, references: [key] };
  const realisation = inSegment(networkUid, resolve, (segment) =>
    interfaceAddressObjects(address, gateway.value, segment),
  );
  return { ...realisation, references: [...realisation.references, key] };
}

function bridgeDomain(domain: BridgeDomain, environment: OvsEnvironment): Realisation<OvsSpec> {
  const { underlay } = environment;
  const segment = segmentOf(domain);
  const problems = new Problems();
  if (!ROUTER_KEY.test(domain.router)) problems.add('router', 'must be the key of a Router');
  if (domain.mtu < MIN_MTU) problems.add('mtu', `must be at least ${MIN_MTU}`);
  checkEncapsulation(domain, problems);
  if (problems.total > 0) throw problems.toError();
  const obstacle = obstacleOf(domain, environment);
  if (obstacle !== undefined) return unsupported(obstacle);
  const group = floodGroup(segment);
  const connections = connectionObjects(segment.metadata, segment.router);
  return realised([
    pipelineObject,
    ...connections,
    { key: groupKey(group), spec: { kind: 'group', id: group, type: 'all' }, after: [] },
    flowObject(
      TABLE.FORWARD,
      10,
      { metadata: segment.metadata, eth_dst: '01:00:00:00:00:00/01:00:00:00:00:00' },
      [{ group }],
      [groupKey(group)],
    ),
    ...(segment.tunnel === undefined
      ? uplinkObjects(domain, segment, underlay?.device)
      : tunnelObjects(segment, segment.tunnel, underlay?.address ?? '')),
  ]);
}

/** The tunnel port, one for all networks, and what comes in by it with the network's identifier. */
function tunnelObjects({ metadata }: Segment, { port, vni }: Tunnel, address: string): Objects {
  const type = port === TUNNEL_PORTS.geneve ? 'geneve' : 'vxlan';
  const options = {
    key: 'flow',
    remote_ip: 'flow',
    local_ip: address,
    dst_port: String(type === 'geneve' ? GENEVE_PORT : VXLAN_PORT),
  };
  const spec: OvsSpec = { kind: 'port', name: port, type, options, attached: true };
  return [
    { key: portKey(port), spec, after: [] },
    flowObject(
      TABLE.INGRESS,
      20,
      { in_port: port, tun_id: vni },
      [{ set: 'metadata', to: metadata }, FROM_OUTSIDE, { goto: TABLE.TRACKING }],
      [portKey(port), PIPELINE_KEY],
    ),
  ];
}

/** A network on a device of the DPU: what is unknown, and what is for all, goes there; what comes from there does not. */
function uplinkObjects(domain: BridgeDomain, segment: Segment, underlayDevice: string | undefined): Objects {
  const { uplink, vlanId, networkType } = domain;
  const { metadata } = segment;
  const tagged = networkType === 'VLAN';
  const shared = uplink === underlayDevice;
  const name = shared ? UPLINK_PATCH.integration : uplink;
  const member = identity('uplink', uplink);
  const vlan = tagged ? VLAN_PRESENT + vlanId : 0;
  return [
    {
      key: portKey(name),
      spec: {
        kind: 'port',
        name,
        type: shared ? 'patch' : 'system',
        options: shared ? { peer: UPLINK_PATCH.underlay } : {},
        attached: true,
      },
      after: [],
      requires: shared ? [] : [linkKey(uplink)],
    },
    flowObject(
      TABLE.INGRESS,
      20,
      { in_port: name, vlan_vid: vlan },
      [
        ...(tagged ? ([{ popVlan: true }] as const) : []),
        { set: 'metadata', to: metadata },
        FROM_OUTSIDE,
        { goto: TABLE.TRACKING },
      ],
      [portKey(name), PIPELINE_KEY],
    ),
    ...reachObjects(
      segment,
      member,
      FROM_HERE,
      [
        { resubmit: TABLE.COMMIT },
        ...(tagged ? ([{ pushVlan: true }, { set: 'vlan_vid', to: vlan }] as const) : []),
        { output: name },
      ],
      [portKey(name)],
    ),
    flowObject(TABLE.FORWARD, 5, { metadata }, [{ set: 'xreg0', to: member }, { goto: TABLE.OUTPUT }], []),
  ];
}

function tunnelPeer({ tunnelEndpoint }: TunnelPeer, segment: Segment, { underlay }: OvsEnvironment): Objects {
  const problems = new Problems();
  const destination = tunnelDestination(tunnelEndpoint, underlay, problems);
  if (segment.tunnel === undefined) problems.add('networkUid', 'must be of a network with tunnels');
  if (problems.total > 0) throw problems.toError();
  return peerObjects(segment, destination);
}

function remoteEndpoint(remote: RemoteEndpoint, segment: Segment, { underlay }: OvsEnvironment): Objects {
  const problems = new Problems();
  const mac = macAddress('macAddress', remote.macAddress, problems);
  const addresses = ipAddresses(remote.ipAddresses, problems);
  const pairs = addressPairs(remote.allowedAddressPairs, mac, problems);
  const destination = tunnelDestination(remote.tunnelEndpoint, underlay, problems);
  if (segment.tunnel === undefined) problems.add('networkUid', 'must be of a network with tunnels');
  if (problems.total > 0) throw problems.toError();
  const member = peerMember(destination);
  return [
    ...wayTo(segment, destination),
    ...memberFlows(segment, member, mac, addresses),
    ...pairObjects(segment, member, { mac, addresses, pairs }),
  ];
}

/**
 * With what it is told. Waits for the rule sets that apply to it and for its service chains: without one of them nothing of
 * the port is there.
 */
function endpoint(
  value: Endpoint,
  name: string,
  resolve: Resolve,
  { isUp }: OvsEnvironment,
): Realisation<OvsSpec> {
  const { networkUid } = value;
  const told = hostConfigurationOf(networkUid, resolve);
  const policies = ruleSetsOf(value, resolve);
  const chains = steeringsOf(value, resolve, isUp);
  const missing = (dependency: string) => ({ kind: 'missing', dependency, references: [] }) as const;
  let realisation: Realisation<OvsSpec>;
  if (policies.kind === 'missing') realisation = missing(policies.key);
  else if (chains.kind === 'missing') realisation = missing(chains.key);
  else
    realisation = inSegment(networkUid, resolve, (segment) =>
      portObjects(value, segment, policies.ruleSets, { name, told, steerings: chains.steerings }),
    );
  const references = [
    ...realisation.references,
    ...value.ruleSets,
    ...chains.references,
    hostConfigurationKey(networkUid),
  ];
  return { ...realisation, references };
}

interface EndpointSurroundings {
  readonly name: string;
  readonly told: HostConfiguration | undefined;
  readonly steerings: readonly Steering[];
}

function portObjects(
  value: Endpoint,
  segment: Segment,
  ruleSets: readonly RuleSet[],
  { name, told, steerings }: EndpointSurroundings,
): Objects {
  const problems = new Problems();
  const { portUid, representor, adminUp, vlanId } = value;
  checkVlanId(vlanId, problems);
  if (!/^[^\s/:]{1,15}$/.test(representor)) problems.add('representor', 'must be the name of a device');
  const mac = macAddress('macAddress', value.macAddress, problems);
  const addresses = ipAddresses(value.ipAddresses, problems);
  const pairs = addressPairs(value.allowedAddressPairs, mac, problems);
  checkNamedPorts(value.namedPorts, problems);
  const offload = offloadOf(value.offload, problems);
  if (problems.total > 0) throw problems.toError();
  const prefixes = addresses.flatMap((address) => parsePrefix(address) ?? []);
  const named = prefixes.flatMap((each) => namedPortObjects(segment.router, each, value.namedPorts));
  const chains = chainObjects(value, segment, ruleSets);
  const { ingressKbps, egressKbps } = value;
  const bandwidth = { ingressKbps, egressKbps };
  const connection = vlanId === 0 ? ofRepresentor(representor) : ofVlan(portUid, representor, vlanId);
  const { device } = connection;
  return [
    ...named,
    ...endpointObjects(
      { portUid, representor: device, adminUp, mac, addresses, pairs, bandwidth, offload, steerings },
      connection,
      segment,
      chains,
    ),
    ...responderObjects({ representor, vlanId, adminUp, mac, addresses, name, mtu: segment.mtu }, told),
  ];
}

function addressGroup(key: string, { router }: AddressGroup): Realisation<OvsSpec> {
  if (!ROUTER_KEY.test(router))
    throw AppError.invalid([{ field: 'router', description: 'must be the key of a Router' }]);
  return realised([pipelineObject, ...groupObjects(key)]);
}

function route({ router, destination, nextHops, mtu }: Route): Realisation<OvsSpec> {
  const problems = new Problems();
  if (!ROUTER_KEY.test(router)) problems.add('router', 'must be the key of a Router');
  const prefix = parsePrefix(destination);
  if (prefix === undefined) problems.add('destination', 'must be an IPv4 or IPv6 prefix');
  const hops = nextHops.map(({ gateway, weight, networkUid }, index) => {
    const address = canonicalAddress(gateway);
    if (address === undefined) problems.add(`nextHops[${index}].gateway`, 'must be an IP address');
    if (weight < 1 || weight > 256) problems.add(`nextHops[${index}].weight`, 'must be 1 to 256');
    return { gateway: address ?? '', weight, networkUid };
  });
  if (problems.total > 0 || prefix === undefined) throw problems.toError();
  if (hops.some(({ networkUid }) => networkUid === ''))
    return unsupported('a next hop must name the network that its gateway is on');
  if (mtu > 0) return unsupported('Open vSwitch neither splits packets nor answers those that are too large');
  return realised([pipelineObject, ...routeObjects(identity('router', router), prefix, hops)]);
}
