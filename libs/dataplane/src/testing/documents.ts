import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, type RuleSchema, type SubnetConfigurationSchema } from '@outboard/contracts';
import type { DocumentUpdate } from '../document.js';

type ObjectInit = NonNullable<MessageInitShape<typeof DataplaneObjectSchema>['object']>;

/** A hand-made document: neutral objects by key, ready to be submitted. */
export type Entries = ReadonlyMap<string, Uint8Array>;
export type Entry = readonly [key: string, object: Uint8Array];

const DIGEST = new Uint8Array(16);

function entry(kind: string, key: string, object: ObjectInit, name = key.split('/')[1] ?? ''): Entry {
  const source = { kind, tenant: 'acme', name };
  return [key, toBinary(DataplaneObjectSchema, create(DataplaneObjectSchema, { source, object }))];
}

export const ROUTER = 'router/acme/main';
/** Of a router's gateways. */
export const GATEWAY_MAC = '0e:00:00:00:00:01';

export const router = (tenant = 'acme', name = 'main'): Entry =>
  entry('Router', `router/${tenant}/${name}`, { case: 'router', value: { tenant, name } });

export const bridgeDomain = (
  networkUid: string,
  fields: {
    router?: string;
    vni?: number;
    mtu?: number;
    networkType?: string;
    uplink?: string;
    vlanId?: number;
  } = {},
): Entry =>
  entry('Network', `bridgedomain/${networkUid}`, {
    case: 'bridgeDomain',
    value: { networkUid, router: ROUTER, vni: 100, mtu: 1450, ...fields },
  });

export const tunnelPeer = (networkUid: string, tunnelEndpoint: string): Entry =>
  entry('Network', `tunnelpeer/${networkUid}/${tunnelEndpoint}`, {
    case: 'tunnelPeer',
    value: { networkUid, tunnelEndpoint },
  });

export interface EndpointFields {
  ipAddresses?: string[];
  allowedAddressPairs?: { ip: string; macAddress: string }[];
  adminUp?: boolean;
  ruleSets?: string[];
  isolatedIngress?: boolean;
  isolatedEgress?: boolean;
  namedPorts?: { name: string; protocol: number; port: number }[];
  ingressKbps?: number;
  egressKbps?: number;
  offload?: string;
  serviceChains?: string[];
  vlanId?: number;
}

export const endpoint = (
  portUid: string,
  networkUid: string,
  fields: { macAddress: string; representor: string } & EndpointFields,
): Entry =>
  entry('Port', `endpoint/${portUid}`, {
    case: 'endpoint',
    value: { portUid, networkUid, adminUp: true, ...fields },
  });

export const remoteEndpoint = (
  portUid: string,
  networkUid: string,
  fields: {
    macAddress: string;
    tunnelEndpoint: string;
    ipAddresses?: string[];
    allowedAddressPairs?: { ip: string; macAddress: string }[];
  },
): Entry =>
  entry('Port', `remoteendpoint/${portUid}`, {
    case: 'remoteEndpoint',
    value: { portUid, networkUid, ...fields },
  });

/** The key of a policy's rule set in the router of the other objects. */
export const ruleSetKey = (policyUid: string): string => `ruleset/${policyUid}/main`;

export const ruleSet = (
  policyUid: string,
  rules: { tier?: string; ingress?: RuleInit[]; egress?: RuleInit[] },
): Entry =>
  entry('SecurityPolicy', ruleSetKey(policyUid), {
    case: 'ruleSet',
    value: { policyUid, router: ROUTER, tier: 'DEFAULT', ...rules },
  });

/** The key of a chain in the router of the other objects. */
export const serviceChainKey = (chainUid: string): string => `servicechain/${chainUid}/main`;

export const serviceChain = (
  chainUid: string,
  fields: {
    destinations: readonly string[];
    exceptions?: readonly string[];
    /** Uids of the ports of each hop; one port: both ways. Hops are called by the first. */
    hops: readonly (readonly [ingress: string, egress?: string])[];
    failOpen?: boolean;
  },
): Entry =>
  entry('ServiceChain', serviceChainKey(chainUid), {
    case: 'serviceChain',
    value: {
      chainUid,
      destinations: [...fields.destinations],
      exceptions: [...(fields.exceptions ?? [])],
      hops: fields.hops.map(([ingressPortUid, egressPortUid = ingressPortUid]) => ({
        name: ingressPortUid,
        ingressPortUid,
        egressPortUid,
      })),
      failOpen: fields.failOpen ?? false,
    },
  });

