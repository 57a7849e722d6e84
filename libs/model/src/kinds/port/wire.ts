import { create } from '@bufbuild/protobuf';
import {
  type OffloadStatus as OffloadStatusMessage,
  type PortAddressStatus as PortAddressStatusMessage,
  type PortSpec as PortSpecMessage,
  PortSpecSchema,
  type PortStatus as PortStatusMessage,
  PortStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, oneOf, optional, required } from '../../fields.js';
import { addressOrPrefix, parseIpAddress } from '../../ip.js';
import { parsePropagation, propagationToMessage } from '../../propagation.js';
import { parseMacAddress, parseMtu, parseName } from '../../values.js';
import { parseSegment, segmentToMessage } from '../network/wire.js';
import { OFFLOAD_STATES, type PortAddressStatus, type PortSpec, type PortStatus } from './spec.js';

const parseOffloadState = oneOf(OFFLOAD_STATES);

export const portSpecToMessage = (spec: PortSpec): PortSpecMessage =>
  create(PortSpecSchema, {
    network: spec.network,
    ...(spec.function && {
      function: {
        serialNumber: spec.function.serialNumber,
        pfMacAddress: spec.function.pfMacAddress,
        ...(spec.function.vfNumber !== undefined && { vfNumber: spec.function.vfNumber }),
        ...(spec.function.sfNumber !== undefined && { sfNumber: spec.function.sfNumber }),
      },
    }),
    addresses: spec.addresses.map(({ subnet, ip }) => ({ subnet, ip: ip ?? '' })),
    macAddress: spec.macAddress ?? '',
    securityPolicies: [...spec.securityPolicies],
    allowedAddressPairs: spec.allowedAddressPairs.map(({ ip, macAddress }) => ({
      ip: addressOrPrefix(ip),
      macAddress: macAddress ?? '',
    })),
    adminState: spec.adminState,
    offload: spec.offload,
    namedPorts: spec.namedPorts.map((namedPort) => ({ ...namedPort })),
    ...(spec.bandwidth && {
      bandwidth: {
        ingressKbps: spec.bandwidth.ingressKbps ?? 0,
        egressKbps: spec.bandwidth.egressKbps ?? 0,
      },
    }),
    ...(spec.trunk && { trunk: { ...spec.trunk } }),
  });

function parseAddressStatus(
  message: PortAddressStatusMessage,
  field: string,
  problems: Problems,
): PortAddressStatus | undefined {
  const subnet = required(problems, `${field}.subnet`, message.subnet, parseName);
  const ip = required(problems, `${field}.ip`, message.ip, parseIpAddress);
  const gateway = optional(problems, `${field}.gateway`, message.gateway, parseIpAddress);
  if (subnet === undefined || ip === undefined) return undefined;
  return { subnet, ip, prefixLength: message.prefixLength, gateway };
}

function parseOffloadStatus(
  message: OffloadStatusMessage | undefined,
  problems: Problems,
): PortStatus['offload'] {
  if (message === undefined) return undefined;
  const state = required(problems, 'status.offload.state', message.state, parseOffloadState);
  return state && { state, reason: message.reason };
}

export function parsePortStatus(
  message: PortStatusMessage = create(PortStatusSchema),
  problems: Problems,
): Omit<PortStatus, 'conditions'> | undefined {
  const addresses = all(
    message.addresses.map((address, index) =>
      parseAddressStatus(address, `status.addresses[${index}]`, problems),
    ),
  );
  return (
    addresses && {
      observedGeneration: message.observedGeneration,
      dpu: optional(problems, 'status.dpu', message.dpu, parseName),
      representor: message.representor || undefined,
      mtu: optional(problems, 'status.mtu', message.mtu, parseMtu),
      macAddress: optional(problems, 'status.macAddress', message.macAddress, parseMacAddress),
      addresses,
      segment: parseSegment(message.segment, problems),
      offload: parseOffloadStatus(message.offload, problems),
      propagated: parsePropagation(message.propagated, problems),
    }
  );
}

export const portStatusToMessage = (status: PortStatus): PortStatusMessage =>
  create(PortStatusSchema, {
    observedGeneration: status.observedGeneration,
    dpu: status.dpu ?? '',
    representor: status.representor ?? '',
    mtu: status.mtu ?? 0,
    macAddress: status.macAddress ?? '',
    addresses: status.addresses.map(({ subnet, ip, prefixLength, gateway }) => ({
      subnet,
      ip,
      prefixLength,
      gateway: gateway ?? '',
    })),
    ...(status.segment && { segment: segmentToMessage(status.segment) }),
    ...(status.offload && { offload: status.offload }),
    ...propagationToMessage(status.propagated),
  });
