import {
  checkProgram,
  DEFAULT_MAXIMUM_JOBS,
  isAlgorithm,
  isKeyed,
  type Offload,
  type Operation,
  type Program,
  type SessionGrant,
  type UncheckedStep,
  type WantedKey,
  type WantedVersion,
} from '@outboard/acceleration';
import {
  type AccelerationKey,
  type AccelerationKeyVersion,
  AccelerationKeyVersion_State,
  AccelerationObjectSchema,
  type AccelerationProgram,
  type AccelerationSession,
  AccelerationSession_Offload,
  AccelerationStep_Operation,
  decodeBinary,
  isLabel,
  LABEL_RULE,
} from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import type { Source } from '@outboard/dataplane';

/** An object of the document of owner `acceleration`, with whoever wants it. */
export type WantedObject =
  | {
      readonly kind: 'session';
      readonly source: Source;
      readonly tenant: string;
      readonly grant: SessionGrant;
    }
  | { readonly kind: 'key'; readonly source: Source; readonly key: WantedKey };

const MAXIMUM_PROGRAMS = 64;
const MAXIMUM_VERSIONS = 16;
const TOKEN_DIGEST_BYTES = 32;
const KIBIBYTE = 1024;
const DEFAULTS = { weight: 1, jobs: 64, bytes: 8 << 20, connections: 8 };

/** Reads an object; INVALID_ARGUMENT with every rule of acceleration.proto that it breaks. */
export function readObject(bytes: Uint8Array): Result<WantedObject, AppError> {
  const decoded = decodeBinary(AccelerationObjectSchema, bytes);
  if (!decoded.ok) return decoded;
  const { source: sourceField, object } = decoded.value;
  const { kind = '', tenant = '', name = '' } = sourceField ?? {};
  const source: Source = { kind, tenant, name };
  const problems = new Problems();
  let wanted: WantedObject;
  switch (object.case) {
    case 'session':
      wanted = {
        kind: 'session',
        source,
        tenant: object.value.tenant,
        grant: readSession(object.value, problems),
      };
      break;
    case 'key':
      wanted = { kind: 'key', source, key: readKey(object.value, problems) };
      break;
    default:
      return err(
        new AppError('INVALID_ARGUMENT', 'an object must be a session or a key of a version known here'),
      );
  }
  return problems.total === 0 ? ok(wanted) : err(problems.toError());
}

function readSession(session: AccelerationSession, problems: Problems): SessionGrant {
  const { sessionUid, epoch, tenant, tokenSha256, weight, maxInFlightJobs, maxConnections } = session;
  const maximumBytes = Number(session.maxInFlightBytes);
  checkLabel(sessionUid, 'session.session_uid', problems);
  checkLabel(tenant, 'session.tenant', problems);
  if (epoch < 1) problems.add('session.epoch', 'must be at least 1');
  if (tokenSha256.length !== TOKEN_DIGEST_BYTES)
    problems.add('session.token_sha256', `must have ${TOKEN_DIGEST_BYTES} bytes`);
  checkRange(weight, 1000, 'session.weight', problems);
  checkRange(maxInFlightJobs, 1024, 'session.max_in_flight_jobs', problems);
  checkRange(maxConnections, 64, 'session.max_connections', problems);
  if (maximumBytes !== 0 && (maximumBytes < 64 * KIBIBYTE || maximumBytes > 64 * KIBIBYTE * KIBIBYTE))
    problems.add('session.max_in_flight_bytes', 'must be 0 or 64 KiB to 64 MiB');
  return {
    sessionUid,
    epoch,
    tokenDigests: [Uint8Array.from(tokenSha256)],
    peerUid: session.peerUid,
    weight: weight || DEFAULTS.weight,
    maximumJobs: maxInFlightJobs || DEFAULTS.jobs,
    maximumBytes: maximumBytes || DEFAULTS.bytes,
    maximumConnections: maxConnections || DEFAULTS.connections,
    hostFallback: session.hostFallback,
    offload: readOffload(session.offload, problems),
    programs: readPrograms(session.programs, problems),
  };
}

const OFFLOADS: Partial<Record<AccelerationSession_Offload, Offload>> = {
  [AccelerationSession_Offload.UNSPECIFIED]: 'PREFERRED',
  [AccelerationSession_Offload.REQUIRED]: 'REQUIRED',
  [AccelerationSession_Offload.NEVER]: 'NEVER',
};

/** One that is unknown is refused: what it allows cannot be guessed. */
function readOffload(offload: AccelerationSession_Offload, problems: Problems): Offload {
  const known = OFFLOADS[offload];
  if (known === undefined)
    problems.addMalformed('session.offload', `${offload} is no offload that is known here`);
  return known ?? 'PREFERRED';
}

