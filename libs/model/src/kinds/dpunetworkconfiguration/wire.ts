import { create } from '@bufbuild/protobuf';
import {
  type DpuNetworkConfigurationSpec as DpuNetworkConfigurationSpecMessage,
  DpuNetworkConfigurationSpecSchema,
  type DpuNetworkConfigurationStatus as DpuNetworkConfigurationStatusMessage,
  DpuNetworkConfigurationStatusSchema,
} from '@outboard/contracts';
import { DEFAULT_CONFIRM_TIMEOUT_SECONDS } from './parse.js';
import type { DpuNetworkConfigurationSpec, DpuNetworkConfigurationStatus } from './spec.js';

export const dpuNetworkConfigurationSpecToMessage = ({
  interfaces,
  routes,
  confirmTimeoutSeconds,
  attempt,
}: DpuNetworkConfigurationSpec): DpuNetworkConfigurationSpecMessage =>
  create(DpuNetworkConfigurationSpecSchema, {
    interfaces: interfaces.map(({ device, mtu, adminState, addresses, exclusiveAddresses, master }) => ({
      device,
      mtu: mtu ?? 0,
      adminState: adminState ?? '',
      addresses: [...addresses],
      exclusiveAddresses,
      master: master ?? '',
    })),
    routes: routes.map(({ destination, gateway, device, metric }) => ({
      destination,
      gateway: gateway ?? '',
      device: device ?? '',
      metric,
    })),
    // What is so when nothing is said, is not said.
    confirmTimeoutSeconds:
      confirmTimeoutSeconds === DEFAULT_CONFIRM_TIMEOUT_SECONDS ? 0 : confirmTimeoutSeconds,
    attempt,
  });

export const parseDpuNetworkConfigurationStatus = (
  message: DpuNetworkConfigurationStatusMessage = create(DpuNetworkConfigurationStatusSchema),
): Omit<DpuNetworkConfigurationStatus, 'conditions'> => {
  const { observedGeneration, confirmedGeneration } = message;
  return { observedGeneration, confirmedGeneration };
};

export const dpuNetworkConfigurationStatusToMessage = ({
  observedGeneration,
  confirmedGeneration,
}: DpuNetworkConfigurationStatus): DpuNetworkConfigurationStatusMessage =>
  create(DpuNetworkConfigurationStatusSchema, { observedGeneration, confirmedGeneration });
