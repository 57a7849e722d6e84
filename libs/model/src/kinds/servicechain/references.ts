import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import type { ServiceChain, ServiceChainSpec } from './spec.js';

export const serviceChainReferences = ({ destination, hops }: ServiceChainSpec): Reference[] => [
  ...(destination.kind === 'network'
    ? [{ field: 'spec.destination.network', kind: 'Network', name: destination.network }]
    : []),
  ...hops.flatMap(({ ingressPort, egressPort }, index) => [
    { field: `spec.hops[${index}].ingressPort`, kind: 'Port', name: ingressPort },
    ...(egressPort === ingressPort
      ? []
      : [{ field: `spec.hops[${index}].egressPort`, kind: 'Port', name: egressPort }]),
  ]),
];

export const serviceChainIndexes = (_: ServiceChain): IndexEntry[] => [];

export const SERVICE_CHAIN_SELECTABLE: readonly Accessor<ServiceChain>[] = [
  { field: 'spec.failureMode', read: ({ spec }) => spec.failureMode },
];
