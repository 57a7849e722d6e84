import { MAX_VLAN_ID, MAX_VNI } from '../../values.js';
import type { NetworkType, Segment } from './spec.js';

/** Whether networks of the type are carried by a physical network as they are, and not in tunnels between DPUs. */
export const isPhysical = (networkType: NetworkType): boolean =>
  networkType === 'VLAN' || networkType === 'FLAT';

/** The identifiers that networks of the type can have, inclusive; FLAT has none, which is written as 0. */
export function segmentationIds(networkType: NetworkType): { readonly first: number; readonly last: number } {
  if (networkType === 'FLAT') return { first: 0, last: 0 };
  return { first: 1, last: networkType === 'VLAN' ? MAX_VLAN_ID : MAX_VNI };
}

/** A segment as messages name it: `VLAN 101 on physnet1`. No two networks have the same. */
export const segmentText = ({ networkType, segmentationId, physicalNetwork }: Segment): string =>
  [
    networkType,
    ...(segmentationId === undefined ? [] : [segmentationId]),
    ...onPhysical(physicalNetwork),
  ].join(' ');

const onPhysical = (name: string | undefined): string[] => (name === undefined ? [] : ['on', name]);
