import { hash } from 'node:crypto';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { DataplaneObjectSchema } from '@outboard/contracts';
import {
  type Network,
  type Port,
  prefixContains,
  type SecurityPeer,
  type SecurityRule,
  type SecurityService,
  type Subnet,
  uplinkOf,
} from '@outboard/model';
import type {
  AddressSetRecord,
  DpuRecord,
  NetworkRecord,
  PhysicalNetworkRecord,
  RouterRecord,
  SecurityPolicyRecord,
  StoredRecord,
} from '../src/index.js';
import { chainsOf } from './chain-oracle.js';
import { gatewayMacAddress } from './gateway-mac-address.js';
import { placedObjects } from './placed-oracle.js';

type Json = Record<string, unknown>;

/** Documents in a form that people read and tests compare: by DPU and key, objects as protobuf's JSON. */
export type ReadableDocuments = Record<string, Record<string, Json>>;

export const readable = (object: Uint8Array): Json =>
  toJson(DataplaneObjectSchema, fromBinary(DataplaneObjectSchema, object)) as Json;

/** What every DPU's document must be, spelled out from the stored rows without any index or increment. */
export function expectedDocuments(rows: Iterable<StoredRecord>): ReadableDocuments {
  const records = [...rows];
  const all = <Kind extends StoredRecord['kind']>(kind: Kind) =>
    records.filter((record): record is Extract<StoredRecord, { kind: Kind }> => record.kind === kind);
  const dpus = all('Dpu');
  const physicals = all('PhysicalNetwork');
  const policies = all('SecurityPolicy');
  const views = all('Network').map((record) => viewOf(record, records));
  const documents: ReadableDocuments = Object.fromEntries(dpus.map(({ name }) => [name, {}]));
  for (const view of views) {
    const { network, router, source } = view;
    const { uid } = network.metadata;
    const neighbours = views.filter((other) => other.router === router);
    const homes = (wanted: (other: View) => boolean) =>
      new Set(neighbours.filter(wanted).flatMap(({ planned }) => planned.map(({ dpu }) => dpu)));
    const hosts = homes(({ subnets }) => subnets.length > 0);
    const own = homes((other) => other === view);
    const routed = view.subnets.length > 0 && view.planned.length > 0;
    const members = dpus.filter(({ name }) => own.has(name) || (routed && hosts.has(name)));
    for (const member of members) {
      const document = documents[member.name] ?? {};
      document[router] = {
        source: { kind: 'Router', tenant: source.tenant, name: network.spec.router },
        router: { tenant: source.tenant, name: network.spec.router },
      };
      if (hosts.has(member.name)) Object.assign(document, routerObjects(router, neighbours, all('Router')));
      document[`bridgedomain/${uid}`] = {
        source,
        bridgeDomain: {
          networkUid: uid,
          router,
          mtu: network.status.mtu,
          ...encapsulation(network.status.segment, member, physicals),
        },
      };
      if (view.subnets.length > 0) document[`routerinterface/${uid}`] = gateway(view);
      if (view.telling.length > 0) document[`hostconfiguration/${uid}`] = hostConfiguration(view);
      const isPhysical = network.status.segment?.physicalNetwork !== undefined;
      for (const peer of dpus) {
        if (peer === member || isPhysical || !own.has(peer.name)) continue;
        document[`tunnelpeer/${uid}/${peer.name}`] = {
          source,
          tunnelPeer: { networkUid: uid, tunnelEndpoint: peer.tunnelEndpoint },
        };
      }
      for (const { port, dpu } of view.planned) {
        const home = dpus.find(({ name }) => name === dpu);
        if (isPhysical && home !== member) continue;
        const applying = policiesOf(port, policies);
        const chains = chainsOf(port, network, records, holds);
        const steering = chains.map(([key]) => key);
        const [key, object] = portObject(port, network, member, home, applying, steering);
        document[key] = object;
        if (home !== member) continue;
        Object.assign(document, Object.fromEntries(chains));
        for (const policy of applying) Object.assign(document, policyObjects(policy, network, records));
      }
    }
  }
  for (const [dpu, key, object] of placedObjects(records)) {
    const document = documents[dpu];
    if (document) document[key] = object;
  }
  return documents;
}

