import type { Accessor } from '../../kind.js';
import type { AccelerationProfile } from './spec.js';

export const ACCELERATION_PROFILE_SELECTABLE: readonly Accessor<AccelerationProfile>[] = [];
