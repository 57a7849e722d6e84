import { create } from '@bufbuild/protobuf';
import {
  type AccelerationProfileSpec as AccelerationProfileSpecMessage,
  AccelerationProfileSpecSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { parseSessionPolicy } from '../../acceleration/policy.js';
import { parsePrograms } from '../../acceleration/program.js';
import type { AccelerationProfileSpec } from './spec.js';

export function parseAccelerationProfileSpec(
  message: AccelerationProfileSpecMessage = create(AccelerationProfileSpecSchema),
  problems: Problems,
): AccelerationProfileSpec | undefined {
  if (message.programs.length === 0) problems.add('spec.programs', 'is required');
  const programs = parsePrograms(message.programs, 'spec.programs', problems);
  const policy = parseSessionPolicy(message.policy, 'spec.policy', problems);
  return programs && { programs, policy };
}
