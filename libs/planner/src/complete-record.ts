import {
  IP_FAMILIES,
  type NetlinkObjectSpec,
  type NetlinkRoute,
  type RouterSpec,
  type SubnetSpec,
} from '@outboard/model';
import type { DpuRecord, StoredRecord } from './records.js';

/** What a subnet had before there was a word for it. */
const SUBNET: Omit<SubnetSpec, 'network' | 'cidr' | 'gateway' | 'allocationRanges'> = {
  excludedRanges: [],
  reservations: [],
  retentionSeconds: 0,
  allocationMode: 'LOWEST',
  dhcp: undefined,
  routerAdvertisement: undefined,
  dnsServers: [],
  domainName: undefined,
};

/** All could be used before there was a word for it, and none had VLANs of ports. */
const DPU: Pick<DpuRecord, 'schedulable' | 'trunks'> = { schedulable: true, trunks: false };

/** A record as this version has it, from one that an earlier version may have stored: what that lacks nobody has asked for. */
export function completeRecord(record: StoredRecord): StoredRecord {
  switch (record.kind) {
    case 'Subnet': {
      const { resource } = record;
      return { kind: 'Subnet', resource: { ...resource, spec: { ...SUBNET, ...resource.spec } } };
    }
    case 'Router': {
      const { resource } = record;
      return { kind: 'Router', resource: { ...resource, spec: completeRouter(resource.spec) } };
    }
    case 'NetlinkObject': {
      const { resource } = record;
      return { kind: 'NetlinkObject', resource: { ...resource, spec: completePlaced(resource.spec) } };
    }
    case 'Dpu':
      return { ...DPU, ...record };
    default:
      return record;
  }
}

function completeRouter(spec: RouterSpec): RouterSpec {
  const { externalGateway } = spec;
  if (!externalGateway) return spec;
  // At first nothing but IPv4 left.
  const { sourceNat, ipFamilies = IP_FAMILIES.slice(0, 1) } = externalGateway;
  return { ...spec, externalGateway: { sourceNat, ipFamilies } };
}

function completePlaced(spec: NetlinkObjectSpec): NetlinkObjectSpec {
  const { object } = spec;
  if (object.kind !== 'route') return spec;
  // At first nothing but `unreachable` could be instead of next hops.
  const before: Partial<NetlinkRoute> = {
    rtmType: object.nextHops.length > 0 ? undefined : 'unreachable',
    mtu: undefined,
  };
  return { ...spec, object: { ...before, ...object } };
}