function readPrograms(programs: readonly AccelerationProgram[], problems: Problems): Program[] {
  if (programs.length > MAXIMUM_PROGRAMS)
    problems.add('session.programs', `must be at most ${MAXIMUM_PROGRAMS}`);
  const ids = new Set(programs.map(({ id }) => id));
  if (ids.size !== programs.length) problems.add('session.programs', 'must have different ids');
  return programs.map(({ id, steps }, index) => {
    const path = `session.programs[${index}]`;
    const unchecked = steps.map(
      ({ operation, algorithm, keyUid, level, callerNonce }, at): UncheckedStep => ({
        operation: readOperation(operation, `${path}.steps[${at}].operation`, problems),
        algorithm,
        keyUid,
        level,
        callerNonce,
      }),
    );
    checkProgram({ id, steps: unchecked }, path, problems);
    return { id, steps: unchecked } as Program;
  });
}

const OPERATIONS: Partial<Record<AccelerationStep_Operation, Operation>> = {
  [AccelerationStep_Operation.ENCRYPT]: 'ENCRYPT',
  [AccelerationStep_Operation.DECRYPT]: 'DECRYPT',
  [AccelerationStep_Operation.COMPRESS]: 'COMPRESS',
  [AccelerationStep_Operation.DECOMPRESS]: 'DECOMPRESS',
  [AccelerationStep_Operation.GENERATE]: 'GENERATE',
  [AccelerationStep_Operation.VERIFY]: 'VERIFY',
};

/** An operation; one that is unknown is told under `path`, and another one stands for it. */
export function readOperation(
  operation: AccelerationStep_Operation,
  path: string,
  problems: Problems,
): Operation {
  const known = OPERATIONS[operation];
  if (known === undefined) problems.addMalformed(path, `${operation} is no operation that is known here`);
  return known ?? 'GENERATE';
}

function readKey(key: AccelerationKey, problems: Problems): WantedKey {
  const { keyUid, tenant, sessionUid, algorithm, versions } = key;
  checkLabel(keyUid, 'key.key_uid', problems);
  checkLabel(tenant, 'key.tenant', problems);
  if (sessionUid !== '') checkLabel(sessionUid, 'key.session_uid', problems);
  if (versions.length < 1 || versions.length > MAXIMUM_VERSIONS)
    problems.add('key.versions', `must be 1 to ${MAXIMUM_VERSIONS}`);
  const numbers = new Set(versions.map(({ version }) => version));
  if (numbers.size !== versions.length) problems.add('key.versions', 'must have different numbers');
  const read = versions.map((version, index) => readVersion(version, `key.versions[${index}]`, problems));
  if (read.filter(({ state }) => state === 'ACTIVE').length > 1)
    problems.add('key.versions', 'must not have more than one that is ACTIVE');
  if (!isAlgorithm(algorithm) || !isKeyed(algorithm)) {
    problems.add('key.algorithm', `${JSON.stringify(algorithm)} is no algorithm with a key`);
    return { keyUid, tenant, sessionUid, algorithm: 'AES_256_GCM', versions: read };
  }
  return { keyUid, tenant, sessionUid, algorithm, versions: read };
}

function readVersion(version: AccelerationKeyVersion, path: string, problems: Problems): WantedVersion {
  const { material, maxJobs, noncePrefix, state } = version;
  if (version.version < 1) problems.add(`${path}.version`, 'must be at least 1');
  if (state === AccelerationKeyVersion_State.UNSPECIFIED) problems.add(`${path}.state`, 'must be set');
  if (material.case === undefined) problems.add(path, 'must be sealed or generated');
  return {
    version: version.version,
    state: state === AccelerationKeyVersion_State.ACTIVE ? 'ACTIVE' : 'DECRYPT_ONLY',
    sealed:
      material.case === 'sealed'
        ? {
            encapsulated: Uint8Array.from(material.value.encapsulatedKey),
            ciphertext: Uint8Array.from(material.value.ciphertext),
          }
        : undefined,
    noncePrefix,
    maximumJobs: maxJobs === 0n ? DEFAULT_MAXIMUM_JOBS : maxJobs,
  };
}

function checkLabel(value: string, path: string, problems: Problems): void {
  if (!isLabel(value)) problems.add(path, LABEL_RULE);
}

/** 0 stands for the default. */
function checkRange(value: number, maximum: number, path: string, problems: Problems): void {
  if (value > maximum) problems.add(path, `must be 0 to ${maximum}`);
}
