import type { Accessor } from '../../kind.js';
import type { AddressSet } from './spec.js';

export const ADDRESS_SET_SELECTABLE: readonly Accessor<AddressSet>[] = [];