/** A network with what is in it. */
interface View {
  readonly network: Network;
  /** Key of its router. */
  readonly router: string;
  readonly source: { readonly kind: 'Network'; readonly tenant: string; readonly name: string };
  readonly subnets: readonly Subnet[];
  /** Those in which ports are told anything, routed or not. */
  readonly telling: readonly Subnet[];
  readonly planned: readonly { readonly port: Port; readonly dpu: string }[];
}

function viewOf({ resource: network }: NetworkRecord, records: readonly StoredRecord[]): View {
  const { tenant, name } = network.metadata;
  const isIn = ({ metadata, spec }: Port | Subnet): boolean =>
    metadata.tenant === tenant && spec.network === name;
  const isPhysical = network.status.segment?.physicalNetwork !== undefined;
  return {
    network,
    router: `router/${tenant}/${network.spec.router}`,
    source: { kind: 'Network', tenant, name },
    // Without tunnels the gateway is the fabric's.
    subnets: records.flatMap((record) =>
      record.kind === 'Subnet' && isIn(record.resource) && !isPhysical ? [record.resource] : [],
    ),
    telling: records.flatMap((record) =>
      record.kind === 'Subnet' &&
      isIn(record.resource) &&
      (record.resource.spec.dhcp || record.resource.spec.routerAdvertisement)
        ? [record.resource]
        : [],
    ),
    planned: records.flatMap((record) => {
      const port = record.kind === 'Port' && isIn(record.resource) ? record.resource : undefined;
      return port?.status.dpu === undefined ? [] : [{ port, dpu: port.status.dpu }];
    }),
  };
}

const gateway = ({ network, router, source, subnets }: View): Json => ({
  source,
  routerInterface: {
    router,
    networkUid: network.metadata.uid,
    macAddress: gatewayMacAddress(router),
    addresses: subnets.map(({ spec, status }) => `${status.gateway}/${spec.cidr.split('/')[1]}`).sort(),
  },
});

const hostConfiguration = ({ network, router, source, telling }: View): Json => ({
  source,
  hostConfiguration: {
    networkUid: network.metadata.uid,
    macAddress: gatewayMacAddress(router),
    subnets: telling
      .map(({ spec, status }) =>
        withoutEmpty({
          prefix: spec.cidr,
          gateway: status.gateway,
          dnsServers: spec.dnsServers,
          domainName: spec.domainName,
          dhcp: spec.dhcp && withoutEmpty({ ...spec.dhcp }),
          advertisement:
            spec.routerAdvertisement &&
            withoutEmpty({ ...spec.routerAdvertisement, autonomous: spec.allocationMode === 'EUI64' }),
        }),
      )
      .sort((one, other) => (`${one.prefix}` < `${other.prefix}` ? -1 : 1)),
  },
});

/** What the DPUs that route have of a router's resource. */
function routerObjects(
  router: string,
  networks: readonly View[],
  routers: readonly RouterRecord[],
): ReadableDocuments[string] {
  const resource = routers.find(
    ({ resource: { metadata } }) => `router/${metadata.tenant}/${metadata.name}` === router,
  )?.resource;
  if (!resource) return {};
  const { tenant, name } = resource.metadata;
  const source = { kind: 'Router', tenant, name };
  const objects: ReadableDocuments[string] = {};
  for (const { destination, nextHops } of resource.spec.routes) {
    const known = nextHops.flatMap(({ address, weight }) => {
      const holder = networks.find(({ subnets }) =>
        subnets.some(({ spec }) => prefixContains(spec.cidr, address)),
      );
      if (!holder || holder.planned.length === 0) return [];
      return [{ gateway: address, weight, networkUid: holder.network.metadata.uid }];
    });
    objects[`route/${router}/${destination}`] = {
      source,
      route: withoutEmpty({ router, destination, nextHops: known }),
    };
  }
  const families = resource.spec.externalGateway?.ipFamilies ?? [];
  if (families.includes('IPV4')) {
    objects[`egressgateway/${tenant}/${name}`] = { source, egressGateway: { router } };
  }
  if (families.includes('IPV6')) {
    const egressGateway = { router, ipFamily: 'IPV6' };
    objects[`egressgateway/${tenant}/${name}/ipv6`] = { source, egressGateway };
  }
  return objects;
}

type Policy = SecurityPolicyRecord['resource'];
type Selector = Extract<SecurityPeer, { kind: 'ports' }>['selector'];

const TIER_ORDER = 'ADMIN DEFAULT BASELINE';

