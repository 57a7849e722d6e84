import { create } from '@bufbuild/protobuf';
import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  isKeyed,
  keyLengthProblem,
  TAG_BYTES,
} from '@outboard/acceleration/programs';
import {
  type AccelerationKeySpec as AccelerationKeySpecMessage,
  AccelerationKeySpecSchema,
  type KeyVersion as KeyVersionMessage,
  type SealedSecret as SealedSecretMessage,
} from '@outboard/contracts';
import { err, ok, type Problems } from '@outboard/core';
import { within } from '../../acceleration/policy.js';
import { atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { type Parser, parseName } from '../../values.js';
import { type AccelerationKeySpec, KEY_STATES, type KeyVersion, type SealedSecret } from './spec.js';

const MAX_VERSIONS = 16;
const MAX_SEALED = 16;
/** Of X25519. */
const PUBLIC_KEY_BYTES = 32;
const MAX_UINT32 = 0xffff_ffff;

const parseAlgorithm = oneOf(ALGORITHM_NAMES.filter(isKeyed));
const parseState = oneOf(KEY_STATES);
const parseFingerprint: Parser<string, string> = (text) =>
  /^[0-9a-f]{8,64}$/.test(text) ? ok(text) : err('must be 8 to 64 lower-case hexadecimal digits');

export function parseAccelerationKeySpec(
  message: AccelerationKeySpecMessage = create(AccelerationKeySpecSchema),
  problems: Problems,
): AccelerationKeySpec | undefined {
  const algorithm = required(problems, 'spec.algorithm', message.algorithm, parseAlgorithm);
  const session = optional(problems, 'spec.session', message.session, parseName);
  const field = 'spec.versions';
  if (!atMost(problems, field, message.versions, MAX_VERSIONS)) return undefined;
  const versions = message.versions.map((version, index) =>
    parseVersion(version, `${field}[${index}]`, algorithm, problems),
  );
  distinct(
    problems,
    versions,
    ({ version }) => String(version),
    (index) => `${field}[${index}].version`,
  );
  if (versions.filter(({ state }) => state === 'ACTIVE').length > 1) {
    problems.add(field, 'must have at most one that is ACTIVE');
  }
  if (algorithm === undefined) return undefined;
  return { algorithm, session, versions: versions.sort((one, other) => one.version - other.version) };
}

function parseVersion(
  message: KeyVersionMessage,
  field: string,
  algorithm: AlgorithmName | undefined,
  problems: Problems,
): KeyVersion {
  const generatedOn = optional(problems, `${field}.generatedOn`, message.generatedOn, parseName);
  if (message.version < 1) problems.add(`${field}.version`, 'must be at least 1');
  if ((message.generatedOn === '') === (message.sealed.length === 0)) {
    problems.add(field, 'must have either sealed or generatedOn');
  }
  atMost(problems, `${field}.sealed`, message.sealed, MAX_SEALED);
  const sealed = message.sealed.map((each, index) =>
    parseSealed(each, `${field}.sealed[${index}]`, algorithm, problems),
  );
  distinct(
    problems,
    sealed,
    ({ sealingPublicKey }) => sealingPublicKey,
    (index) => `${field}.sealed[${index}].sealingPublicKey`,
  );
  return {
    version: message.version,
    state: optional(problems, `${field}.state`, message.state, parseState) ?? 'ACTIVE',
    sealed,
    generatedOn,
    maxJobs: optional(problems, `${field}.maxJobs`, message.maxJobs, within(1, MAX_UINT32)),
    fingerprint: optional(problems, `${field}.fingerprint`, message.fingerprint, parseFingerprint),
  };
}

/** A length that is wrong is all that can be seen of a secret that is not sealed. */
function parseSealed(
  { sealingPublicKey, encapsulatedKey, ciphertext }: SealedSecretMessage,
  field: string,
  algorithm: AlgorithmName | undefined,
  problems: Problems,
): SealedSecret {
  for (const [name, bytes] of Object.entries({ sealingPublicKey, encapsulatedKey })) {
    if (bytes.length !== PUBLIC_KEY_BYTES) {
      problems.add(`${field}.${name}`, `must have ${PUBLIC_KEY_BYTES} bytes, not ${bytes.length}`);
    }
  }
  const problem = algorithm && keyLengthProblem(algorithm, ciphertext.length - TAG_BYTES);
  if (problem !== undefined)
    problems.add(`${field}.ciphertext`, `without its tag of ${TAG_BYTES} ${problem}`);
  return {
    sealingPublicKey: textOf(sealingPublicKey),
    encapsulatedKey: textOf(encapsulatedKey),
    ciphertext: textOf(ciphertext),
  };
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
