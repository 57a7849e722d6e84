import { create } from '@bufbuild/protobuf';
import {
  type AddressCapacity as AddressCapacityMessage,
  type SubnetSpec as SubnetSpecMessage,
  SubnetSpecSchema,
  type SubnetStatus as SubnetStatusMessage,
  SubnetStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { optional } from '../../fields.js';
import { parseIpAddress } from '../../ip.js';
import type { AddressCapacity, Dhcp, SubnetSpec, SubnetStatus } from './spec.js';

export const subnetSpecToMessage = (spec: SubnetSpec): SubnetSpecMessage =>
  create(SubnetSpecSchema, {
    network: spec.network,
    cidr: spec.cidr,
    gateway: spec.gateway ?? '',
    allocationRanges: spec.allocationRanges.map((range) => ({ ...range })),
    excludedRanges: spec.excludedRanges.map((range) => ({ ...range })),
    reservations: spec.reservations.map(({ name, ip, port = '' }) => ({ name, ip, port })),
    retentionSeconds: spec.retentionSeconds,
    // What is so when nothing is said, is not said.
    allocationMode: spec.allocationMode === 'LOWEST' ? '' : spec.allocationMode,
    ...(spec.dhcp && { dhcp: dhcpToMessage(spec.dhcp) }),
    ...(spec.routerAdvertisement && { routerAdvertisement: { ...spec.routerAdvertisement } }),
    dnsServers: [...spec.dnsServers],
    domainName: spec.domainName ?? '',
  });

const dhcpToMessage = ({ leaseSeconds, ntpServers, routes }: Dhcp) => ({
  leaseSeconds,
  ntpServers: [...ntpServers],
  routes: routes.map((route) => ({ ...route })),
});

export const parseSubnetStatus = (
  message: SubnetStatusMessage = create(SubnetStatusSchema),
  problems: Problems,
): Omit<SubnetStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  gateway: optional(problems, 'status.gateway', message.gateway, parseIpAddress),
  allocated: message.allocated,
  capacity: message.capacity && capacityOf(message.capacity),
});

const capacityOf = ({
  total,
  used,
  reserved,
  quarantined,
  free,
}: AddressCapacityMessage): AddressCapacity => ({
  total: Number(total),
  used: Number(used),
  reserved: Number(reserved),
  quarantined: Number(quarantined),
  free: Number(free),
});

const capacityToMessage = ({ total, used, reserved, quarantined, free }: AddressCapacity) => ({
  total: BigInt(total),
  used: BigInt(used),
  reserved: BigInt(reserved),
  quarantined: BigInt(quarantined),
  free: BigInt(free),
});

export const subnetStatusToMessage = (status: SubnetStatus): SubnetStatusMessage =>
  create(SubnetStatusSchema, {
    observedGeneration: status.observedGeneration,
    gateway: status.gateway ?? '',
    allocated: status.allocated,
    ...(status.capacity && { capacity: capacityToMessage(status.capacity) }),
  });
