import type { Name, Port, Propagation } from '@outboard/model';
import { capacityOf } from './allocate/subnet-pool.js';
import type { PlannedResource } from './api.js';
import type { AwaitedEntry, DpuEntry } from './entries.js';
import { MAX_LAGGING, propagationOf } from './propagation.js';
import { nameKey, type World } from './world.js';

/** How far a policy, an address set or a chain is known; undefined: it concerns no DPU. */
function reachOf(entry: AwaitedEntry, dpus: ReadonlySet<DpuEntry>): Propagation | undefined {
  if (dpus.size === 0) return undefined;
  const lagging: Name[] = [];
  if (entry.lagging > 0) {
    for (const dpu of dpus) {
      if (!dpu.awaited.has(entry)) continue;
      lagging.push(dpu.record.name);
      if (lagging.length === Math.min(entry.lagging, MAX_LAGGING)) break;
    }
  }
  return { applied: dpus.size - entry.lagging, total: dpus.size, lagging };
}

/**
 * A resource as callers see it: with what is counted from the world instead of being stored, as it would change with
 * every port: `status.ports` of a network, `status.allocated` and `status.capacity` of a subnet, `status.policies` of an address set,
 * `status.ports` and `status.dpus` of a policy and of a service chain, `status.propagated` of these and of a port, `status.dpus` and `status.networks` of a
 * physical network, `status.dpus` of what callers have placed.
 */
export function present<Resource extends PlannedResource>(world: World, resource: Resource): Resource {
  const key = nameKey(resource.metadata.tenant, resource.metadata.name);
  switch (resource.kind) {
    case 'PhysicalNetwork': {
      const entry = world.physicalNetworks.get(resource.metadata.name);
      if (!entry) return resource;
      const attached = [...world.dpus.values()].filter(({ record }) =>
        world.physicalNetworks.uplink(entry, record),
      );
      const { size: networks } = entry.networks;
      return { ...resource, status: { ...resource.status, dpus: attached.length, networks } };
    }
    case 'EncapsulationPolicy':
      return resource;
    case 'Router': {
      const router = world.routers.get(key);
      const counted = { networks: router?.networks.size ?? 0, dpus: router?.hosts.size ?? 0 };
      return { ...resource, status: { ...resource.status, ...counted } };
    }
    case 'Network': {
      const members = world.networks.get(key)?.members.values() ?? [];
      let ports = 0;
      for (const member of members) ports += member.ports.size;
      return { ...resource, status: { ...resource.status, ports } };
    }
    case 'Subnet': {
      const subnet = world.subnets.get(key);
      // What is made of MAC addresses is as many as these.
      const isCounted = subnet && resource.spec.allocationMode === 'LOWEST';
      const capacity = isCounted ? capacityOf(subnet) : undefined;
      const counted = { allocated: subnet?.allocated ?? 0, capacity };
      return { ...resource, status: { ...resource.status, ...counted } };
    }
    case 'AddressSet': {
      const set = world.policies.addressSets.get(key);
      const counted = {
        policies: set?.policies.size ?? 0,
        propagated: set && reachOf(set, world.policies.dpusOf(set)),
      };
      return { ...resource, status: { ...resource.status, ...counted } };
    }
    case 'SecurityPolicy': {
      const policy = world.policies.policies.get(key);
      const propagated = policy && reachOf(policy, world.policies.dpusOf(policy));
      const counted = { ports: policy?.ports.size ?? 0, dpus: propagated?.total ?? 0, propagated };
      return { ...resource, status: { ...resource.status, ...counted } };
    }
    case 'ServiceChain': {
      const { serviceChains } = world;
      const chain = serviceChains.chains.get(key);
      const propagated = chain && reachOf(chain, serviceChains.dpusOf(chain));
      const counted = { ports: chain?.ports.size ?? 0, dpus: propagated?.total ?? 0, propagated };
      return { ...resource, status: { ...resource.status, ...counted } };
    }
    case 'NetlinkObject': {
      const dpus = world.netlinkObjects.get(key)?.place.objects.size ?? 0;
      return { ...resource, status: { ...resource.status, dpus } };
    }
    case 'Port': {
      const entry = world.ports.get(key);
      const propagated = entry && propagationOf(entry);
      // Its row may not say yet what is so.
      const isUnwritten = world.unwritten.has(resource.metadata.uid);
      const known = (entry && isUnwritten ? entry.record.resource : resource) as Resource & Port;
      return { ...known, status: { ...known.status, propagated } };
    }
  }
}
