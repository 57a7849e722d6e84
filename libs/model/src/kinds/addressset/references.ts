import type { Accessor, IndexEntry } from '../../kind.js';
import type { AddressSet } from './spec.js';

export const addressSetIndexes = ({ metadata }: AddressSet): IndexEntry[] => [
  { index: 'addressset.uid', value: metadata.uid, unique: true },
];

export const ADDRESS_SET_SELECTABLE: readonly Accessor<AddressSet>[] = [];
