import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AccelerationKeyVersion_State,
  type AccelerationKeyVersionSchema,
  AccelerationObjectSchema,
  AccelerationSession_Offload,
  type AccelerationSessionSchema,
  AccelerationStep_Operation,
} from '@outboard/contracts';
import { SharedObject } from '@outboard/document-owner/documents';
import { type JobProgram, type KeyVersion, keysOfPrograms, type SessionPolicy } from '@outboard/model';
import type { KeyPlace, KeyRecord, SessionRecord } from './records.js';

export const sessionObjectKey = (uid: string): string => `session/${uid}`;
export const keyObjectKey = (uid: string): string => `key/${uid}`;

type Metadata = { readonly tenant: string; readonly name: string };
const sourceOf = (kind: string, { tenant, name }: Metadata) => ({ kind, tenant, name });

const OFFLOADS: Readonly<Record<SessionPolicy['offload'], AccelerationSession_Offload>> = {
  PREFERRED: AccelerationSession_Offload.UNSPECIFIED,
  REQUIRED: AccelerationSession_Offload.REQUIRED,
  NEVER: AccelerationSession_Offload.NEVER,
};

/** A session as its worker serves it: programs whose keys are, or were, there. Undefined: none is, or nobody has a token. */
export function sessionObject(
  { resource: { metadata, spec, status }, keys }: SessionRecord,
  { programs, policy }: { readonly programs: readonly JobProgram[]; readonly policy: SessionPolicy },
): SharedObject | undefined {
  const { epoch, tokenSha256 } = status;
  const served = programs.filter((program) => keysOfPrograms([program]).every((name) => keys[name]));
  if (tokenSha256 === undefined || served.length === 0) return undefined;
  const session: MessageInitShape<typeof AccelerationSessionSchema> = {
    sessionUid: metadata.uid,
    epoch,
    tenant: metadata.tenant,
    tokenSha256: Buffer.from(tokenSha256, 'hex'),
    ...(spec.peerUid !== undefined && { peerUid: spec.peerUid }),
    weight: policy.weight,
    maxInFlightJobs: policy.maxInFlightJobs,
    maxInFlightBytes: BigInt(policy.maxInFlightKibibytes) * 1024n,
    maxConnections: policy.maxConnections,
    hostFallback: policy.hostFallback,
    offload: OFFLOADS[policy.offload],
    programs: served.map(({ id, steps }) => ({
      id,
      steps: steps.map(({ operation, algorithm, key, level, callerNonce }) => ({
        operation: AccelerationStep_Operation[operation],
        algorithm,
        keyUid: key === undefined ? '' : (keys[key] ?? ''),
        level,
        callerNonce,
      })),
    })),
  };
  return SharedObject.of(AccelerationObjectSchema, sessionObjectKey(metadata.uid), {
    source: sourceOf('AccelerationSession', metadata),
    object: { case: 'session', value: session },
  });
}

/** A key as one worker has it: the versions that it can open. `sessionUid`: the only one that may use it; empty: all. */
export function keyObject(
  { resource: { metadata, spec } }: Pick<KeyRecord, 'resource'>,
  places: readonly KeyPlace[],
  sessionUid: string,
): SharedObject {
  const versions = spec.versions.flatMap((version) => {
    const place = places.find((each) => each.version === version.version);
    return place ? [versionOf(version, place)] : [];
  });
  return SharedObject.of(AccelerationObjectSchema, keyObjectKey(metadata.uid), {
    source: sourceOf('AccelerationKey', metadata),
    object: {
      case: 'key',
      value: {
        keyUid: metadata.uid,
        tenant: metadata.tenant,
        sessionUid,
        algorithm: spec.algorithm,
        versions,
      },
    },
  });
}

function versionOf(
  { version, state, sealed, maxJobs }: KeyVersion,
  { sealingPublicKey, noncePrefix }: KeyPlace,
): MessageInitShape<typeof AccelerationKeyVersionSchema> {
  const secret = sealed.find((each) => each.sealingPublicKey === sealingPublicKey);
  return {
    version,
    state: AccelerationKeyVersion_State[state],
    noncePrefix,
    maxJobs: BigInt(maxJobs ?? 0),
    material: secret
      ? {
          case: 'sealed',
          value: {
            encapsulatedKey: Buffer.from(secret.encapsulatedKey, 'base64'),
            ciphertext: Buffer.from(secret.ciphertext, 'base64'),
          },
        }
      : { case: 'generated', value: {} },
  };
}
