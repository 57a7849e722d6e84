import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import type { SecurityPolicy, SecurityPolicySpec, SecurityRule } from './spec.js';

export const securityPolicyReferences = ({ ingress, egress }: SecurityPolicySpec): Reference[] => [
  ...addressSets(ingress, 'spec.ingress'),
  ...addressSets(egress, 'spec.egress'),
];

const addressSets = (rules: readonly SecurityRule[], field: string): Reference[] =>
  rules.flatMap(({ peers }, rule) =>
    peers.flatMap((peer, index) =>
      peer.kind === 'addressSet'
        ? [{ field: `${field}[${rule}].peers[${index}].addressSet`, kind: 'AddressSet', name: peer.name }]
        : [],
    ),
  );

export const securityPolicyIndexes = ({ metadata, spec }: SecurityPolicy): IndexEntry[] =>
  [...new Set(securityPolicyReferences(spec).map(({ name }) => name))].map((name) => ({
    index: 'securitypolicy.addressset',
    value: `${metadata.tenant}/${name}`,
    unique: false,
  }));

export const SECURITY_POLICY_SELECTABLE: readonly Accessor<SecurityPolicy>[] = [
  { field: 'spec.tier', read: ({ spec }) => spec.tier },
];
