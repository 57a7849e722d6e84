import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import type { FunctionIdentity, Port, PortSpec } from './spec.js';

/** A text that is equal for equal identities: how functions and the ports that bind them find each other. */
export const functionIdentityKey = ({
  serialNumber,
  pfMacAddress,
  vfNumber,
  sfNumber,
}: FunctionIdentity): string =>
  `${serialNumber}/${pfMacAddress}/${sfNumber === undefined ? (vfNumber ?? 'pf') : `sf${sfNumber}`}`;

export const portReferences = ({ network, addresses, securityPolicies, trunk }: PortSpec): Reference[] => [
  { field: 'spec.network', kind: 'Network', name: network },
  ...(trunk ? [{ field: 'spec.trunk.parent', kind: 'Port', name: trunk.parent }] : []),
  ...addresses.map(({ subnet }, index) => ({
    field: `spec.addresses[${index}].subnet`,
    kind: 'Subnet',
    name: subnet,
  })),
  ...securityPolicies.map((name, index) => ({
    field: `spec.securityPolicies[${index}]`,
    kind: 'SecurityPolicy',
    name,
  })),
];

export function portIndexes({ metadata, spec, status }: Port): IndexEntry[] {
  const entries: IndexEntry[] = [
    { index: 'port.network', value: `${metadata.tenant}/${spec.network}`, unique: false },
  ];
  if (spec.function !== undefined) {
    entries.push({ index: 'port.function', value: functionIdentityKey(spec.function), unique: true });
  }
  if (spec.trunk !== undefined) {
    const { parent, vlanId } = spec.trunk;
    entries.push({ index: 'port.trunk', value: `${metadata.tenant}/${parent}/${vlanId}`, unique: true });
  }
  if (status.dpu !== undefined) entries.push({ index: 'port.dpu', value: status.dpu, unique: false });
  return entries;
}

export const PORT_SELECTABLE: readonly Accessor<Port>[] = [
  { field: 'spec.network', read: ({ spec }) => spec.network },
  { field: 'spec.function.serialNumber', read: ({ spec }) => spec.function?.serialNumber },
  { field: 'spec.trunk.parent', read: ({ spec }) => spec.trunk?.parent },
  { field: 'spec.adminState', read: ({ spec }) => spec.adminState },
  { field: 'status.dpu', read: ({ status }) => status.dpu },
  { field: 'status.macAddress', read: ({ status }) => status.macAddress },
];
