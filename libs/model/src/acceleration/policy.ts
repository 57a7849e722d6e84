import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type SessionPolicy as SessionPolicyMessage, SessionPolicySchema } from '@outboard/contracts';
import { err, ok, type Problems } from '@outboard/core';
import { oneOf, optional } from '../fields.js';
import { OFFLOADS, type Offload } from '../kinds/port/spec.js';
import type { Parser } from '../values.js';

/** From near to far. */
export const AFFINITIES = ['DPU', 'HOST', 'ANY'] as const;
export type Affinity = (typeof AFFINITIES)[number];

/** How a session is served, with nothing left open. */
export interface SessionPolicy {
  readonly offload: Offload;
  readonly hostFallback: boolean;
  readonly affinity: Affinity;
  readonly weight: number;
  readonly maxInFlightJobs: number;
  readonly maxInFlightKibibytes: number;
  readonly maxConnections: number;
  /** 0: the session does not end by having no connection. */
  readonly leaseSeconds: number;
}

/** As it is written: what is absent somebody else decides. */
export type PartialSessionPolicy = {
  readonly [Field in keyof SessionPolicy]: SessionPolicy[Field] | undefined;
};

export const DEFAULT_SESSION_POLICY: SessionPolicy = {
  offload: 'PREFERRED',
  hostFallback: false,
  affinity: 'HOST',
  weight: 1,
  maxInFlightJobs: 64,
  maxInFlightKibibytes: 8192,
  maxConnections: 8,
  leaseSeconds: 0,
};

export const EMPTY_SESSION_POLICY: PartialSessionPolicy = {
  offload: undefined,
  hostFallback: undefined,
  affinity: undefined,
  weight: undefined,
  maxInFlightJobs: undefined,
  maxInFlightKibibytes: undefined,
  maxConnections: undefined,
  leaseSeconds: undefined,
};

/**
 * The first that says something decides, field by field; then the default. Whoever needs hardware is not done by the
 * holder, which has none.
 */
export function effectivePolicy(...policies: readonly PartialSessionPolicy[]): SessionPolicy {
  const decided: Record<string, unknown> = { ...DEFAULT_SESSION_POLICY };
  for (const policy of [...policies].reverse()) {
    for (const [field, value] of Object.entries(policy)) if (value !== undefined) decided[field] = value;
  }
  const policy = decided as unknown as SessionPolicy;
  return policy.offload === 'REQUIRED' ? { ...policy, hostFallback: false } : policy;
}

/** MiB that may be in flight on all connections of a session, rounded up. */
export const inFlightMebibytes = ({ maxConnections, maxInFlightKibibytes }: SessionPolicy): number =>
  Math.ceil((maxConnections * maxInFlightKibibytes) / 1024);

const parseOffload = oneOf(OFFLOADS);
const parseAffinity = oneOf(AFFINITIES);

/** A parser of a number from `first` to `last`. */
export const within =
  (first: number, last: number): Parser<number, number> =>
  (value) =>
    value >= first && value <= last ? ok(value) : err(`must be ${first} to ${last}`);

export function parseSessionPolicy(
  message: SessionPolicyMessage = create(SessionPolicySchema),
  field: string,
  problems: Problems,
): PartialSessionPolicy {
  const number = (name: keyof SessionPolicyMessage & string, first: number, last: number) =>
    optional(problems, `${field}.${name}`, message[name] as number, within(first, last));
  return {
    offload: optional(problems, `${field}.offload`, message.offload, parseOffload),
    hostFallback: message.hostFallback,
    affinity: optional(problems, `${field}.affinity`, message.affinity, parseAffinity),
    weight: number('weight', 1, 1000),
    maxInFlightJobs: number('maxInFlightJobs', 1, 1024),
    maxInFlightKibibytes: number('maxInFlightKibibytes', 64, 65_536),
    maxConnections: number('maxConnections', 1, 64),
    leaseSeconds: number('leaseSeconds', 15, 86_400),
  };
}

export const sessionPolicyToMessage = ({
  hostFallback,
  ...policy
}: PartialSessionPolicy): MessageInitShape<typeof SessionPolicySchema> => ({
  offload: policy.offload ?? '',
  affinity: policy.affinity ?? '',
  weight: policy.weight ?? 0,
  maxInFlightJobs: policy.maxInFlightJobs ?? 0,
  maxInFlightKibibytes: policy.maxInFlightKibibytes ?? 0,
  maxConnections: policy.maxConnections ?? 0,
  leaseSeconds: policy.leaseSeconds ?? 0,
  ...(hostFallback !== undefined && { hostFallback }),
});

/** The field of a spec; absent where nothing is said. */
export const policyField = (policy: PartialSessionPolicy) =>
  Object.values(policy).some((value) => value !== undefined) && { policy: sessionPolicyToMessage(policy) };
