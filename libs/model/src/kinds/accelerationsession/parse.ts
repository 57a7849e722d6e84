import { create } from '@bufbuild/protobuf';
import {
  type AccelerationSessionSpec as AccelerationSessionSpecMessage,
  AccelerationSessionSpecSchema,
  type SessionHolder as SessionHolderMessage,
  SessionHolderSchema,
} from '@outboard/contracts';
import { err, ok, type Problems } from '@outboard/core';
import { parseSessionPolicy, within } from '../../acceleration/policy.js';
import { parsePrograms } from '../../acceleration/program.js';
import { optional } from '../../fields.js';
import { type Parser, parseName } from '../../values.js';
import type { AccelerationSessionSpec, SessionHolder } from './spec.js';

const MAX_TTL_SECONDS = 365 * 86_400;

export const parseTokenDigest: Parser<string, string> = (text) =>
  /^[0-9a-f]{64}$/.test(text) ? ok(text) : err('must be 64 lower-case hexadecimal digits (SHA-256)');

/** Names of pods are subdomains. */
const POD = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const parsePod: Parser<string, string> = (text) =>
  POD.test(text) ? ok(text) : err('must be namespace/name, as Kubernetes names pods');

export function parseAccelerationSessionSpec(
  message: AccelerationSessionSpecMessage = create(AccelerationSessionSpecSchema),
  problems: Problems,
): AccelerationSessionSpec | undefined {
  const profile = optional(problems, 'spec.profile', message.profile, parseName);
  if (message.profile === '' && message.programs.length === 0) {
    problems.add('spec.programs', 'is required without a profile');
  }
  if (message.profile !== '' && message.programs.length > 0) {
    problems.add('spec.programs', "must be absent with a profile, whose programs the session's are");
  }
  const programs = parsePrograms(message.programs, 'spec.programs', problems);
  const rest = {
    profile,
    policy: parseSessionPolicy(message.policy, 'spec.policy', problems),
    holder: parseHolder(message.holder, problems),
    dpu: optional(problems, 'spec.dpu', message.dpu, parseName),
    ttlSeconds: optional(problems, 'spec.ttlSeconds', message.ttlSeconds, within(1, MAX_TTL_SECONDS)),
    tokenSha256: optional(problems, 'spec.tokenSha256', message.tokenSha256, parseTokenDigest),
    peerUid: message.peerUid,
  };
  return programs && { ...rest, programs };
}

const parseHolder = (
  { port, pod }: SessionHolderMessage = create(SessionHolderSchema),
  problems: Problems,
): SessionHolder => ({
  port: optional(problems, 'spec.holder.port', port, parseName),
  pod: optional(problems, 'spec.holder.pod', pod, parsePod),
});
