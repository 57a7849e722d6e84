import { create } from '@bufbuild/protobuf';
import {
  type AccelerationKeySpec as AccelerationKeySpecMessage,
  AccelerationKeySpecSchema,
  type AccelerationKeyStatus as AccelerationKeyStatusMessage,
  AccelerationKeyStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, oneOf, required } from '../../fields.js';
import { parsePropagation, propagationToMessage } from '../../propagation.js';
import { parseName } from '../../values.js';
import { type AccelerationKeySpec, type AccelerationKeyStatus, KEY_STATES } from './spec.js';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'base64');

export const accelerationKeySpecToMessage = ({
  algorithm,
  session,
  versions,
}: AccelerationKeySpec): AccelerationKeySpecMessage =>
  create(AccelerationKeySpecSchema, {
    algorithm,
    session: session ?? '',
    versions: versions.map((each) => ({
      version: each.version,
      state: each.state,
      sealed: each.sealed.map(({ sealingPublicKey, encapsulatedKey, ciphertext }) => ({
        sealingPublicKey: bytesOf(sealingPublicKey),
        encapsulatedKey: bytesOf(encapsulatedKey),
        ciphertext: bytesOf(ciphertext),
      })),
      generatedOn: each.generatedOn ?? '',
      maxJobs: each.maxJobs ?? 0,
      fingerprint: each.fingerprint ?? '',
    })),
  });

const parseState = oneOf(KEY_STATES);

export function parseAccelerationKeyStatus(
  message: AccelerationKeyStatusMessage = create(AccelerationKeyStatusSchema),
  problems: Problems,
): Omit<AccelerationKeyStatus, 'conditions'> | undefined {
  const versions = all(
    message.versions.map(({ version, fingerprint, lost, ...rest }, index) => {
      const field = `status.versions[${index}]`;
      const state = required(problems, `${field}.state`, rest.state, parseState);
      const dpus = all(
        rest.dpus.map((name, at) => required(problems, `${field}.dpus[${at}]`, name, parseName)),
      );
      return state && dpus && { version, state, fingerprint: fingerprint || undefined, dpus, lost };
    }),
  );
  return (
    versions && {
      observedGeneration: message.observedGeneration,
      versions,
      sessions: message.sessions,
      propagated: parsePropagation(message.propagated, problems),
    }
  );
}

export const accelerationKeyStatusToMessage = ({
  observedGeneration,
  versions,
  sessions,
  propagated,
}: AccelerationKeyStatus): AccelerationKeyStatusMessage =>
  create(AccelerationKeyStatusSchema, {
    observedGeneration,
    versions: versions.map(({ fingerprint, dpus, ...version }) => ({
      ...version,
      fingerprint: fingerprint ?? '',
      dpus: [...dpus],
    })),
    sessions,
    ...propagationToMessage(propagated),
  });
