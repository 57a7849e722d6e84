import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { keyInfo, publicKeyFrom, seal } from '@outboard/acceleration';
import {
  AccelerationKeySchema,
  AccelerationKeyVersion_State,
  AccelerationObjectSchema,
  AccelerationSessionSchema,
  AccelerationStep_Operation,
  encodeBinary,
} from '@outboard/contracts';

export const SOURCE = { kind: 'AccelerationSession', tenant: 'acme', name: 'web' };
export const KEY = Buffer.from('a key that no other text contains');

/** Session `s1` with program 1: AES-256-GCM under key `k1`. */
export const sessionObject = (
  token: Uint8Array,
  overrides: MessageInitShape<typeof AccelerationSessionSchema> = {},
): Uint8Array =>
  encodeBinary(
    AccelerationObjectSchema,
    create(AccelerationObjectSchema, {
      source: SOURCE,
      object: {
        case: 'session',
        value: create(AccelerationSessionSchema, {
          sessionUid: 's1',
          epoch: 1,
          tenant: 'acme',
          tokenSha256: createHash('sha256').update(token).digest(),
          programs: [
            {
              id: 1,
              steps: [
                {
                  operation: AccelerationStep_Operation.ENCRYPT,
                  algorithm: 'AES_256_GCM',
                  keyUid: 'k1',
                },
              ],
            },
          ],
          ...overrides,
        }),
      },
    }),
  );

/** Key `k1` of tenant `acme`, sealed to a worker. */
export function keyObject(
  publicKey: Uint8Array,
  overrides: MessageInitShape<typeof AccelerationKeySchema> = {},
): Uint8Array {
  const identity = { keyUid: 'k1', tenant: 'acme', sessionUid: '', algorithm: 'AES_256_GCM' as const };
  const info = keyInfo(identity, 1);
  const { encapsulated, ciphertext } = seal(publicKeyFrom(publicKey), KEY.subarray(0, 32), { info });
  return encodeBinary(
    AccelerationObjectSchema,
    create(AccelerationObjectSchema, {
      source: SOURCE,
      object: {
        case: 'key',
        value: create(AccelerationKeySchema, {
          keyUid: 'k1',
          tenant: 'acme',
          algorithm: 'AES_256_GCM',
          versions: [
            {
              version: 1,
              state: AccelerationKeyVersion_State.ACTIVE,
              noncePrefix: 9,
              material: { case: 'sealed', value: { encapsulatedKey: encapsulated, ciphertext } },
            },
          ],
          ...overrides,
        }),
      },
    }),
  );
}
