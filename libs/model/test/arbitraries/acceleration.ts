import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  generatedKeyBytes,
  isKeyed,
  operationsOf,
  TAG_BYTES,
} from '@outboard/acceleration/programs';
import fc from 'fast-check';
import {
  type AccelerationKey,
  type AccelerationProfile,
  type AccelerationQuota,
  type AccelerationSession,
  type AccelerationSessionSpec,
  AFFINITIES,
  DEFAULT_SESSION_POLICY,
  effectivePolicy,
  GRANTED_OFFLOADS,
  type JobProgram,
  type JobStep,
  KEY_STATES,
  type KeyVersion,
  OFFLOADS,
  type PartialSessionPolicy,
} from '../../src/index.js';
import { base64, conditions, maybe, name, propagated, systemMetadata, tenantMetadata } from './values.js';

const jobStep: fc.Arbitrary<JobStep> = fc.constantFrom(...ALGORITHM_NAMES).chain((algorithm) =>
  fc.record({
    operation: fc.constantFrom(...operationsOf(algorithm)),
    algorithm: fc.constant(algorithm),
    key: isKeyed(algorithm) ? name : fc.constant(undefined),
    level: fc.constant(0),
    callerNonce: fc.constant(false),
  }),
);

const jobPrograms: fc.Arbitrary<readonly JobProgram[]> = fc.uniqueArray(
  fc.record({ id: fc.integer({ min: 1, max: 65_535 }), steps: fc.tuple(jobStep) }),
  { minLength: 1, maxLength: 3, selector: ({ id }) => id },
);

const sessionPolicy = fc.record({
  offload: fc.constantFrom(...OFFLOADS),
  hostFallback: fc.boolean(),
  affinity: fc.constantFrom(...AFFINITIES),
  weight: fc.integer({ min: 1, max: 1000 }),
  maxInFlightJobs: fc.integer({ min: 1, max: 1024 }),
  maxInFlightKibibytes: fc.integer({ min: 64, max: 65_536 }),
  maxConnections: fc.integer({ min: 1, max: 64 }),
  leaseSeconds: fc.integer({ min: 15, max: 86_400 }),
});

const partialSessionPolicy: fc.Arbitrary<PartialSessionPolicy> = fc
  .tuple(sessionPolicy, fc.subarray(Object.keys(DEFAULT_SESSION_POLICY)))
  .map(
    ([policy, told]) =>
      Object.fromEntries(
        Object.entries(policy).map(([field, value]) => [field, told.includes(field) ? value : undefined]),
      ) as unknown as PartialSessionPolicy,
  );

export const accelerationProfile: fc.Arbitrary<AccelerationProfile> = fc.record({
  kind: fc.constant('AccelerationProfile' as const),
  metadata: tenantMetadata,
  spec: fc.record({ programs: jobPrograms, policy: partialSessionPolicy }),
  status: fc.record({
    observedGeneration: fc.nat(),
    sessions: fc.nat(),
    conditions: conditions('AccelerationProfile'),
  }),
});

const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/);