export type RuleInit = MessageInitShape<typeof RuleSchema>;

export const groupKey = (id: string): string => `addressgroup/acme/main/${id}`;

/** A peer of a rule. */
export const inGroup = (id: string) => ({ peer: { case: 'addressGroup' as const, value: groupKey(id) } });
export const inPrefix = (prefix: string, ...except: string[]) => ({
  peer: { case: 'cidr' as const, value: { prefix, except } },
});

export const addressGroup = (id: string, prefixes = false): Entry =>
  entry('Router', groupKey(id), { case: 'addressGroup', value: { router: ROUTER, prefixes } });

export const groupMember = (
  id: string,
  address: string,
  namedPorts: { name: string; protocol: number; port: number }[] = [],
): Entry =>
  entry('Port', `addressgroupmember/acme/main/${id}/${address}`, {
    case: 'addressGroupMember',
    value: { addressGroup: groupKey(id), address, namedPorts },
  });

export const route = (
  destination: string,
  nextHops: { gateway: string; weight: number; networkUid?: string }[] = [],
  router = ROUTER,
): Entry =>
  entry(
    'Router',
    `route/${router}/${destination}`,
    {
      case: 'route',
      value: { router, destination, nextHops },
    },
    'main',
  );

export const routerInterface = (
  networkUid: string,
  addresses: readonly string[],
  fields: { router?: string; macAddress?: string } = {},
): Entry =>
  entry('Network', `routerinterface/${networkUid}`, {
    case: 'routerInterface',
    value: { router: ROUTER, networkUid, macAddress: GATEWAY_MAC, addresses: [...addresses], ...fields },
  });

export const neighbour = (networkUid: string, address: string, macAddress: string): Entry =>
  entry('NetlinkObject', `neighbour/${networkUid}/${address}`, {
    case: 'neighbour',
    value: { networkUid, address, macAddress },
  });

export const forwardingEntry = (
  networkUid: string,
  macAddress: string,
  target: { case: 'portUid' | 'tunnelEndpoint'; value: string },
): Entry =>
  entry('NetlinkObject', `forwardingentry/${networkUid}/${macAddress}`, {
    case: 'forwardingEntry',
    value: { networkUid, macAddress, target },
  });

export const interfaceAddress = (networkUid: string, address: string): Entry =>
  entry('NetlinkObject', `interfaceaddress/${networkUid}/${address}`, {
    case: 'interfaceAddress',
    value: { networkUid, address },
  });

export const placedRoute = (
  router: string,
  destination: string,
  nextHops: { gateway: string; weight: number; networkUid: string }[],
  more: { rtmType?: string; mtu?: number } = {},
): Entry =>
  entry('NetlinkObject', `placedroute/${router}/${destination}`, {
    case: 'route',
    value: { router, destination, nextHops, ...more },
  });

export type SubnetInit = MessageInitShape<typeof SubnetConfigurationSchema>;

export const hostConfiguration = (networkUid: string, subnets: readonly SubnetInit[]): Entry =>
  entry('Network', `hostconfiguration/${networkUid}`, {
    case: 'hostConfiguration',
    value: { networkUid, macAddress: GATEWAY_MAC, subnets: [...subnets] },
  });

export const egressGateway = (router = ROUTER, ipFamily: 'IPV6' | '' = ''): Entry =>
  entry('Router', `egressgateway/${router.slice('router/'.length)}${ipFamily && '/ipv6'}`, {
    case: 'egressGateway',
    value: { router, ipFamily },
  });

/** The whole document of an owner. */
export const document = (sequence: number, entries: readonly Entry[], owner = 'network'): DocumentUpdate => ({
  owner,
  version: { epoch: 'epoch', sequence: BigInt(sequence), digest: DIGEST },
  complete: new Map(entries),
});

/** A change of it. */
export const delta = (
  sequence: number,
  upserts: readonly Entry[],
  deletes: readonly string[] = [],
  owner = 'network',
): DocumentUpdate => ({
  owner,
  version: { epoch: 'epoch', sequence: BigInt(sequence), digest: DIGEST },
  upserts: new Map(upserts),
  deletes,
});
