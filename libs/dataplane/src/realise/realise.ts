import type {
  BridgeDomain,
  DataplaneObject,
  Endpoint,
  HostConfiguration,
  RemoteEndpoint,
  RouterInterface,
  RuleSet,
  TunnelPeer,
} from '@outboard/contracts';
import { Problems, unreachable } from '@outboard/core';
import type { DriverObject, Realisation, Resolve } from '../driver.js';
import {
  hostConfigurationKey,
  hostConfigurationOf,
  realiseHostConfiguration,
  responderObjects,
} from '../host-configuration/realise-responder.js';
import { GATEWAY_LINK_LOCAL } from '../host-configuration/responder-spec.js';
import { type Prefix, parsePrefix } from './addresses.js';
import { bandwidthObstacle } from './bandwidth.js';
import type { LinuxEnvironment } from './environment.js';
import { fixedTable } from './fixed-table-objects.js';
import { ROUTER_TABLES } from './fixed-tables.js';
import { isPoliced, ruleSetsOf } from './judgement.js';
import { guardKey, linkKey, namespaceKey } from './linux-keys.js';
import type { LinuxSpec } from './linux-objects.js';
import { bridgeMac, bridgeName, namespaceName } from './names.js';
import { offloadObstacle, offloadOf } from './offload.js';
import { checkNamedPorts } from './parse-member.js';
import { elsewhereObjects, portPolicyObjects } from './port-policies.js';
import { IPV6_EGRESS, linuxWaysOut, realiseEgress } from './realise-egress.js';
import {
  checkEncapsulation,
  deviceTowards,
  encapsulationObjects,
  isOnFabric,
  obstacleOf,
  peerObjects,
  remoteEntries,
} from './realise-encapsulation.js';
import { realiseEndpoint } from './realise-endpoint.js';
import {
  addressObject,
  forwardingObjects,
  interfaceAddressObjects,
  neighbourObjects,
} from './realise-placed.js';
import { addressGroupMember, addressGroupObjects, ruleSet } from './realise-policy.js';
import { ROUTER_KEY, routeObject } from './realise-route.js';
import {
  domainOnly,
  type Member,
  memberEntries,
  otherMacs,
  pairEntries,
  pairNeighbours,
  type Segment,
} from './segment.js';
import { type Steering, steeringObstacle, steeringsOf } from './service-chain.js';
import { LINUX_TRUNK, trunkObstacle } from './trunk.js';
import { addressPairs, ipAddresses, macAddress, tunnelDestination } from './values.js';

export const MIN_MTU = 1280;

/** One neutral object on Linux; a pure function. Throws AppError INVALID_ARGUMENT with every problem of the object. */
export function realiseLinux(
  key: string,
  { object, source }: DataplaneObject,
  resolve: Resolve,
  environment: LinuxEnvironment,
): Realisation<LinuxSpec> {
  switch (object.case) {
    case 'router':
      return realised(
        namespaceObjects(`router/${object.value.tenant}/${object.value.name}`, environment.dpu),
      );
    case 'bridgeDomain':
      return bridgeDomain(object.value, resolve, environment);
    case 'tunnelPeer':
      return inSegment(object.value.networkUid, resolve, environment, (segment) =>
        tunnelPeerObjects(object.value, segment, environment),
      );
    case 'endpoint':
      return endpoint(object.value, source?.name ?? '', resolve, environment);
    case 'remoteEndpoint':
      return inSegment(object.value.networkUid, resolve, environment, (segment) =>
        remoteEndpointObjects(object.value, segment, environment),
      );
    case 'route':
      return realised([routeObject(object.value, environment.dpu)]);
    case 'routerInterface':
      return inSegment(object.value.networkUid, resolve, environment, (segment) =>
        gatewayObjects(object.value, segment),
      );
    case 'hostConfiguration':
      return realiseHostConfiguration(object.value);
    case 'egressGateway':
      return realiseEgress(
        object.value,
        environment.underlay,
        linuxWaysOut(namespaceName(environment.dpu, object.value.router), environment.lacks.get(IPV6_EGRESS)),
      );
    case 'neighbour':
      return inSegment(object.value.networkUid, resolve, environment, (segment) =>
        neighbourObjects(object.value, segment),
      );
    case 'forwardingEntry':
      return inSegment(object.value.networkUid, resolve, environment, (segment) =>
        forwardingObjects(object.value, segment, environment.underlay),
      );
    case 'interfaceAddress':
      return inSegment(object.value.networkUid, resolve, environment, (segment) =>
        interfaceAddressObjects(object.value, segment),
      );
    // It becomes what its ports' traffic is steered by.
    case 'serviceChain':
      return realised([]);
    case 'ruleSet':
      return withPolicies(environment, () => ruleSet(object.value, resolve, environment.dpu));
    case 'addressGroup':
      return withPolicies(environment, () =>
        realised(addressGroupObjects(key, object.value, environment.dpu)),
      );
    case 'addressGroupMember':
      return withPolicies(environment, () => addressGroupMember(object.value, resolve, environment.dpu));
    case undefined:
      return { kind: 'unsupported', why: 'this driver does not know this kind of object', references: [] };
    default:
      return unreachable(object);
  }
}

