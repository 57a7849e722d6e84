import { create } from '@bufbuild/protobuf';
import {
  type AccelerationProfileSpec as AccelerationProfileSpecMessage,
  AccelerationProfileSpecSchema,
  type AccelerationProfileStatus as AccelerationProfileStatusMessage,
  AccelerationProfileStatusSchema,
} from '@outboard/contracts';
import { policyField } from '../../acceleration/policy.js';
import { programToMessage } from '../../acceleration/program.js';
import type { AccelerationProfileSpec, AccelerationProfileStatus } from './spec.js';

export const accelerationProfileSpecToMessage = ({
  programs,
  policy,
}: AccelerationProfileSpec): AccelerationProfileSpecMessage =>
  create(AccelerationProfileSpecSchema, { programs: programs.map(programToMessage), ...policyField(policy) });

export const parseAccelerationProfileStatus = (
  message: AccelerationProfileStatusMessage = create(AccelerationProfileStatusSchema),
): Omit<AccelerationProfileStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  sessions: message.sessions,
});

export const accelerationProfileStatusToMessage = ({
  observedGeneration,
  sessions,
}: AccelerationProfileStatus): AccelerationProfileStatusMessage =>
  create(AccelerationProfileStatusSchema, { observedGeneration, sessions });
