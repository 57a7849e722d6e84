import { create } from '@bufbuild/protobuf';
import {
  type AccelerationSessionSpec as AccelerationSessionSpecMessage,
  AccelerationSessionSpecSchema,
  type AccelerationSessionStatus as AccelerationSessionStatusMessage,
  AccelerationSessionStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import {
  effectivePolicy,
  parseSessionPolicy,
  policyField,
  sessionPolicyToMessage,
} from '../../acceleration/policy.js';
import { programToMessage } from '../../acceleration/program.js';
import { oneOf, optional, required } from '../../fields.js';
import { parseName } from '../../values.js';
import { OFFLOADS } from '../port/spec.js';
import { parseTokenDigest } from './parse.js';
import { type AccelerationSessionSpec, type AccelerationSessionStatus, GRANTED_OFFLOADS } from './spec.js';

export const accelerationSessionSpecToMessage = (
  spec: AccelerationSessionSpec,
): AccelerationSessionSpecMessage => {
  const { port, pod } = spec.holder;
  return create(AccelerationSessionSpecSchema, {
    profile: spec.profile ?? '',
    programs: spec.programs.map(programToMessage),
    ...policyField(spec.policy),
    ...((port !== undefined || pod !== undefined) && { holder: { port: port ?? '', pod: pod ?? '' } }),
    dpu: spec.dpu ?? '',
    ttlSeconds: spec.ttlSeconds ?? 0,
    tokenSha256: spec.tokenSha256 ?? '',
    ...(spec.peerUid !== undefined && { peerUid: spec.peerUid }),
  });
};

const parseOffload = oneOf(OFFLOADS);
const parseGranted = oneOf(GRANTED_OFFLOADS);

function parseOffloadStatus(
  { offload }: AccelerationSessionStatusMessage,
  problems: Problems,
): AccelerationSessionStatus['offload'] {
  if (offload === undefined) return undefined;
  const asked = required(problems, 'status.offload.asked', offload.asked, parseOffload);
  const granted = required(problems, 'status.offload.granted', offload.granted, parseGranted);
  return asked && granted && { asked, granted, reason: offload.reason };
}

export const parseAccelerationSessionStatus = (
  message: AccelerationSessionStatusMessage = create(AccelerationSessionStatusSchema),
  problems: Problems,
): Omit<AccelerationSessionStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  dpu: optional(problems, 'status.dpu', message.dpu, parseName),
  epoch: message.epoch,
  socketDirectory: message.socketDirectory || undefined,
  tokenSha256: optional(problems, 'status.tokenSha256', message.tokenSha256, parseTokenDigest),
  programs: message.programs.map(({ id, steps }) => ({
    id,
    steps: steps.map(({ operation, algorithm, implementation, module, megabytesPerSecond }) => ({
      operation,
      algorithm,
      implementation,
      module,
      megabytesPerSecond,
    })),
  })),
  offload: parseOffloadStatus(message, problems),
  policy: message.policy && effectivePolicy(parseSessionPolicy(message.policy, 'status.policy', problems)),
  expiresAt: message.expiresAt || undefined,
});

export const accelerationSessionStatusToMessage = (
  status: AccelerationSessionStatus,
): AccelerationSessionStatusMessage =>
  create(AccelerationSessionStatusSchema, {
    observedGeneration: status.observedGeneration,
    dpu: status.dpu ?? '',
    epoch: status.epoch,
    socketDirectory: status.socketDirectory ?? '',
    tokenSha256: status.tokenSha256 ?? '',
    programs: status.programs.map(({ id, steps }) => ({ id, steps: steps.map((step) => ({ ...step })) })),
    ...(status.offload && { offload: { ...status.offload } }),
    ...(status.policy && { policy: sessionPolicyToMessage(status.policy) }),
    expiresAt: status.expiresAt ?? '',
  });