const NO_REFERENCES: readonly string[] = [];

const realised = (
  objects: readonly DriverObject<LinuxSpec>[],
  references: readonly string[] = NO_REFERENCES,
): Realisation<LinuxSpec> => ({ kind: 'realised', objects, references });

/** Why policies cannot be enforced; undefined: they can. */
function noPolicies({ lacks }: LinuxEnvironment): Realisation<LinuxSpec> | undefined {
  const reason = lacks.get('bridge-netfilter');
  return reason === undefined ? undefined : unsupported(`policies cannot be enforced here: ${reason}`);
}

const withPolicies = (
  environment: LinuxEnvironment,
  realise: () => Realisation<LinuxSpec>,
): Realisation<LinuxSpec> => noPolicies(environment) ?? realise();

/** Waits for the rule sets that apply to it, and for its service chains, too: without one of them nothing of the port is there. */
function endpoint(
  value: Endpoint,
  name: string,
  resolve: Resolve,
  environment: LinuxEnvironment,
): Realisation<LinuxSpec> {
  const obstacle = isPoliced(value) ? noPolicies(environment) : undefined;
  if (obstacle !== undefined) return obstacle;
  const lacking =
    bandwidthObstacle(value, environment.lacks) ??
    offloadObstacle(value, environment.lacks) ??
    steeringObstacle(value, environment.lacks) ??
    trunkObstacle(value, LINUX_TRUNK.reason);
  if (lacking !== undefined) return unsupported(lacking);
  const policies = ruleSetsOf(value, resolve);
  const chains = steeringsOf(value, resolve, environment.isUp);
  const { networkUid } = value;
  const told = hostConfigurationOf(networkUid, resolve);
  const missing = (dependency: string) => ({ kind: 'missing', dependency, references: [] }) as const;
  let realisation: Realisation<LinuxSpec>;
  if (policies.kind === 'missing') realisation = missing(policies.key);
  else if (chains.kind === 'missing') realisation = missing(chains.key);
  else
    realisation = inSegment(networkUid, resolve, environment, (segment) =>
      endpointObjects(value, segment, policies.ruleSets, { name, told, steerings: chains.steerings }),
    );
  const references = [
    ...realisation.references,
    hostConfigurationKey(networkUid),
    ...value.ruleSets,
    ...chains.references,
  ];
  return { ...realisation, references };
}

/** For members of a network: needs the network's bridge domain, and is realised anew when that changes. */
function inSegment(
  networkUid: string,
  resolve: Resolve,
  environment: LinuxEnvironment,
  objects: (segment: Segment) => readonly DriverObject<LinuxSpec>[],
): Realisation<LinuxSpec> {
  const references = domainOnly(networkUid);
  const [key] = references;
  const domain = resolve(key)?.object;
  if (domain?.case !== 'bridgeDomain') return { kind: 'missing', dependency: key, references };
  const { router, networkType, vni, mtu } = domain.value;
  return realised(
    objects({
      networkUid,
      namespace: namespaceName(environment.dpu, router),
      bridge: bridgeName(networkUid),
      networkType,
      vni,
      mtu,
    }),
    references,
  );
}

function namespaceObjects(router: string, dpu: string): readonly DriverObject<LinuxSpec>[] {
  const namespace = namespaceName(dpu, router);
  const key = namespaceKey(namespace);
  return [
    { key, spec: { kind: 'namespace', name: namespace, router, settings: true }, after: [] },
    ...ROUTER_TABLES.map((table) => fixedTable(namespace, table)),
  ];
}

function bridgeDomain(
  domain: BridgeDomain,
  resolve: Resolve,
  environment: LinuxEnvironment,
): Realisation<LinuxSpec> {
  const { networkUid, router, mtu } = domain;
  const problems = new Problems();
  if (!ROUTER_KEY.test(router)) problems.add('router', 'must be the key of a Router');
  if (mtu < MIN_MTU) problems.add('mtu', `must be at least ${MIN_MTU}`);
  checkEncapsulation(domain, problems);
  if (problems.total > 0) throw problems.toError();
  const obstacle = obstacleOf(domain, environment);
  if (obstacle !== undefined) return unsupported(obstacle);
  const namespace = namespaceName(environment.dpu, router);
  const bridge = bridgeName(networkUid);
  const home = namespaceKey(namespace);
  const gateway = `routerinterface/${networkUid}`;
  const found = resolve(gateway)?.object;
  const mac = found?.case === 'routerInterface' ? found.value.macAddress : bridgeMac(networkUid);
  const objects: DriverObject<LinuxSpec>[] = [
    ...namespaceObjects(router, environment.dpu),
    {
      key: linkKey(bridge),
      spec: { kind: 'bridge', namespace, name: bridge, mac, mtu, up: true },
      after: [home, ...ROUTER_TABLES.map((table) => guardKey(namespace, table))],
    },
    ...encapsulationObjects(domain, namespace, bridge, environment.underlay),
  ];
  return realised(objects, [gateway]);
}

