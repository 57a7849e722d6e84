import { create } from '@bufbuild/protobuf';
import {
  type PhysicalNetworkSpec as PhysicalNetworkSpecMessage,
  PhysicalNetworkSpecSchema,
  type PhysicalNetworkStatus as PhysicalNetworkStatusMessage,
  PhysicalNetworkStatusSchema,
} from '@outboard/contracts';
import { labelSelectorToMessage } from '../../label-selector.js';
import type { PhysicalNetworkSpec, PhysicalNetworkStatus } from './spec.js';

export const physicalNetworkSpecToMessage = ({
  mtu,
  vlanRanges,
  attachments,
}: PhysicalNetworkSpec): PhysicalNetworkSpecMessage =>
  create(PhysicalNetworkSpecSchema, {
    mtu,
    vlanRanges: vlanRanges.map((range) => ({ ...range })),
    attachments: attachments.map(({ uplink, dpus, dpuSelector }) => ({
      uplink,
      dpus: [...dpus],
      ...(dpuSelector && { dpuSelector: labelSelectorToMessage(dpuSelector) }),
    })),
  });

export const parsePhysicalNetworkStatus = (
  message: PhysicalNetworkStatusMessage = create(PhysicalNetworkStatusSchema),
): Omit<PhysicalNetworkStatus, 'conditions'> => {
  const { observedGeneration, dpus, networks } = message;
  return { observedGeneration, dpus, networks };
};

export const physicalNetworkStatusToMessage = ({
  observedGeneration,
  dpus,
  networks,
}: PhysicalNetworkStatus): PhysicalNetworkStatusMessage =>
  create(PhysicalNetworkStatusSchema, { observedGeneration, dpus, networks });