/** The policies of a port, in the order in which they are evaluated. */
const policiesOf = ({ metadata, spec }: Port, policies: readonly SecurityPolicyRecord[]): Policy[] =>
  policies
    .map(({ resource }) => resource)
    .filter(
      (policy) =>
        policy.metadata.tenant === metadata.tenant &&
        (spec.securityPolicies.includes(policy.metadata.name) ||
          (policy.spec.portSelector !== undefined && holds(policy.spec.portSelector, metadata.labels))),
    )
    .map((policy) => ({
      policy,
      rank: TIER_ORDER.indexOf(policy.spec.tier) * 10_000 + (policy.spec.priority ?? 0),
    }))
    .sort(
      (one, other) =>
        one.rank - other.rank || (one.policy.metadata.name < other.policy.metadata.name ? -1 : 1),
    )
    .map(({ policy }) => policy);

const holds = (
  { matchLabels, matchExpressions }: Selector,
  labels: Readonly<Record<string, string>>,
): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator, values }) => {
    const isThere = key in labels;
    if (operator === 'Exists' || operator === 'DoesNotExist') return isThere === (operator === 'Exists');
    return (isThere && values.includes(labels[key] ?? '')) === (operator === 'In');
  });

const selectorText = ({ matchLabels, matchExpressions }: Selector): string =>
  [
    ...Object.entries(matchLabels).map(([key, value]) => `${key} In ${value}`),
    ...matchExpressions.map(({ key, operator, values }) => `${key} ${operator} ${[...values].sort().join()}`),
  ]
    .sort()
    .join(';');

/** A policy in the router of a network, and every group that it means, with all of the group's members. */
function policyObjects(
  { metadata, spec }: Policy,
  network: Network,
  records: readonly StoredRecord[],
): Record<string, Json> {
  const { tenant } = metadata;
  const routerName = network.spec.router;
  const router = `router/${tenant}/${routerName}`;
  const objects: Record<string, Json> = {};
  const peerOf = (peer: SecurityPeer): Json => {
    if (peer.kind === 'cidr') return { cidr: withoutEmpty({ prefix: peer.cidr, except: peer.except }) };
    const set = records.find(
      (record): record is AddressSetRecord =>
        record.kind === 'AddressSet' &&
        peer.kind === 'addressSet' &&
        record.resource.metadata.tenant === tenant &&
        record.resource.metadata.name === peer.name,
    )?.resource;
    const hashed = peer.kind === 'ports' ? hash('sha256', selectorText(peer.selector)).slice(0, 16) : '';
    const id = set?.metadata.uid ?? hashed;
    const key = `addressgroup/${tenant}/${routerName}/${id}`;
    const member = (address: string, source: Json, namedPorts: readonly Json[] = []): void => {
      const value = withoutEmpty({ addressGroup: key, address, namedPorts });
      objects[`addressgroupmember/${tenant}/${routerName}/${id}/${address}`] = {
        source,
        addressGroupMember: value,
      };
    };
    const source = set
      ? { kind: 'AddressSet', tenant, name: set.metadata.name }
      : { kind: 'Router', tenant, name: routerName };
    objects[key] = { source, addressGroup: withoutEmpty({ router, prefixes: set !== undefined }) };
    for (const prefix of set?.spec.addresses ?? []) member(prefix.replace(/\/(32|128)$/, ''), source);
    if (peer.kind === 'ports') {
      for (const port of connectedIn(tenant, routerName, records)) {
        if (!holds(peer.selector, port.metadata.labels)) continue;
        const portSource = { kind: 'Port', tenant, name: port.metadata.name };
        for (const { ip } of port.status.addresses)
          member(ip, portSource, port.spec.namedPorts.map(destination));
      }
    }
    return { addressGroup: key };
  };
  const rule = ({ name, action, peers, services }: SecurityRule): Json =>
    withoutEmpty({
      name,
      action,
      peers: peers.map(peerOf),
      services: services.some(({ protocol }) => protocol === 'any') ? [] : services.map(serviceOf),
    });
  objects[`ruleset/${metadata.uid}/${routerName}`] = {
    source: { kind: 'SecurityPolicy', tenant, name: metadata.name },
    ruleSet: withoutEmpty({
      policyUid: metadata.uid,
      router,
      tier: spec.tier,
      ingress: spec.ingress.map(rule),
      egress: spec.egress.map(rule),
    }),
  };
  return objects;
}

const PROTOCOL: Readonly<Record<string, number>> = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58 };