/** What hosts are told of as their router (RFC 4861) has a link-local address: with IPv6, gateways have one. */
const withLinkLocal = (addresses: readonly string[]): readonly string[] =>
  addresses.some((text) => text.includes(':')) ? [...addresses, `${GATEWAY_LINK_LOCAL}/64`] : addresses;

/** The gateway of a network: the bridge itself, as a host of it, whose address is set with the bridge. */
function gatewayObjects(
  { macAddress: mac, addresses }: RouterInterface,
  segment: Segment,
): readonly DriverObject<LinuxSpec>[] {
  const problems = new Problems();
  macAddress('macAddress', mac, problems);
  const objects = withLinkLocal(addresses).map((text, index) =>
    addressObject(`addresses[${index}]`, text, segment, problems),
  );
  if (problems.total > 0) throw problems.toError();
  return objects;
}

const unsupported = (why: string): Realisation<LinuxSpec> => ({ kind: 'unsupported', why, references: [] });

function tunnelPeerObjects(
  { tunnelEndpoint }: TunnelPeer,
  segment: Segment,
  { underlay }: LinuxEnvironment,
): readonly DriverObject<LinuxSpec>[] {
  const problems = new Problems();
  const destination = tunnelDestination(tunnelEndpoint, underlay, problems);
  checkTunnelled(segment, problems);
  if (problems.total > 0) throw problems.toError();
  return peerObjects(segment, destination);
}

interface EndpointSurroundings {
  readonly name: string;
  readonly told: HostConfiguration | undefined;
  readonly steerings: readonly Steering[];
}

function endpointObjects(
  endpoint: Endpoint,
  segment: Segment,
  ruleSets: readonly RuleSet[],
  { name, told, steerings }: EndpointSurroundings,
): readonly DriverObject<LinuxSpec>[] {
  const problems = new Problems();
  const { portUid, representor, adminUp } = endpoint;
  if (!/^[^\s/:]{1,15}$/.test(representor)) problems.add('representor', 'must be the name of a device');
  const mac = macAddress('macAddress', endpoint.macAddress, problems);
  const addresses = ipAddresses(endpoint.ipAddresses, problems);
  const pairs = addressPairs(endpoint.allowedAddressPairs, mac, problems);
  checkNamedPorts(endpoint.namedPorts, problems);
  const offload = offloadOf(endpoint.offload, problems);
  if (problems.total > 0) throw problems.toError();
  const prefixes = addresses.flatMap((address) => parsePrefix(address) ?? []);
  const guesses = pairAddresses({ mac, addresses, pairs });
  const policies = portPolicyObjects(endpoint, segment, ruleSets, prefixes, guesses);
  const { ingressKbps, egressKbps } = endpoint;
  const bandwidth = { ingressKbps, egressKbps };
  const asker = { representor, vlanId: 0, adminUp, mac, addresses, name, mtu: segment.mtu };
  return [
    ...realiseEndpoint(
      { portUid, representor, adminUp, mac, addresses, pairs, bandwidth, offload, steerings },
      segment,
      policies,
    ),
    ...responderObjects(asker, told),
  ];
}

/** The addresses that only a member's allowed pairs tell. */
const pairAddresses = (member: Member): Prefix[] =>
  pairNeighbours(member).flatMap(({ address }) => parsePrefix(address) ?? []);

function remoteEndpointObjects(
  remote: RemoteEndpoint,
  segment: Segment,
  { underlay }: LinuxEnvironment,
): readonly DriverObject<LinuxSpec>[] {
  const problems = new Problems();
  const mac = macAddress('macAddress', remote.macAddress, problems);
  const addresses = ipAddresses(remote.ipAddresses, problems);
  const pairs = addressPairs(remote.allowedAddressPairs, mac, problems);
  const destination = tunnelDestination(remote.tunnelEndpoint, underlay, problems);
  checkTunnelled(segment, problems);
  if (problems.total > 0) throw problems.toError();
  const { namespace, bridge } = segment;
  const device = deviceTowards(segment, destination);
  return [
    ...remoteEntries(segment, destination, mac, otherMacs(mac, pairs)),
    ...memberEntries(namespace, bridge, device, mac, addresses),
    ...pairEntries(namespace, bridge, device, { mac, addresses, pairs }),
    ...elsewhereObjects(segment, pairAddresses({ mac, addresses, pairs })),
  ];
}

/** What a fabric carries, it also learns: nobody tells who is where. */
function checkTunnelled({ networkType }: Segment, problems: Problems): void {
  if (isOnFabric(networkType))
    problems.add('networkUid', `must be a network with tunnels, not ${networkType}`);
}
