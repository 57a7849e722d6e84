import {
  type Network,
  type Port,
  prefixContains,
  prefixesOverlap,
  prefixOf,
  type Subnet,
} from '@outboard/model';
import type { NetlinkObjectRecord, RouterRecord, StoredRecord } from '../src/index.js';
import { gatewayMacAddress } from './gateway-mac-address.js';

type Json = Record<string, unknown>;
type Placed = NetlinkObjectRecord['resource'];

interface World {
  readonly networks: readonly Network[];
  readonly subnets: readonly Subnet[];
  readonly ports: readonly Port[];
  readonly routers: readonly RouterRecord['resource'][];
  readonly endpoints: ReadonlyMap<string, string>;
}

const resourcesOf = <Kind extends StoredRecord['kind']>(records: readonly StoredRecord[], kind: Kind) =>
  records.flatMap((record) =>
    record.kind === kind && 'resource' in record
      ? [record.resource as Extract<StoredRecord, { kind: Kind; resource: unknown }>['resource']]
      : [],
  );

/** What callers have placed, by DPU and key, spelled out from the rows. */
export function placedObjects(records: readonly StoredRecord[]): [dpu: string, key: string, object: Json][] {
  const world: World = {
    networks: resourcesOf(records, 'Network'),
    subnets: resourcesOf(records, 'Subnet'),
    ports: resourcesOf(records, 'Port'),
    routers: resourcesOf(records, 'Router'),
    endpoints: new Map(
      records.flatMap((record) =>
        record.kind === 'Dpu' ? [[record.name, record.tunnelEndpoint ?? ''] as const] : [],
      ),
    ),
  };
  return resourcesOf(records, 'NetlinkObject').flatMap((placed) => {
    const source = { kind: 'NetlinkObject', tenant: placed.metadata.tenant, name: placed.metadata.name };
    const asked = placed.spec.dpus as readonly string[];
    return objectsOf(placed, world)
      .filter(([dpu]) => asked.length === 0 || asked.includes(dpu))
      .map(([dpu, key, object]): [string, string, Json] => [dpu, key, { source, ...object }]);
  });
}

function objectsOf({ metadata, spec: { object } }: Placed, world: World): [string, string, Json][] {
  const { tenant } = metadata;
  const own = <Owned extends { metadata: { tenant: string } }>(all: readonly Owned[]) =>
    all.filter((each) => each.metadata.tenant === tenant);
  const network =
    object.kind === 'route'
      ? undefined
      : own(world.networks).find(({ metadata: { name } }) => name === object.network);
  const routerName = object.kind === 'route' ? object.router : (network?.spec.router ?? '');
  const router = `router/${tenant}/${routerName}`;
  const networks = own(world.networks).filter(({ spec }) => spec.router === routerName);
  const subnetsOf = ({ metadata: { name } }: Network) =>
    own(world.subnets).filter(({ spec }) => spec.network === name);
  const portsOf = ({ metadata: { name } }: Network) =>
    own(world.ports).filter(({ spec }) => spec.network === name);
  const homesOf = (of: Network) =>
    portsOf(of).flatMap(({ status }) => (status.dpu === undefined ? [] : [status.dpu]));
  const isPhysical = (of: Network) => of.status.segment?.physicalNetwork !== undefined;
  const isGatewayed = (of: Network) => subnetsOf(of).length > 0 && !isPhysical(of);
  const hosts = [...new Set(networks.filter(isGatewayed).flatMap(homesOf))];
  const membersOf = (of: Network) => [
    ...new Set([...homesOf(of), ...(isGatewayed(of) && homesOf(of).length > 0 ? hosts : [])]),
  ];
  const everySubnet = networks.flatMap(subnetsOf);
  if (object.kind === 'route') {
    const resource = own(world.routers).find(({ metadata: { name } }) => name === routerName);
    const isDefault = object.dst === '0.0.0.0/0' || object.dst === '::/0';
    if (
      resource?.spec.routes.some(({ destination }) => destination === object.dst) ||
      (resource?.spec.externalGateway && isDefault) ||
      everySubnet.some(({ spec }) => spec.cidr === object.dst)
    ) {
      return [];
    }
    const nextHops = object.nextHops.flatMap(({ address, weight }) => {
      const holder = networks.find(
        (each) =>
          isGatewayed(each) &&
          homesOf(each).length > 0 &&
          subnetsOf(each).some(({ spec }) => prefixContains(spec.cidr, address)),
      );
      return holder ? [{ gateway: address, weight, networkUid: holder.metadata.uid }] : [];
    });
    if (nextHops.length === 0 && object.nextHops.length > 0) return [];
    const route = {
      router,
      destination: object.dst,
      ...(nextHops.length > 0 && { nextHops }),
      // What is unreachable has no next hops, and no other word for that.
      ...(object.rtmType !== 'unreachable' && object.rtmType !== undefined && { rtmType: object.rtmType }),
      ...(object.mtu !== undefined && { mtu: object.mtu }),
    };
    return hosts.map((dpu) => [dpu, `placedroute/${router}/${object.dst}`, { route }]);
  }
  if (!network) return [];
  const { uid: networkUid } = network.metadata;
  switch (object.kind) {
    case 'neigh': {
      const isHeld =
        portsOf(network).some(({ status }) => status.addresses.some(({ ip }) => ip === object.dst)) ||
        subnetsOf(network).some(({ status }) => status.gateway === object.dst);
      const neighbour = { networkUid, address: object.dst, macAddress: object.lladdr };
      return isHeld
        ? []
        : membersOf(network).map((dpu) => [dpu, `neighbour/${networkUid}/${object.dst}`, { neighbour }]);
    }
    case 'fdb': {
      const port = portsOf(network).find(({ metadata: { name } }) => name === object.port);
      const home = port?.status.dpu;
      const isHeld =
        portsOf(network).some(({ status }) => status.macAddress === object.lladdr) ||
        object.lladdr === gatewayMacAddress(router);
      if (!port || home === undefined || isHeld) return [];
      const common = { networkUid, macAddress: object.lladdr };
      const those = isPhysical(network) ? [home] : membersOf(network);
      return those.map((dpu) => [
        dpu,
        `forwardingentry/${networkUid}/${object.lladdr}`,
        {
          forwardingEntry:
            dpu === home
              ? { ...common, portUid: port.metadata.uid }
              : { ...common, tunnelEndpoint: world.endpoints.get(home) },
        },
      ]);
    }
    case 'addr': {
      const prefix = prefixOf(object.address, object.prefixLength);
      const overlaps = everySubnet.some(({ spec }) => prefixesOverlap(spec.cidr, prefix));
      const resource = own(world.routers).find(({ metadata: { name } }) => name === routerName);
      const isRouted = resource?.spec.routes.some(({ destination }) => destination === prefix);
      if (!isGatewayed(network) || overlaps || isRouted) return [];
      const interfaceAddress = { networkUid, address: `${object.address}/${object.prefixLength}` };
      return membersOf(network).map((dpu) => [
        dpu,
        `interfaceaddress/${networkUid}/${object.address}`,
        { interfaceAddress },
      ]);
    }
  }
}
