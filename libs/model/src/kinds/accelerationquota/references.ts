import type { Accessor } from '../../kind.js';
import type { AccelerationQuota } from './spec.js';

export const ACCELERATION_QUOTA_SELECTABLE: readonly Accessor<AccelerationQuota>[] = [];
