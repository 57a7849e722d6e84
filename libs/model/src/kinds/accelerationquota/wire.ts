import { create } from '@bufbuild/protobuf';
import {
  type AccelerationQuotaSpec as AccelerationQuotaSpecMessage,
  AccelerationQuotaSpecSchema,
  type AccelerationQuotaStatus as AccelerationQuotaStatusMessage,
  AccelerationQuotaStatusSchema,
} from '@outboard/contracts';
import type { AccelerationQuotaSpec, AccelerationQuotaStatus } from './spec.js';

export const accelerationQuotaSpecToMessage = (spec: AccelerationQuotaSpec): AccelerationQuotaSpecMessage =>
  create(AccelerationQuotaSpecSchema, { ...spec });

export const parseAccelerationQuotaStatus = (
  message: AccelerationQuotaStatusMessage = create(AccelerationQuotaStatusSchema),
): Omit<AccelerationQuotaStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  sessions: message.sessions,
  keys: message.keys,
  weight: message.weight,
  inFlightMebibytes: message.inFlightMebibytes,
});

export const accelerationQuotaStatusToMessage = ({
  conditions: _,
  ...status
}: AccelerationQuotaStatus): AccelerationQuotaStatusMessage => create(AccelerationQuotaStatusSchema, status);
