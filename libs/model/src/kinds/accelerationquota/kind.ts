import {
  type AccelerationQuota as AccelerationQuotaMessage,
  AccelerationQuotaSchema,
} from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { ACCELERATION_QUOTA_REASONS } from './conditions.js';
import { parseAccelerationQuotaSpec } from './parse.js';
import { ACCELERATION_QUOTA_SELECTABLE } from './references.js';
import type { AccelerationQuota } from './spec.js';
import {
  accelerationQuotaSpecToMessage,
  accelerationQuotaStatusToMessage,
  parseAccelerationQuotaStatus,
} from './wire.js';

export const accelerationQuotaKind = {
  kind: 'AccelerationQuota',
  api: 'acceleration',
  scope: 'system',
  summary: 'What the tenant of its name may have of acceleration at one time.',
  rules: [
    'It belongs to no tenant, so that no tenant can change its own.',
    'A session or key that would exceed it is refused with RESOURCE_EXHAUSTED (`QUOTA_EXCEEDED`); what is there stays when it is lowered.',
    'The status counts when it is read; its changes are no events.',
  ],
  schema: AccelerationQuotaSchema,
  reasons: ACCELERATION_QUOTA_REASONS,
  immutable: [],
  selectable: ACCELERATION_QUOTA_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    sessions: 0,
    keys: 0,
    weight: 0,
    inFlightMebibytes: 0,
    conditions: [],
  },
  parseSpec: parseAccelerationQuotaSpec,
  specToMessage: accelerationQuotaSpecToMessage,
  parseStatus: parseAccelerationQuotaStatus,
  statusToMessage: accelerationQuotaStatusToMessage,
  references: () => [],
  indexes: (_: AccelerationQuota) => [],
} satisfies Kind<AccelerationQuota, AccelerationQuotaMessage>;
