import { create } from '@bufbuild/protobuf';
import {
  type AccelerationQuotaSpec as AccelerationQuotaSpecMessage,
  AccelerationQuotaSpecSchema,
} from '@outboard/contracts';
import { type AccelerationQuotaSpec, DEFAULT_ACCELERATION_QUOTA } from './spec.js';

export const parseAccelerationQuotaSpec = (
  message: AccelerationQuotaSpecMessage = create(AccelerationQuotaSpecSchema),
): AccelerationQuotaSpec => ({
  maxSessions: message.maxSessions ?? DEFAULT_ACCELERATION_QUOTA.maxSessions,
  maxKeys: message.maxKeys ?? DEFAULT_ACCELERATION_QUOTA.maxKeys,
  maxWeight: message.maxWeight ?? DEFAULT_ACCELERATION_QUOTA.maxWeight,
  maxInFlightMebibytes: message.maxInFlightMebibytes ?? DEFAULT_ACCELERATION_QUOTA.maxInFlightMebibytes,
});