const grantedPrograms = fc.array(
  fc.record({
    id: fc.nat(65_535),
    steps: fc.array(
      fc.record({
        operation: fc.string(),
        algorithm: fc.string(),
        implementation: fc.string(),
        module: fc.string(),
        megabytesPerSecond: fc.nat(),
      }),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 2 },
);

const sourceOfPrograms: fc.Arbitrary<Pick<AccelerationSessionSpec, 'profile' | 'programs'>> = fc.oneof(
  fc.record({ profile: name, programs: fc.constant([]) }),
  fc.record({ profile: fc.constant(undefined), programs: jobPrograms }),
);

export const accelerationSession: fc.Arbitrary<AccelerationSession> = fc.record({
  kind: fc.constant('AccelerationSession' as const),
  metadata: tenantMetadata,
  spec: fc
    .tuple(
      sourceOfPrograms,
      fc.record({
        policy: partialSessionPolicy,
        holder: fc.record({ port: maybe(name), pod: maybe(fc.constant('shop/web-0')) }),
        dpu: maybe(name),
        ttlSeconds: maybe(fc.integer({ min: 1, max: 1000 })),
        tokenSha256: maybe(sha256),
        peerUid: maybe(fc.nat()),
      }),
    )
    .map(([programs, rest]) => ({ ...programs, ...rest })),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    epoch: fc.nat(),
    socketDirectory: maybe(fc.constant('/run/outboard/acceleration/s')),
    tokenSha256: maybe(sha256),
    programs: grantedPrograms,
    offload: maybe(
      fc.record({
        asked: fc.constantFrom(...OFFLOADS),
        granted: fc.constantFrom(...GRANTED_OFFLOADS),
        reason: fc.string(),
      }),
    ),
    policy: maybe(sessionPolicy.map((policy) => effectivePolicy(policy))),
    expiresAt: maybe(fc.constant('2026-11-27T02:00:00Z')),
    conditions: conditions('AccelerationSession'),
  }),
});

const keyVersion = (algorithm: AlgorithmName): fc.Arbitrary<KeyVersion> => {
  const sealedSecret = fc.record({
    sealingPublicKey: base64(32),
    encapsulatedKey: base64(32),
    ciphertext: base64(generatedKeyBytes(algorithm) + TAG_BYTES),
  });
  const material: fc.Arbitrary<Pick<KeyVersion, 'sealed' | 'generatedOn'>> = fc.oneof(
    fc.record({ sealed: fc.constant([]), generatedOn: name }),
    fc.record({
      sealed: fc.uniqueArray(sealedSecret, {
        minLength: 1,
        maxLength: 2,
        selector: ({ sealingPublicKey }) => sealingPublicKey,
      }),
      generatedOn: fc.constant(undefined),
    }),
  );
  return fc
    .tuple(
      material,
      fc.record({
        version: fc.integer({ min: 1, max: 100 }),
        state: fc.constant('DECRYPT_ONLY' as const),
        maxJobs: maybe(fc.integer({ min: 1, max: 0xffff_ffff })),
        fingerprint: maybe(fc.stringMatching(/^[0-9a-f]{8,64}$/)),
      }),
    )
    .map(([first, rest]) => ({ ...first, ...rest }));
};

export const accelerationKey: fc.Arbitrary<AccelerationKey> = fc.record({
  kind: fc.constant('AccelerationKey' as const),
  metadata: tenantMetadata,
  spec: fc.constantFrom(...ALGORITHM_NAMES.filter(isKeyed)).chain((algorithm) =>
    fc.record({
      algorithm: fc.constant(algorithm),
      session: maybe(name),
      versions: fc
        .uniqueArray(keyVersion(algorithm), { maxLength: 3, selector: ({ version }) => version })
        .map((versions) => versions.sort((one, other) => one.version - other.version)),
    }),
  ),
  status: fc.record({
    observedGeneration: fc.nat(),
    versions: fc.array(
      fc.record({
        version: fc.nat(),
        state: fc.constantFrom(...KEY_STATES),
        fingerprint: maybe(fc.constant('0123abcd')),
        dpus: fc.array(name, { maxLength: 2 }),
        lost: fc.boolean(),
      }),
      { maxLength: 2 },
    ),
    sessions: fc.nat(),
    propagated,
    conditions: conditions('AccelerationKey'),
  }),
});

const quotaLimit = fc.nat(1_000_000);

export const accelerationQuota: fc.Arbitrary<AccelerationQuota> = fc.record({
  kind: fc.constant('AccelerationQuota' as const),
  metadata: systemMetadata,
  spec: fc.record({
    maxSessions: quotaLimit,
    maxKeys: quotaLimit,
    maxWeight: quotaLimit,
    maxInFlightMebibytes: quotaLimit,
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    sessions: fc.nat(),
    keys: fc.nat(),
    weight: fc.nat(),
    inFlightMebibytes: fc.nat(),
    conditions: conditions('AccelerationQuota'),
  }),
});
