import { objectKeys } from '@outboard/contracts';
import type { SharedObject } from '@outboard/document-owner/documents';
import {
  type DeviceName,
  type IpAddress,
  type IpFamilyName,
  type IpPrefix,
  type MacAddress,
  type Name,
  type NamedPort,
  type NetlinkObject,
  type NetlinkRoute,
  type Network,
  type Port,
  prefixLength,
  type Router,
  type StaticRoute,
  type Subnet,
} from '@outboard/model';
import type { PortEntry } from './entries.js';
import { isolates } from './policies/order.js';
import { share } from './share.js';

/** Key of the router that a network lives in. */
export const routerKeyOf = ({ metadata, spec }: Network): string =>
  objectKeys.router(metadata.tenant, spec.router);

export const routerObject = (tenant: string, name: string): SharedObject =>
  share(
    objectKeys.router(tenant, name),
    'Router',
    { metadata: { tenant, name } },
    { case: 'router', value: { tenant, name } },
  );

/** A next hop, and the network that it is in. */
export interface PlannedNextHop {
  readonly gateway: IpAddress;
  readonly weight: number;
  readonly networkUid: string;
}

/** Without next hops the destination is unreachable. */
export function routeObject(
  router: Router,
  { destination }: StaticRoute,
  nextHops: readonly PlannedNextHop[],
): SharedObject {
  const key = objectKeys.router(router.metadata.tenant, router.metadata.name);
  return share(objectKeys.route(key, destination), 'Router', router, routeOf(key, destination, nextHops));
}

/** The route that a caller has placed in the router with that key. */
export const placedRouteObject = (
  resource: NetlinkObject,
  router: string,
  { dst, rtmType, mtu }: NetlinkRoute,
  nextHops: readonly PlannedNextHop[],
): SharedObject => {
  const more = { ...(rtmType && rtmType !== 'unreachable' && { rtmType }), ...(mtu && { mtu }) };
  const route = routeOf(router, dst, nextHops, more);
  return share(objectKeys.placedRoute(router, dst), 'NetlinkObject', resource, route);
};

const routeOf = (
  router: string,
  destination: IpPrefix,
  hops: readonly PlannedNextHop[],
  more: { readonly rtmType?: string; readonly mtu?: number } = {},
) => {
  const nextHops = hops.map(({ gateway, weight, networkUid }) => ({ gateway, weight, networkUid }));
  return { case: 'route', value: { router, destination, nextHops, ...more } } as const;
};

export function egressGatewayObject(router: Router, ipFamily: IpFamilyName): SharedObject {
  const { tenant, name } = router.metadata;
  return share(objectKeys.egressGateway(tenant, name, ipFamily), 'Router', router, {
    case: 'egressGateway',
    value: {
      router: objectKeys.router(tenant, name),
      ...(ipFamily === 'IPV6' && { ipFamily }),
    },
  });
}

/** The gateway of a network, with an address in each of its subnets. */
export function routerInterfaceObject(
  network: Network,
  subnets: readonly Subnet[],
  macAddress: MacAddress,
): SharedObject {
  const networkUid = network.metadata.uid;
  const addresses = subnets.map(({ spec, status }) => `${status.gateway}/${prefixLength(spec.cidr)}`).sort();
  return share(objectKeys.routerInterface(networkUid), 'Network', network, {
    case: 'routerInterface',
    value: { router: routerKeyOf(network), networkUid, macAddress, addresses },
  });
}

/** What ports are told in the subnets of a network that tell anything. */
export function hostConfigurationObject(
  network: Network,
  subnets: readonly Subnet[],
  macAddress: MacAddress,
): SharedObject {
  const networkUid = network.metadata.uid;
  return share(objectKeys.hostConfiguration(networkUid), 'Network', network, {
    case: 'hostConfiguration',
    value: { networkUid, macAddress, subnets: subnets.map(subnetConfiguration).sort(byPrefix) },
  });
}

const subnetConfiguration = ({ spec, status }: Subnet) => ({
  prefix: spec.cidr,
  gateway: status.gateway ?? '',
  dnsServers: [...spec.dnsServers],
  domainName: spec.domainName ?? '',
  ...(spec.dhcp && {
    dhcp: {
      leaseSeconds: spec.dhcp.leaseSeconds,
      ntpServers: [...spec.dhcp.ntpServers],
      routes: spec.dhcp.routes.map((route) => ({ ...route })),
    },
  }),
  ...(spec.routerAdvertisement && {
    advertisement: { ...spec.routerAdvertisement, autonomous: spec.allocationMode === 'EUI64' },
  }),
});

