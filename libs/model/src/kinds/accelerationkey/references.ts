import type { Accessor } from '../../kind.js';
import type { AccelerationKey } from './spec.js';

export const ACCELERATION_KEY_SELECTABLE: readonly Accessor<AccelerationKey>[] = [
  { field: 'spec.algorithm', read: ({ spec }) => spec.algorithm },
  { field: 'spec.session', read: ({ spec }) => spec.session },
];
