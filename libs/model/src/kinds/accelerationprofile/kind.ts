import {
  type AccelerationProfile as AccelerationProfileMessage,
  AccelerationProfileSchema,
} from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { ACCELERATION_PROFILE_REASONS } from './conditions.js';
import { parseAccelerationProfileSpec } from './parse.js';
import { ACCELERATION_PROFILE_SELECTABLE } from './references.js';
import type { AccelerationProfile } from './spec.js';
import {
  accelerationProfileSpecToMessage,
  accelerationProfileStatusToMessage,
  parseAccelerationProfileStatus,
} from './wire.js';

export const accelerationProfileKind = {
  kind: 'AccelerationProfile',
  api: 'acceleration',
  scope: 'tenant',
  summary:
    'Programs and a policy under a name, for sessions (Cyborg: device profile; Kubernetes: DeviceClass).',
  rules: [
    'A change counts for the sessions that have it too, which may move.',
    'Keys that its programs name need not exist yet.',
  ],
  schema: AccelerationProfileSchema,
  reasons: ACCELERATION_PROFILE_REASONS,
  immutable: [],
  selectable: ACCELERATION_PROFILE_SELECTABLE,
  emptyStatus: { observedGeneration: 0, sessions: 0, conditions: [] },
  parseSpec: parseAccelerationProfileSpec,
  specToMessage: accelerationProfileSpecToMessage,
  parseStatus: parseAccelerationProfileStatus,
  statusToMessage: accelerationProfileStatusToMessage,
  references: () => [],
  indexes: (_: AccelerationProfile) => [],
} satisfies Kind<AccelerationProfile, AccelerationProfileMessage>;
