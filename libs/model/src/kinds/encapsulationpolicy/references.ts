import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import { SYSTEM_TENANT } from '../../values.js';
import type { EncapsulationPolicy, EncapsulationPolicySpec, SegmentRange } from './spec.js';

export function encapsulationPolicyReferences({
  defaultSegment,
  allowed,
}: EncapsulationPolicySpec): Reference[] {
  const named = (field: string, { physicalNetwork: name }: SegmentRange): Reference[] =>
    name === undefined ? [] : [{ field: `${field}.physicalNetwork`, kind: 'PhysicalNetwork', name }];
  return [
    ...named('spec.defaultSegment', defaultSegment),
    ...allowed.flatMap((range, index) => named(`spec.allowed[${index}]`, range)),
  ];
}

export const encapsulationPolicyIndexes = ({ spec }: EncapsulationPolicy): IndexEntry[] => [
  { index: 'encapsulationpolicy.tenant', value: spec.tenant ?? SYSTEM_TENANT, unique: true },
];

export const ENCAPSULATION_POLICY_SELECTABLE: readonly Accessor<EncapsulationPolicy>[] = [
  { field: 'spec.tenant', read: ({ spec }) => spec.tenant },
  { field: 'spec.defaultSegment.networkType', read: ({ spec }) => spec.defaultSegment.networkType },
];
