import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type ServiceChainDestinationSchema,
  type ServiceChainSpec as ServiceChainSpecMessage,
  ServiceChainSpecSchema,
  type ServiceChainStatus as ServiceChainStatusMessage,
  ServiceChainStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { labelSelectorToMessage } from '../../label-selector.js';
import { parsePropagation, propagationToMessage } from '../../propagation.js';
import type { ServiceChainDestination, ServiceChainSpec, ServiceChainStatus } from './spec.js';

export const serviceChainSpecToMessage = (spec: ServiceChainSpec): ServiceChainSpecMessage =>
  create(ServiceChainSpecSchema, {
    ports: [...spec.ports],
    ...(spec.portSelector && { portSelector: labelSelectorToMessage(spec.portSelector) }),
    destination: destinationToMessage(spec.destination),
    hops: spec.hops.map(({ name, ingressPort, egressPort }) => ({
      name,
      ingressPort,
      ...(egressPort !== ingressPort && { egressPort }),
    })),
    failureMode: spec.failureMode,
  });

function destinationToMessage(
  destination: ServiceChainDestination,
): MessageInitShape<typeof ServiceChainDestinationSchema> {
  switch (destination.kind) {
    case 'network':
      return { network: destination.network };
    case 'cidrs':
      return { cidrs: [...destination.cidrs] };
    case 'external':
      return { external: true };
  }
}

export const parseServiceChainStatus = (
  message: ServiceChainStatusMessage = create(ServiceChainStatusSchema),
  problems: Problems,
): Omit<ServiceChainStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  ports: message.ports,
  dpus: message.dpus,
  propagated: parsePropagation(message.propagated, problems),
});

export const serviceChainStatusToMessage = ({
  observedGeneration,
  ports,
  dpus,
  propagated,
}: ServiceChainStatus): ServiceChainStatusMessage =>
  create(ServiceChainStatusSchema, { observedGeneration, ports, dpus, ...propagationToMessage(propagated) });
