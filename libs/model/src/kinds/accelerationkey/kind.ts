import {
  type AccelerationKeyResource as AccelerationKeyMessage,
  AccelerationKeyResourceSchema,
} from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { ACCELERATION_KEY_REASONS } from './conditions.js';
import { parseAccelerationKeySpec } from './parse.js';
import { ACCELERATION_KEY_SELECTABLE } from './references.js';
import type { AccelerationKey, AccelerationKeySpec, KeyVersion } from './spec.js';
import {
  accelerationKeySpecToMessage,
  accelerationKeyStatusToMessage,
  parseAccelerationKeyStatus,
} from './wire.js';

/** What a DPU that made a secret knows it by: with another one it would make another secret. */
const makerOf = ({ generatedOn, maxJobs }: KeyVersion): string =>
  generatedOn === undefined ? '' : `${generatedOn} ${maxJobs}`;

export const accelerationKeyKind = {
  kind: 'AccelerationKey',
  api: 'acceleration',
  scope: 'tenant',
  summary:
    'A key that programs name: imported sealed to DPUs, or made by one; in clear nowhere but in their memory.',
  rules: [
    'A secret is sealed for one uid: to import one, make the key without versions, read its uid, seal, and apply it with the version.',
    'To rotate, add a version that is ACTIVE and make the one before DECRYPT_ONLY. To revoke, take the version out, or delete the key, also while sessions use it: every DPU zeroes it, and jobs with it fail.',
    'A DPU has it while a session there names it; it gets nonces of its own for that, under a prefix that no other DPU has ever had.',
    'A DPU that has lost its disk has another sealing key: versions that are sealed to the former cannot be opened there, those that it had made are lost.',
  ],
  schema: AccelerationKeyResourceSchema,
  reasons: ACCELERATION_KEY_REASONS,
  immutable: [
    { field: 'spec.algorithm', read: ({ algorithm }: AccelerationKeySpec) => algorithm },
    { field: 'spec.session', read: ({ session }: AccelerationKeySpec) => session },
  ],
  selectable: ACCELERATION_KEY_SELECTABLE,
  emptyStatus: { observedGeneration: 0, versions: [], sessions: 0, propagated: undefined, conditions: [] },
  parseSpec: parseAccelerationKeySpec,
  checkUpdate(before, after, problems) {
    for (const [index, version] of after.versions.entries()) {
      const former = before.spec.versions.find((each) => each.version === version.version);
      if (former && makerOf(former) !== makerOf(version)) {
        problems.add(`spec.versions[${index}]`, 'cannot be made elsewhere, or for more jobs: add a version');
      }
    }
  },
  specToMessage: accelerationKeySpecToMessage,
  parseStatus: parseAccelerationKeyStatus,
  statusToMessage: accelerationKeyStatusToMessage,
  references: () => [],
  indexes: (_: AccelerationKey) => [],
} satisfies Kind<AccelerationKey, AccelerationKeyMessage>;