const byPrefix = (one: { readonly prefix: string }, other: { readonly prefix: string }): number =>
  one.prefix < other.prefix ? -1 : 1;

/** `uplink`: of the DPU, for networks without tunnels. */
export function bridgeDomainObject(network: Network, uplink: DeviceName | undefined): SharedObject {
  const { metadata, status } = network;
  return share(objectKeys.bridgeDomain(metadata.uid), 'Network', network, {
    case: 'bridgeDomain',
    value: {
      networkUid: metadata.uid,
      router: routerKeyOf(network),
      mtu: status.mtu ?? 0,
      ...encapsulationOf(status.segment, uplink),
    },
  });
}

function encapsulationOf(segment: Network['status']['segment'], uplink: DeviceName | undefined) {
  const { networkType = 'VXLAN', segmentationId: id = 0 } = segment ?? {};
  switch (networkType) {
    case 'VXLAN':
      return { vni: id };
    case 'GENEVE':
      return { vni: id, networkType };
    case 'VLAN':
      return { networkType, vlanId: id, uplink: uplink ?? '' };
    case 'FLAT':
      return { networkType, uplink: uplink ?? '' };
  }
}

export function tunnelPeerObject(network: Network, dpu: Name, tunnelEndpoint: IpAddress): SharedObject {
  const networkUid = network.metadata.uid;
  return share(objectKeys.tunnelPeer(networkUid, dpu), 'Network', network, {
    case: 'tunnelPeer',
    value: { networkUid, tunnelEndpoint },
  });
}

const pairsOf = ({ spec, status }: Port) =>
  spec.allowedAddressPairs.map(({ ip, macAddress }) => ({
    ip,
    macAddress: macAddress ?? status.macAddress ?? '',
  }));

/** The port on the DPU that has its function, with the policies that apply to it in their order, and the chains that its traffic goes through. */
export function endpointObject(
  port: Port,
  network: Network,
  representor: string,
  { policies, chains }: Pick<PortEntry, 'policies' | 'chains'>,
): SharedObject {
  const { metadata, spec, status } = port;
  return share(objectKeys.endpoint(metadata.uid), 'Port', port, {
    case: 'endpoint',
    value: {
      portUid: metadata.uid,
      networkUid: network.metadata.uid,
      representor,
      macAddress: status.macAddress ?? '',
      ipAddresses: status.addresses.map(({ ip }) => ip),
      allowedAddressPairs: pairsOf(port),
      adminUp: spec.adminState === 'UP',
      ruleSets: policies.map(({ record }) =>
        objectKeys.ruleSet(record.resource.metadata.uid, network.spec.router),
      ),
      isolatedIngress: isolates(policies, 'INGRESS'),
      isolatedEgress: isolates(policies, 'EGRESS'),
      namedPorts: spec.namedPorts.map(destinationPort),
      ingressKbps: spec.bandwidth?.ingressKbps ?? 0,
      egressKbps: spec.bandwidth?.egressKbps ?? 0,
      offload: spec.offload === 'PREFERRED' ? '' : spec.offload,
      serviceChains: chains.map(({ record }) =>
        objectKeys.serviceChain(record.resource.metadata.uid, network.spec.router),
      ),
      ...(spec.trunk && { vlanId: spec.trunk.vlanId }),
    },
  });
}

/** The port as the other DPUs of its network know it. */
export function remoteEndpointObject(port: Port, network: Network, tunnelEndpoint: IpAddress): SharedObject {
  const { metadata, status } = port;
  return share(objectKeys.remoteEndpoint(metadata.uid), 'Port', port, {
    case: 'remoteEndpoint',
    value: {
      portUid: metadata.uid,
      networkUid: network.metadata.uid,
      macAddress: status.macAddress ?? '',
      ipAddresses: status.addresses.map(({ ip }) => ip),
      tunnelEndpoint,
      allowedAddressPairs: pairsOf(port),
    },
  });
}

/** IP protocol numbers (IANA). */
export const PROTOCOL_NUMBERS = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58 } as const;

/** A named port in neutral terms. */
export const destinationPort = ({ name, protocol, port }: NamedPort) => ({
  name,
  protocol: PROTOCOL_NUMBERS[protocol],
  port,
});