const destination = ({ name, protocol, port }: Port['spec']['namedPorts'][number]): Json => ({
  name,
  protocol: PROTOCOL[protocol],
  port,
});

function serviceOf(service: SecurityService): Json {
  const protocol = PROTOCOL[service.protocol];
  if ('type' in service) {
    return withoutUndefined({ protocol, icmpType: service.type, icmpCode: service.code });
  }
  const ports = 'ports' in service ? service.ports : undefined;
  if (ports === undefined) return { protocol };
  return 'name' in ports
    ? { protocol, portName: ports.name }
    : { protocol, firstPort: ports.first, lastPort: ports.last };
}

const connectedIn = (tenant: string, router: string, records: readonly StoredRecord[]): Port[] =>
  records.flatMap((record) => {
    if (record.kind !== 'Port') return [];
    const { metadata, spec, status } = record.resource;
    const inRouter = records.some(
      ({ ...network }) =>
        network.kind === 'Network' &&
        network.resource.metadata.tenant === tenant &&
        network.resource.metadata.name === spec.network &&
        network.resource.spec.router === router,
    );
    return metadata.tenant === tenant && inRouter && status.dpu !== undefined ? [record.resource] : [];
  });

/** The uplink is that of the first physical network by name, of those that claim it. */
function encapsulation(
  segment: NetworkRecord['resource']['status']['segment'],
  dpu: DpuRecord,
  physicals: readonly PhysicalNetworkRecord[],
): Json {
  const { networkType, segmentationId: id, physicalNetwork } = segment ?? {};
  if (networkType === 'VXLAN') return { vni: id };
  if (networkType === 'GENEVE') return { vni: id, networkType };
  const uplinks = physicals
    .map(({ resource: { metadata, spec } }) => ({ name: metadata.name, uplink: uplinkOf(spec, dpu) }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  const uplink = uplinks.find(({ name }) => name === physicalNetwork)?.uplink;
  const owner = uplinks.find((other) => other.uplink === uplink)?.name;
  if (owner !== physicalNetwork) throw new Error(`${uplink} of ${dpu.name} leads to ${owner}`);
  return { networkType, uplink, ...(networkType === 'VLAN' && { vlanId: id }) };
}

function portObject(
  { metadata, spec, status }: Port,
  network: Network,
  member: DpuRecord,
  home: DpuRecord | undefined,
  policies: readonly Policy[],
  serviceChains: readonly string[],
): [key: string, object: Json] {
  const source = { kind: 'Port', tenant: metadata.tenant, name: metadata.name };
  const networkUid = network.metadata.uid;
  const ipAddresses = status.addresses.map(({ ip }) => ip);
  const common = { portUid: metadata.uid, networkUid, macAddress: status.macAddress };
  const allowedAddressPairs = spec.allowedAddressPairs.map(({ ip, macAddress }) => ({
    ip,
    macAddress: macAddress ?? status.macAddress,
  }));
  if (home !== member) {
    const remoteEndpoint = withoutEmpty({
      ...common,
      ipAddresses,
      allowedAddressPairs,
      tunnelEndpoint: home?.tunnelEndpoint,
    });
    return [`remoteendpoint/${metadata.uid}`, { source, remoteEndpoint }];
  }
  const endpoint = withoutEmpty({
    ...common,
    representor: status.representor,
    ipAddresses,
    allowedAddressPairs,
    adminUp: spec.adminState === 'UP',
    ruleSets: policies.map((policy) => `ruleset/${policy.metadata.uid}/${network.spec.router}`),
    isolatedIngress: policies.some((policy) => policy.spec.isolates.includes('INGRESS')),
    isolatedEgress: policies.some((policy) => policy.spec.isolates.includes('EGRESS')),
    namedPorts: spec.namedPorts.map(destination),
    ingressKbps: spec.bandwidth?.ingressKbps,
    egressKbps: spec.bandwidth?.egressKbps,
    offload: spec.offload === 'PREFERRED' ? undefined : spec.offload,
    serviceChains,
    vlanId: spec.trunk?.vlanId,
  });
  return [`endpoint/${metadata.uid}`, { source, endpoint }];
}

const withoutUndefined = (object: Json): Json =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

/** As protobuf's JSON leaves out what is empty. */
const withoutEmpty = (object: Json): Json =>
  Object.fromEntries(
    Object.entries(object).filter(
      ([, value]) => value !== false && !(Array.isArray(value) && value.length === 0),
    ),
  );
